"""Export to ONNX."""

import importlib.util

import numpy as np
import onnxruntime
import pytest
import torch
import tsugiki
from tsugiki import cli
from tsugiki.errors import ExportRefusedError, OptionError, OutputError, PluginError
from tsugiki.export.export_onnx import OPSET, export_onnx
from tsugiki.onnx_refusal import refuse_onnx
from tsugiki.registry import registry


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


def words_model():
    torch.manual_seed(0)
    return tsugiki.create_model("words", num_labels=3).eval()


def changed(network, monkeypatch, see):
    """A text classifier whose network sees what `see` makes of tokens and mask."""
    forward = type(network.words).forward
    monkeypatch.setattr(
        type(network.words), "forward", lambda self, ids, mask, **kw: forward(self, *see(ids, mask), **kw)
    )
    return network


def test_a_text_classifier_takes_any_length_and_any_padding(tmp_path):
    export = export_onnx(words_model(), tmp_path / "model.onnx", check=True)
    assert export.inputs == ["input_ids", "attention_mask"]
    assert (export.free_axes, export.unused, export.opset) == (["length"], [], OPSET)
    assert export.trials == 18  # three numbers of rows, two lengths, full and padded on either side
    assert export.max_difference < 1e-5


WRONG = {
    "a_mask_that_is_looked_at": (
        lambda ids, mask: (ids, mask if bool(mask[:, 0].all()) else torch.ones_like(mask)),
        "differs from torch by .* on 1 row, padded left",
    ),
    "a_mask_that_is_lost": (
        lambda ids, mask: (ids, None if bool(mask[:, 0].all()) else mask),
        "the graph has lost its input 'attention_mask', on which the answer hangs",
    ),
    "a_number_of_tokens": (
        lambda ids, mask: (ids, mask.cumsum(1) * torch.arange(int(ids.shape[1]))),
        "does not run on 1 row, length 9",
    ),
    "a_number_of_rows": (
        lambda ids, mask: (ids, mask * torch.ones(len(ids), 1, dtype=torch.int64)),
        r"the file gives \[\(3, 3\)\] for torch's \[\(1, 3\)\] on 1 row",
    ),
    "a_token": (lambda ids, mask: (ids, mask + ids[0, 0].item()), "differs from torch by .* on "),
}


@pytest.mark.parametrize(("see", "said"), WRONG.values(), ids=WRONG)
def test_a_graph_that_is_fixed_to_its_example_fails_the_check(see, said, tmp_path, monkeypatch):
    with pytest.raises(OptionError, match=said) as caught:
        export_onnx(changed(words_model(), monkeypatch, see), tmp_path / "model.onnx", check=True)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_mask_is_an_input_of_the_graph_where_the_examples_have_none(tmp_path, monkeypatch):
    network = words_model()
    monkeypatch.setattr(type(network), "dummy_inputs", property(lambda self: {"input_ids": torch.arange(4).view(2, 2)}))
    assert export_onnx(network, tmp_path / "model.onnx", check=True).inputs == ["input_ids", "attention_mask"]


def test_padding_that_the_network_refuses_is_not_tried(tmp_path, monkeypatch):
    def see(ids, mask):
        if not torch.jit.is_tracing() and not mask[:, 0].all():
            raise ValueError("padding stands on the right")
        return ids, mask

    assert export_onnx(changed(words_model(), monkeypatch, see), tmp_path / "model.onnx", check=True).trials == 12


def test_an_input_that_the_network_makes_no_use_of_is_named(tmp_path, monkeypatch):
    network = changed(words_model(), monkeypatch, lambda ids, mask: (ids, None))
    export = export_onnx(network, tmp_path / "model.onnx", check=True)
    assert (export.inputs, export.unused) == (["input_ids"], ["attention_mask"])


def test_pictures_of_other_sizes_are_tried_where_the_network_takes_them(model, tmp_path):
    assert export_onnx(model, tmp_path / "fixed.onnx", check=True).trials == 3
    free = export_onnx(tsugiki.create_model("normed", num_labels=3), tmp_path / "free.onnx", check=True)
    assert (free.trials, free.free_axes) == (6, ["height", "width"])


def test_a_backbone_gives_all_its_maps(tmp_path):
    family = registry().family("normed")
    backbone = family.model_class("backbone")(family.config_class()(out_indices=[0, 1])).eval()
    export = export_onnx(backbone, tmp_path / "model.onnx", check=True)
    assert export.outputs == ["feature_maps.0", "feature_maps.1"]


def test_what_a_family_declares_is_read(model, tmp_path, monkeypatch):
    declared = registry().family("plain").declaration
    for value, said in (("its steps have no end", "its steps have no end"), (False, "declares onnx=False")):
        with monkeypatch.context() as patch:
            patch.setitem(declared.__dict__, "onnx", value)
            with pytest.raises(ExportRefusedError, match=f"PlainFor.* cannot be exported to ONNX: .*{said}"):
                export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_refuses_as_it_is_configured(tmp_path, monkeypatch):
    def see(ids, mask):
        refuse_onnx("it reads token by token")
        return ids, mask

    network = changed(words_model(), monkeypatch, see)
    network(torch.ones(1, 2, dtype=torch.int64))
    with pytest.raises(ExportRefusedError, match=r"WordsFor\w+ cannot be exported to ONNX: it reads token by token$"):
        export_onnx(network, tmp_path / "model.onnx")


def test_a_failed_export_prints_nothing_on_stdout(tmp_path, monkeypatch, capfd):
    words_model().save_pretrained(tmp_path / "model")
    capfd.readouterr()
    changed(words_model(), monkeypatch, lambda ids, mask: (ids, mask ^ ids))  # which ONNX lacks for integers
    code = cli.main(["export", str(tmp_path / "model"), "--onnx", str(tmp_path / "m.onnx"), "--json"])
    captured = capfd.readouterr()
    assert (code, captured.out) == (1, "")
    assert len([line for line in captured.err.splitlines() if line.startswith("tsugiki: ")]) == 1
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_names_the_extra(package, model, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(PluginError, match=rf"needs the package '{package}'; .*'tsugiki\[onnx\]'"):
        export_onnx(model, tmp_path / "model.onnx", check=True)
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(("place", "said"), [("", "cannot be written"), ("nowhere/model.onnx", "cannot be written")])
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
        export_onnx(model, tmp_path / "model.onnx", overwrite=True)
    with pytest.raises(OutputError, match="exists already"):
        export_onnx(model, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"old"
