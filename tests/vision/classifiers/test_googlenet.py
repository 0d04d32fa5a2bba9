from __future__ import annotations

from math import prod

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch.nn import functional as F
from tsugiki.export.export_onnx import export_onnx
from tsugiki.transfer.graft import graft
from tsugiki.transfer.stages import check_stages
from tsugiki_vision.classifiers.googlenet import GoogLeNetBackbone, GoogLeNetConfig, GoogLeNetForImageClassification

from ..same_network import assert_same, assert_same_gradients, copy_in_order, randomise, train_without_chance
from ..torchvision_reference import torchvision_models

SMALL = {"image_size": 32, "stem": "small", "width_multiplier": 0.05, "num_labels": 3}


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (GoogLeNetConfig(num_labels=1000), 6_998_552),
        (GoogLeNetConfig.torchvision(num_labels=1000), 6_624_904),
        (GoogLeNetConfig.torchvision(num_labels=1000, auxiliary_heads=True), 13_004_888),
    ],
    ids=["paper", "torchvision", "torchvision with auxiliary heads"],
)
def test_has_the_parameters_of_the_paper_and_of_torchvision(config, parameters):
    with torch.device("meta"):
        assert GoogLeNetForImageClassification(config).num_parameters() == parameters


def test_5x5_branch_is_the_papers():
    """Table 1: module 3a reduces 192 maps to 16 and sees them through 32 filters of 5x5."""
    with torch.device("meta"):
        model = GoogLeNetForImageClassification(GoogLeNetConfig())
    assert model.googlenet.stages[1].branch5[1][0].weight.shape == (32, 16, 5, 5)


def pair(**fields):
    """torchvision's network and ours with the same weights, and whose name is whose."""
    auxiliary = fields.get("auxiliary_heads", False)
    theirs = torchvision_models().GoogLeNet(num_classes=5, aux_logits=auxiliary, init_weights=False, dropout_aux=0.7)
    randomise(theirs)
    ours = GoogLeNetForImageClassification(GoogLeNetConfig.torchvision(num_labels=5, **fields))
    heads = {"last": ("fc.", "aux1.", "aux2."), "our_last": ("classifier.", "auxiliary_heads.")}
    return ours, theirs, copy_in_order(theirs, ours, **heads)


def test_equals_torchvision():
    ours, theirs, names = pair()
    pixel_values = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    assert_same(ours, theirs, names, pixel_values, torch.tensor([1, 4]))


def test_auxiliary_losses_and_their_gradients_equal_torchvision():
    ours, theirs, names = pair(auxiliary_heads=True, dropout=0.0)
    train_without_chance(ours, theirs)
    pixel_values = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([1, 4])
    expected = theirs(pixel_values)
    main, first, second = (
        F.cross_entropy(logits, labels) for logits in (expected.logits, expected.aux_logits1, expected.aux_logits2)
    )
    total = main + 0.3 * (first + second)
    output = ours(pixel_values, labels=labels)
    torch.testing.assert_close(output.logits, expected.logits, rtol=0, atol=1e-4 * expected.logits.abs().max().item())
    torch.testing.assert_close(output.loss, total, rtol=1e-4, atol=1e-4)
    total.backward()
    output.loss.backward()
    assert_same_gradients(ours, theirs, names)


def test_auxiliary_heads_take_no_part_outside_of_training():
    model = GoogLeNetForImageClassification(GoogLeNetConfig(**SMALL, auxiliary_heads=True)).eval()
    pixel_values, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 2])
    output = model(pixel_values, labels=labels)
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, labels))


def test_auxiliary_heads_get_gradients_in_training():
    model = GoogLeNetForImageClassification(GoogLeNetConfig(**SMALL, auxiliary_heads=True)).train()
    model(torch.randn(2, 3, 32, 32), labels=torch.tensor([0, 2])).loss.backward()
    assert all(parameter.grad is not None for parameter in model.auxiliary_heads.parameters())


def test_auxiliary_heads_are_not_exported(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = GoogLeNetForImageClassification(GoogLeNetConfig(**SMALL, auxiliary_heads=True)).eval()
    export_onnx(model, tmp_path / "model.onnx")
    stored = sum(prod(one.dims) for one in onnx.load(tmp_path / "model.onnx").graph.initializer)
    kept = model.googlenet.num_parameters() + sum(one.numel() for one in model.classifier.parameters())
    assert stored < 2 * kept < model.num_parameters()  # equal tensors are stored once, constants besides


def test_auxiliary_heads_of_a_snapshot_are_left_out_where_the_config_has_none(tmp_path, caplog):
    from transformers.utils import logging

    base = GoogLeNetForImageClassification(GoogLeNetConfig(**SMALL, auxiliary_heads=True)).eval()
    base.save_pretrained(tmp_path)
    logging.enable_propagation()
    try:
        loaded = GoogLeNetForImageClassification.from_pretrained(tmp_path, auxiliary_heads=False)
    finally:
        logging.disable_propagation()
    assert "UNEXPECTED" not in caplog.text
    pixel_values = torch.randn(2, 3, 32, 32)
    assert torch.equal(loaded(pixel_values).logits, base(pixel_values).logits)


def test_a_weight_of_zero_switches_the_auxiliary_losses_off():
    model = GoogLeNetForImageClassification(
        GoogLeNetConfig(**SMALL, auxiliary_heads=True, auxiliary_weight=0, dropout=0.0)
    ).train()
    output = model(torch.randn(2, 3, 32, 32), labels=torch.tensor([0, 2]))
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, torch.tensor([0, 2])))


@pytest.mark.parametrize(
    ("stem", "strides"), [("large", [8, 8, 16, 32]), ("small", [1, 1, 2, 4]), ("pooled", [2, 2, 4, 8])]
)
def test_backbone_strides_are_those_of_the_maps(stem, strides):
    names = ["stem", "inception3b", "inception4e", "inception5b"]
    backbone = GoogLeNetBackbone(GoogLeNetConfig(stem=stem, width_multiplier=0.05, out_features=names))
    assert backbone.strides == strides
    sides = [one.shape[-1] for one in backbone(torch.randn(1, 3, 64, 64)).feature_maps]
    assert sides == [64 // stride for stride in strides]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"large_kernel": 7}, "large_kernel"),
        ({"width_multiplier": 0}, "width_multiplier must be above 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"auxiliary_weight": -0.1}, "auxiliary_weight must be at least 0"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        GoogLeNetConfig(**fields)


def test_grafting_leaves_the_auxiliary_heads_behind():
    base = GoogLeNetForImageClassification(GoogLeNetConfig(**SMALL, auxiliary_heads=True)).eval()
    grafted = graft(base, {"id2label": {0: "a", 1: "b"}, "label2id": {"a": 0, "b": 1}})
    assert not grafted.config.auxiliary_heads
    assert not hasattr(grafted, "auxiliary_heads")
    pixel_values = torch.randn(2, 3, 32, 32)
    assert len(check_stages(base)) == 10
    assert torch.equal(grafted.googlenet(pixel_values).pooler_output, base.googlenet(pixel_values).pooler_output)
