"""Export to ONNX."""

import importlib.util

import numpy as np
import onnxruntime
import pytest
import torch
import tsugiki
from tsugiki import cli
from tsugiki.errors import OptionError, OutputError, PluginError
from tsugiki.export.export_onnx import export_onnx


@pytest.fixture(scope="module")
def model():
    return tsugiki.create_model("plain", num_labels=4)


def test_the_file_gives_torchs_logits_for_any_batch_size(model, tmp_path):
    model.train()
    export = export_onnx(model, tmp_path / "model.onnx")
    assert model.training
    model.eval()
    session = onnxruntime.InferenceSession(str(export.path))
    for rows in (1, 5):
        pixels = torch.randn(rows, 1, 32, 32)
        found = session.run(["logits"], {"pixel_values": pixels.numpy()})[0]
        np.testing.assert_allclose(found, model(pixels).logits.detach().numpy(), atol=1e-5)
    assert (export.inputs, export.outputs) == (["pixel_values"], ["logits"])
    assert export.size_bytes == export.path.stat().st_size
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["model.onnx"]


def test_batch_norm_exports_in_eval_mode_and_leaves_the_model_there(tmp_path):
    network = tsugiki.create_model("normed", num_labels=3).eval()
    export = export_onnx(network, tmp_path / "model.onnx", check=True)
    assert export.max_difference < 1e-5
    assert not any(module.training for module in network.modules())


def test_the_command_prints_the_difference(model, tmp_path, capsys):
    model.save_pretrained(tmp_path / "model")
    code = cli.main(["export", str(tmp_path / "model"), "--onnx", str(tmp_path / "m.onnx"), "--check"])
    out = capsys.readouterr().out
    assert code == 0
    assert "pixel_values -> logits" in out
    assert "largest difference to torch: " in out


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_names_the_extra(package, model, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(PluginError, match=rf"needs the package '{package}'; .*'tsugiki\[onnx\]'"):
        export_onnx(model, tmp_path / "model.onnx", check=True)
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(("place", "said"), [("", "is a folder"), ("nowhere/model.onnx", "does not exist")])
def test_a_place_that_cannot_be_written_is_refused(place, said, model, tmp_path):
    with pytest.raises(OutputError, match=said):
        export_onnx(model, tmp_path / place)


def test_an_export_that_fails_leaves_the_old_file(model, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("unsupported operator\nand more")

    (tmp_path / "model.onnx").write_bytes(b"old")
    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(
        OptionError, match="PlainForImageClassification cannot be exported to ONNX: unsupported operator"
    ):
        export_onnx(model, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"old"
