from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch import nn
from tsugiki.testing.conformance import check_family
from tsugiki_vision.waves_clips.conv3d import Conv3dConfig, Conv3dForVideoClassification

SMALL = {
    "channels": [4, 6],
    "kernel_sizes": [[3, 3], [3, 5]],
    "strides": [[1, 1], [1, 2]],
    "poolings": [[1, 2], [2, 1]],
    "image_size": 12,
    "num_frames": 4,
}


def small(**fields) -> Conv3dForVideoClassification:
    torch.manual_seed(0)
    return Conv3dForVideoClassification(Conv3dConfig(**{**SMALL, "num_labels": 3, **fields})).eval()


def test_logits_are_those_of_the_layers_written_out():
    model = small(num_channels=2)
    clips = torch.randn(2, 4, 2, 12, 12)
    first, second = model.conv3d.stages
    reference = nn.Sequential(
        nn.Conv3d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm3d(4),
        nn.ReLU(),
        nn.MaxPool3d((1, 2, 2)),
        nn.Conv3d(4, 6, (3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2), bias=False),
        nn.BatchNorm3d(6),
        nn.ReLU(),
        nn.MaxPool3d((2, 1, 1)),
    ).eval()
    for place, ours in ((0, first), (4, second)):
        reference[place].load_state_dict(ours.convolution.state_dict())
        reference[place + 1].load_state_dict(ours.norm.state_dict())
    maps = reference(clips.transpose(1, 2))
    assert maps.shape == (2, 6, 2, 3, 3)
    torch.testing.assert_close(model(clips).logits, model.classifier(maps.mean((2, 3, 4))))


def test_order_of_frames_matters():
    model, clips = small(), torch.randn(1, 4, 1, 12, 12)
    assert not torch.allclose(model(clips).logits, model(clips.flip(1)).logits)


@pytest.mark.parametrize("normalization", ["batch", "layer", "instance", "group", "none"])
def test_every_normalization_learns(normalization):
    model = small(normalization=normalization).train()
    model(torch.randn(4, 4, 1, 12, 12), labels=torch.tensor([0, 1, 2, -100])).loss.backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in model.parameters())


def test_smallest_clip_is_the_one_that_is_announced():
    model = small()
    config = model.config
    shape = [1, config.minimum_frames, 1, config.minimum_size, config.minimum_size]
    assert model(torch.randn(shape)).logits.isfinite().all()
    for axis in (1, 3):
        smaller = [size - (place == axis) for place, size in enumerate(shape)]
        with pytest.raises(ValueError, match="too small"):
            model(torch.randn(smaller))


def test_frames_after_colours_are_refused():
    with pytest.raises(ValueError, match=r"pixel_values must be \(N, T, 1, H, W\)"):
        small()(torch.randn(2, 1, 4, 12, 12))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"poolings": [[1, 2]]}, "one entry a stage"),
        ({"strides": [[1], [1, 1]]}, "must be pairs"),
        ({"num_frames": 1}, "too small for these poolings"),
        ({"dropout": -0.1}, "dropout"),
    ],
)
def test_sizes_that_describe_no_network_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        Conv3dConfig(**{**SMALL, **fields})


def test_family_passes_conformance():
    check_family("vision", "conv3d", **SMALL)
