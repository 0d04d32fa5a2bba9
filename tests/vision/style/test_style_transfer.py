from __future__ import annotations

import pytest
import torch
from tsugiki.errors import OptionError
from tsugiki_vision.style.style_losses import LossNetwork
from tsugiki_vision.style.style_transfer import BETA, picture_of_size, transfer_style

from .style_fixtures import photographs, save_tiny_vgg


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return LossNetwork.load(str(save_tiny_vgg(tmp_path_factory.mktemp("vgg"))))


@pytest.fixture
def content():
    return photographs(2)[0]


@pytest.fixture
def style():
    return photographs(2, 40)[1].roll(7, 2)


@pytest.mark.parametrize("start", ["noise", "content"])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_loss_falls(network, content, style, start, optimizer):
    seen = []
    painted = transfer_style(content, style, network, steps=30, start=start, optimizer=optimizer, progress=seen.append)
    assert painted.picture.shape == content.shape
    assert painted.picture.min() >= 0 and painted.picture.max() <= 1
    assert seen == painted.history[:-1]
    assert 30 <= len(seen) <= 55  # the line search takes 25 at most
    totals = [one.content + BETA * one.style + one.total_variation for one in painted.history]
    assert totals[-1] < 0.7 * totals[0]
    assert painted.history[-1].style < painted.history[0].style


def test_the_last_losses_are_those_of_the_picture(network, content, style):
    painted = transfer_style(content, style, network, steps=3, start="content")
    again = transfer_style(painted.picture, style, network, steps=1, start="content")
    assert again.history[0].style == pytest.approx(painted.history[-1].style, rel=1e-3)


def test_without_style_the_content_is_found_again_from_noise(network, content, style):
    options = {"beta": 0, "total_variation": 0, "content_layer": "conv1_1"}
    painted = transfer_style(content, style, network, steps=80, **options)
    assert painted.history[-1].content < 0.05 * painted.history[0].content
    untouched = transfer_style(content, style, network, steps=2, start="content", **options)
    torch.testing.assert_close(untouched.picture, content.clamp(0.01, 0.99), rtol=0, atol=1e-3)


def test_the_same_seed_paints_the_same_picture(network, content, style):
    one, same, other = (transfer_style(content, style, network, steps=3, seed=seed).picture for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_weights_of_the_layers_count(network, content, style):
    options = {"style_layers": ["conv1_1", "conv2_1"], "steps": 1}
    both, first = (
        transfer_style(content, style, network, style_weights=weights, **options).history[0].style
        for weights in ([1, 1], [1, 0])
    )
    second = transfer_style(content, style, network, style_weights=[0, 1], **options).history[0].style
    assert both == pytest.approx((first + second) / 2, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"alpha": -1}, "alpha, beta and tv must be at least 0"),
        ({"alpha": 0, "beta": 0}, "alpha or beta above it"),
        ({"start": "chaos"}, "starts from noise or from content, not from 'chaos'"),
        ({"optimizer": "sgd"}, "the optimizer is lbfgs or adam"),
        ({"content_layer": "conv9_1"}, "'conv9_1' is no convolution"),
        ({"style_weights": [1]}, "5 style layers need as many weights"),
    ],
)
def test_refuses(network, content, style, options, message):
    with pytest.raises(OptionError, match=message):
        transfer_style(content, style, network, **options)


def test_the_longer_side_gets_the_size():
    picture = torch.full((3, 60, 40), 0.3)
    assert picture_of_size(picture, 30).shape == (3, 30, 20)
    assert picture_of_size(picture, 120).shape == (3, 120, 80)
    torch.testing.assert_close(picture_of_size(picture, 30), torch.full((3, 30, 20), 0.3))
