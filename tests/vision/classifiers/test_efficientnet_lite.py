from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from tsugiki_vision.classifiers.efficientnet_lite import (
    EfficientNetLiteBackbone,
    EfficientNetLiteConfig,
    EfficientNetLiteForImageClassification,
    InvertedResidual,
)

LITE = {
    0: {},
    1: {"depth_multiplier": 1.1, "image_size": 240},
    2: {"width_multiplier": 1.1, "depth_multiplier": 1.2, "image_size": 260, "dropout": 0.3},
    3: {"width_multiplier": 1.2, "depth_multiplier": 1.4, "image_size": 280, "dropout": 0.3},
    4: {"width_multiplier": 1.4, "depth_multiplier": 1.8, "image_size": 300, "dropout": 0.3},
}
SMALL = {"width_multiplier": 0.25, "stem_channels": 8, "head_channels": 32}


# The counts of the authors' table are 4.7, 5.4, 6.1, 8.2 and 13.0 million; timm's networks have these.
@pytest.mark.parametrize(
    ("number", "parameters"), [(0, 4_652_008), (1, 5_416_680), (2, 6_092_072), (3, 8_197_096), (4, 13_006_568)]
)
def test_has_the_parameters_of_its_size(number, parameters):
    with torch.device("meta"):
        model = EfficientNetLiteForImageClassification(EfficientNetLiteConfig(**LITE[number], num_labels=1000))
    assert model.num_parameters() == parameters


def test_stages_and_strides():
    names = ["stem", *(f"stage{number}" for number in range(1, 8)), "head"]
    backbone = EfficientNetLiteBackbone(EfficientNetLiteConfig(**SMALL, out_features=names)).eval()
    maps = backbone(torch.randn(1, 3, 65, 64)).feature_maps
    assert backbone.strides == [2, 2, 4, 8, 16, 16, 32, 32, 32]
    expected = [(-(-65 // stride), 64 // stride) for stride in backbone.strides]
    assert [tuple(one.shape[2:]) for one in maps] == expected
    assert [one.shape[1] for one in maps] == [8, 8, 8, 16, 24, 32, 48, 80, 32]


def test_training_leaves_blocks_out_as_often_as_is_said_and_keeps_the_mean():
    config = EfficientNetLiteConfig(**SMALL)
    block = InvertedResidual(config, 8, 8, stage=1, stride=1, skipped=0.4).train()
    for norm in (block.expand.norm, block.depthwise.norm, block.project.norm):
        norm.eval()
    torch.manual_seed(0)
    pictures = torch.randn(1, 8, 4, 4).expand(2000, -1, -1, -1)
    with torch.no_grad():
        new = block(pictures) - pictures
        plain = block.eval()(pictures[:1]) - pictures[:1]
    left_out = new.flatten(1).abs().amax(1) < 1e-6
    assert left_out.float().mean() == pytest.approx(0.4, abs=0.04)
    torch.testing.assert_close(new[~left_out][0], plain[0] / 0.6, rtol=1e-4, atol=1e-5)


def test_dropout_leaves_pooled_features_out():
    torch.manual_seed(0)
    network = EfficientNetLiteForImageClassification(EfficientNetLiteConfig(**SMALL, dropout=0.5)).efficientnet_lite
    network.eval().stages[-1][1].train()
    with torch.no_grad():
        pictures = torch.randn(200, 3, 32, 32)
        features = network(pictures).pooler_output  # (N, 32)
        whole = network.eval()(pictures).pooler_output
    lit = whole > 0
    assert (features[lit] == 0).float().mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": (16, 24)}, "repeats must be a positive number for each of the 2 stages"),
        ({"strides": (1, 2, 2, 3, 1, 2, 1)}, "strides must be 1 or 2"),
        ({"stem_stride": 4}, "strides must be 1 or 2"),
        ({"kernel_sizes": (3, 3, 4, 3, 5, 5, 3)}, "kernel_sizes must be odd"),
        ({"repeats": (1, 2, 2, 3, 3, 4, 0)}, "repeats must be a positive number"),
        ({"width_multiplier": 0}, "width_multiplier must be above 0"),
        ({"stochastic_depth": 2.0}, "stochastic_depth must be from 0 to 1"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        EfficientNetLiteConfig(**fields)
