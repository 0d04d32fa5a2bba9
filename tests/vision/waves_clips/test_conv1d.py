from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch.nn import functional as F
from tsugiki.testing.conformance import check_family
from tsugiki_vision.waves_clips.conv1d import Conv1dConfig, Conv1dForAudioClassification, Conv1dModel

SMALL = {"channels": [4, 6], "kernel_sizes": [8, 3], "strides": [4, 1], "poolings": [2, 2]}


def small(**fields) -> Conv1dForAudioClassification:
    torch.manual_seed(0)
    return Conv1dForAudioClassification(Conv1dConfig(**{**SMALL, "num_labels": 3, **fields})).eval()


def test_defaults_have_the_layers_of_m5():
    """Dai et al. 2016, table 1: convolutions of 0.5 M weights in 4 layers; with batch norms and ten labels 558,090."""
    model = Conv1dForAudioClassification(Conv1dConfig(num_labels=10))
    weights = [80 * 128, 3 * 128 * 128, 3 * 128 * 256, 3 * 256 * 512]
    assert [stage.convolution.weight.numel() for stage in model.conv1d.stages] == weights
    norms, classifier = 2 * (128 + 128 + 256 + 512), 512 * 10 + 10
    assert sum(one.numel() for one in model.parameters()) == sum(weights) + norms + classifier == 558_090


def test_logits_follow_from_the_layers_written_out():
    model = small(normalization="none", activation="tanh")
    waveforms = torch.randn(2, 100)
    hidden = waveforms[:, None]
    for stage in model.conv1d.stages:
        kernel = stage.convolution.weight.shape[2]
        hidden = F.conv1d(
            hidden, stage.convolution.weight, stage.convolution.bias, stage.convolution.stride, kernel // 2
        )
        hidden = F.max_pool1d(torch.tanh(hidden), 2)
    torch.testing.assert_close(model(waveforms).logits, model.classifier(hidden.mean(2)))


@pytest.mark.parametrize("normalization", ["batch", "layer", "instance", "group", "none"])
def test_every_normalization_learns(normalization):
    model = small(normalization=normalization).train()
    model(torch.randn(4, 64), labels=torch.tensor([0, 1, 2, -100])).loss.backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in model.parameters())


def test_hidden_states_have_time_before_channels():
    output = Conv1dModel(Conv1dConfig(**SMALL)).eval()(torch.randn(2, 64), output_hidden_states=True)
    assert [tuple(one.shape) for one in output.hidden_states] == [(2, 8, 4), (2, 4, 6)]
    torch.testing.assert_close(output.pooler_output, output.last_hidden_state.mean(1))


@pytest.mark.parametrize("kernels", [[8, 3], [7, 4], [1, 1]])
def test_minimum_length_is_the_shortest_that_runs(kernels):
    model = small(kernel_sizes=kernels)
    shortest = model.config.minimum_length
    assert model(torch.randn(1, shortest)).logits.isfinite().all()
    with pytest.raises(ValueError, match=f"at least {shortest} samples"):
        model(torch.randn(1, shortest - 1))
    with pytest.raises((ValueError, RuntimeError)):
        hidden = torch.randn(1, shortest - 1, 1)
        for stage in model.conv1d.stages:
            hidden = stage(hidden)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strides": [4]}, "one entry a stage"),
        ({"channels": [4, 0]}, "channels must be positive"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_sizes_that_describe_no_network_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        Conv1dConfig(**{**SMALL, **fields})


def test_pictures_are_refused():
    with pytest.raises(ValueError, match=r"input_values must be \(N, T\)"):
        small()(torch.randn(2, 1, 64))


def test_family_passes_conformance():
    check_family("vision", "conv1d", **SMALL)
