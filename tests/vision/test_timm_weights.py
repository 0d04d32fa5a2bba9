from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import tsugiki
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tsugiki.errors import PluginError, SnapshotError
from tsugiki.registry import import_string, registry
from tsugiki_vision.plugin import plugin
from tsugiki_vision.timm_weights import processor, read_resnet

from ..registry.local_hub import LocalHub
from .same_network import randomise
from .torchvision_reference import reference, timm

SIZE = 64  # pixels a side of the pictures compared: enough for most networks, and quick
INCEPTION_SIZE = 107
PLAIN = ["resnet18", "resnet50", "densenet121", "mobilenetv1_100"]


def write_repository(folder: Path, name: str, num_classes: int = 5) -> tuple[nn.Module, Tensor, Tensor]:
    """A folder as timm writes it for the Hub, with random weights; also the network, pictures and their logits."""
    network = timm().create_model(name, num_classes=num_classes)
    if name.startswith("vgg"):  # narrower hidden layers compare the same in a tenth of the time
        network.pre_logits = reference("timm.models.vgg").ConvMlp(512, 16, 7)
        network.head.fc = nn.Linear(16, num_classes)
    randomise(network.eval())
    reference("timm.models").save_for_hf(network, folder, safe_serialization=True)
    (folder / "pytorch_model.bin").unlink(missing_ok=True)
    size = INCEPTION_SIZE if name == "inception_v3" else SIZE
    pixel_values = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network, pixel_values, network(pixel_values)


def assert_close(logits: Tensor, expected: Tensor) -> None:
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4 * scale)


def change_config(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in (values | fields).items() if value is not ...}))


def change_weights(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize("name", [*PLAIN, "inception_v3", "vgg11", "vgg13_bn"])
def test_loads_with_the_logits_of_timm_and_saves_as_its_own_snapshot(name, tmp_path):
    _, pixel_values, expected = write_repository(tmp_path / "timm", name)
    sizes = {"hidden_sizes": [16, 16]} if name.startswith("vgg") else {}
    model = tsugiki.load(tmp_path / "timm", **sizes)
    assert not model.training
    with torch.no_grad():
        assert expected.std(0).mean() > 1e-3
        assert_close(model(pixel_values).logits, expected)
        model.save_pretrained(tmp_path / "ours")
        saved = tsugiki.load(tmp_path / "ours")
        assert type(saved) is type(model)
        assert torch.equal(saved(pixel_values).logits, model(pixel_values).logits)


@pytest.mark.parametrize("name", sorted(plugin.public_weights))
def test_every_tensor_of_timm_has_a_place_of_its_shape(name, tmp_path):
    with torch.device("meta"):
        theirs = timm().create_model(name, **({"aux_logits": True} if name == "inception_v3" else {}))
    values = {"architecture": name, "num_classes": 1000, "pretrained_cfg": {"input_size": [3, 224, 224]}}
    public = import_string(plugin.public_weights[name])(values)
    stored = {key: (tuple(value.shape), "F32") for key, value in theirs.state_dict().items()}
    header, origin = public.translate(stored, tmp_path / "model.safetensors")
    fields = {key: value for key, value in public.config.items() if key != "id2label"}
    with torch.device("meta"):
        ours = public.family.model_class(public.task)(public.family.config_class()(**fields))
    assert {key: shape for key, (shape, _) in header.items()} == {
        key: tuple(value.shape) for key, value in ours.state_dict().items()
    }
    left_out = {key for key in stored if key.startswith(public.left_out)} if public.left_out else set()
    assert set(origin.values()) | left_out == set(stored)


def test_loads_from_the_hub_by_name(tmp_path):
    _, pixel_values, expected = write_repository(tmp_path / "timm", "mobilenetv1_100")
    save_file({"pixel_values": pixel_values}, tmp_path / "pictures.safetensors")
    code = f"""
import torch, tsugiki
from safetensors.torch import load_file, save_file
pixel_values = load_file({str(tmp_path / "pictures.safetensors")!r})["pixel_values"]
with torch.no_grad():
    logits = tsugiki.load("timm/mobilenetv1_100.test")(pixel_values).logits
save_file({{"logits": logits}}, {str(tmp_path / "logits.safetensors")!r})
print(tsugiki.load_processor("timm/mobilenetv1_100.test").crop_size["height"])
"""
    with LocalHub(tmp_path / "hf-home") as hub:
        hub.commit(
            "timm/mobilenetv1_100.test", {file.name: file.read_bytes() for file in (tmp_path / "timm").iterdir()}
        )
        assert hub.run(code).strip() == "224"
        assert hub.unknown == []
    assert_close(load_file(tmp_path / "logits.safetensors")["logits"], expected)


def test_backbone_and_base_model_take_the_weights(tmp_path):
    network, pixel_values, _ = write_repository(tmp_path, "densenet121")
    with torch.no_grad():
        expected = network.forward_features(pixel_values)
        (last,) = tsugiki.load(tmp_path, task="backbone", out_indices=[-1])(pixel_values).feature_maps
        assert_close(tsugiki.load(tmp_path, task="base")(pixel_values).pooler_output, expected.mean((2, 3)))
    assert_close(last.relu(), expected.relu())


def test_other_labels_give_a_new_head_on_the_same_network(tmp_path):
    write_repository(tmp_path, "resnet18")
    model, other = tsugiki.load(tmp_path), tsugiki.load(tmp_path, num_labels=3)
    assert other.classifier[1].weight.shape == (3, 512)
    assert torch.equal(
        other.resnet.encoder.stages[3].layers[1].layer[1].convolution.weight,
        model.resnet.encoder.stages[3].layers[1].layer[1].convolution.weight,
    )


def test_older_files_without_counters_of_batches_load(tmp_path):
    _, pixel_values, expected = write_repository(tmp_path, "resnet18")

    def drop_counters(weights: dict[str, Tensor]) -> None:
        for key in [key for key in weights if key.endswith("num_batches_tracked")]:
            del weights[key]

    change_weights(tmp_path, drop_counters)
    with torch.no_grad():
        assert_close(tsugiki.load(tmp_path)(pixel_values).logits, expected)


def test_pipeline_names_the_labels_of_the_config(tmp_path):
    write_repository(tmp_path, "resnet18", num_classes=2)
    change_config(tmp_path, label_names=["n1", "n2"], label_descriptions={"n1": "sparrow"})
    answers = tsugiki.pipeline(tmp_path)(PIL.Image.new("RGB", (90, 70)))
    assert {answer["label"] for answer in answers} == {"sparrow", "n2"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("layer1.0.conv1.weight"), r"lacks 1 tensor \(resnet\.encoder\.stages\.0\.layers"),
        (lambda weights: weights.update({"fc2.weight": torch.ones(2)}), "holds fc2.weight, which has no place"),
        (lambda weights: weights.update({"fc.bias": torch.ones(4)}), r"classifier\.1\.bias has shape \[4\]"),
        (lambda weights: weights["fc.bias"].fill_(torch.nan), "fc.bias holds NaN"),
    ],
    ids=["missing", "foreign", "shape", "nan"],
)
def test_damaged_weights_are_refused(change, message, tmp_path):
    write_repository(tmp_path, "resnet18")
    change_weights(tmp_path, change)
    with pytest.raises(SnapshotError, match=message) as caught:
        tsugiki.load(tmp_path)
    assert "model.safetensors" in str(caught.value)


def test_pickled_weights_are_refused(tmp_path):
    write_repository(tmp_path, "resnet18")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(SnapshotError, match="may hold a pickle"):
        tsugiki.load(tmp_path)


def write_config(folder: Path, **fields: Any) -> Path:
    values = {"architecture": "resnet18", "num_classes": 5, "pretrained_cfg": {"input_size": [3, 224, 224]}}
    folder.joinpath("config.json").write_text(json.dumps(values | fields))
    return folder


def test_unknown_architecture_names_the_known_ones(tmp_path):
    write_config(tmp_path, architecture="resnet51")
    for load in (tsugiki.load, tsugiki.load_processor):
        with pytest.raises(
            SnapshotError, match=r"'resnet51' is none of those.*densenet121.*vgg19_bn.*resnet50"
        ) as caught:
            load(tmp_path)
        assert str(tmp_path / "config.json") in str(caught.value)


def test_an_architecture_may_be_of_any_type_and_is_refused(tmp_path):
    with pytest.raises(SnapshotError, match="architecture 5 is none of"):
        tsugiki.load(write_config(tmp_path, architecture=5))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_classes": 0}, "num_classes must be at least 1, not 0"),
        ({"num_classes": "many"}, "num_classes must be at least 1, not 'many'"),
        ({"num_classes": 10**7}, "num_labels = 10000000 is out of range"),
        ({"model_args": {"act_layer": "silu"}}, "model_args 'act_layer' changes the architecture"),
        ({"model_args": {"in_chans": 1}}, "in_chans must be 3, not 1"),
        ({"model_args": 1}, "model_args must be an object"),
        ({"global_pool": "max"}, "global_pool must be 'avg'"),
        ({"pretrained_cfg": 3}, "pretrained_cfg must be an object"),
        ({"pretrained_cfg": {}}, r"input_size must be \[3, size, size\], not None"),
        ({"pretrained_cfg": {"input_size": [1, 224, 224]}}, "input_size must be"),
        ({"pretrained_cfg": {"input_size": [3, 224, 225]}}, "input_size must be"),
        ({"pretrained_cfg": {"input_size": [3, "a", "a"]}}, "input_size must be"),
        ({"pretrained_cfg": {"input_size": []}}, "input_size must be"),
        ({"pretrained_cfg": {"input_size": [3, 64, 64], "crop_pct": 0}}, "crop_pct must be above 0"),
        ({"pretrained_cfg": {"input_size": [3, 64, 64], "crop_mode": "border"}}, "crop_mode 'border'"),
        ({"pretrained_cfg": {"input_size": [3, 64, 64], "interpolation": "random"}}, "interpolation 'random'"),
        ({"pretrained_cfg": {"input_size": [3, 64, 64], "std": [0, 1, 1]}}, "std must be above 0"),
        ({"pretrained_cfg": {"input_size": [3, 64, 64], "mean": 0.5}}, "mean must be three numbers"),
        ({"pretrained_cfg": {"input_size": [3, 64, 64], "crop_pct": 1e-5}}, "shortest_edge = .* is out of range"),
    ],
)
def test_a_config_that_timm_would_not_write_is_one_sentence(fields, message, tmp_path):
    with pytest.raises(SnapshotError, match=message) as caught:
        tsugiki.load(write_config(tmp_path, **fields))
    assert "\n" not in str(caught.value)


def test_without_the_plugin_no_architecture_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("TSUGIKI_PLUGINS", "")
    tsugiki.refresh()
    try:
        with pytest.raises((SnapshotError, PluginError), match="'resnet18' is none of an installed plugin's"):
            tsugiki.load(write_config(tmp_path))
    finally:
        monkeypatch.undo()
        tsugiki.refresh()
    assert "resnet18" in registry().public_architectures()


@pytest.mark.parametrize("shape", [(91, 73), (64, 200), (57, 57), (224, 341)])
@pytest.mark.parametrize(
    "cfg",
    [
        {"crop_pct": 0.875, "interpolation": "bilinear"},
        {"crop_pct": 0.95, "interpolation": "bicubic", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]},
        {"crop_pct": 0.9, "interpolation": "bicubic", "crop_mode": "squash"},
        {"crop_pct": 1.0, "interpolation": "bilinear"},
    ],
    ids=["centre", "other mean", "squash", "whole"],
)
def test_pictures_are_prepared_as_timm_does(cfg, shape, tmp_path):
    timm()
    picture = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    arguments = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), **cfg}
    expected = reference("timm.data").create_transform((3, 48, 48), is_training=False, **arguments)(picture)
    write_config(tmp_path, pretrained_cfg={"input_size": [3, 48, 48], **cfg})
    prepare = tsugiki.load_processor(tmp_path)
    pixel_values = prepare(picture, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(pixel_values[0], expected, rtol=0, atol=1e-5)
    prepare.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text('{"model_type": "resnet"}')
    again = tsugiki.load_processor(tmp_path / "saved")(picture, return_tensors="pt")["pixel_values"]
    assert torch.equal(again, pixel_values)


def test_the_oldest_files_have_their_fields_beside_the_architecture():
    values = {"architecture": "resnet18", "num_classes": 7, "input_size": [3, 224, 224], "crop_pct": 0.875}
    assert processor(values)["size"] == {"shortest_edge": 256}
    assert read_resnet(values).config["num_labels"] == 7
