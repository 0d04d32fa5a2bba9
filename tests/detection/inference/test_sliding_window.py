"""A classifier on every window of a picture, held against cropping each of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import tsugiki
from PIL import Image
from torch import nn
from tsugiki.errors import DataError, OptionError
from tsugiki_detection.inference.sliding_window import SlidingWindow
from tsugiki_detection.inference.window_maps import all_windows

NETWORKS = {
    "valid": nn.Sequential(
        *(nn.Conv2d(2, 4, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.Tanh()),
        *(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6 * 2 * 2, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)),
    ),
    "padded once": nn.Sequential(
        *(nn.Conv2d(2, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(6 * 3 * 3, 3)),
    ),
    "padded twice, strided, in groups": nn.Sequential(
        *(nn.Conv2d(2, 4, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1, groups=2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)),
    ),
    "pooled with padding": nn.Sequential(
        *(nn.MaxPool2d(3, stride=2, padding=1), nn.Conv2d(2, 4, 3, dilation=2), nn.AvgPool2d(2, padding=1)),
        *(nn.Flatten(), nn.Linear(4 * 3 * 3, 3)),
    ),
    "pooled over the border": nn.Sequential(
        *(nn.Conv2d(2, 4, 4), nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(4, 4, 3, padding="same")),
        *(nn.Flatten(), nn.Linear(4 * 7 * 8, 3)),
    ),
    "one hidden layer": nn.Sequential(nn.Flatten(), nn.Linear(2 * 16 * 18, 5), nn.Sigmoid(), nn.Linear(5, 3)),
    "convolutions alone": nn.Sequential(nn.Conv2d(2, 3, (16, 18)), nn.Flatten()),
}


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_every_window_is_answered_as_if_it_were_cropped(name, stride):
    network = NETWORKS[name].eval()
    picture = torch.randn(1, 2, 27, 33, generator=torch.Generator().manual_seed(0))
    found = all_windows(network, picture, (16, 18), stride)
    windows = picture[0].unfold(1, 16, stride).unfold(2, 18, stride)
    expected = network(windows.permute(1, 2, 0, 3, 4).flatten(0, 1))
    assert found.shape == (*windows.shape[1:3], 3)
    torch.testing.assert_close(found.flatten(0, 1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(6)), nn.Flatten(), nn.Linear(576, 2)), "pads"),
        (nn.Sequential(nn.Flatten(), nn.LayerNorm(576), nn.Linear(576, 2)), "'layer_norm'"),
        (nn.Conv2d(2, 2, 3), "one vector"),
        (nn.Sequential(nn.ReflectionPad2d(1), nn.Flatten()), "'pad'"),
        (nn.Sequential(nn.Flatten(), nn.BatchNorm1d(576), nn.Linear(576, 2)), "flattened"),
    ],
)
def test_what_has_no_form_over_whole_pictures_is_refused(network, said):
    with pytest.raises(OptionError, match=said), torch.inference_mode():
        all_windows(network.eval(), torch.zeros(1, 2, 20, 20), (16, 18), 1)


@pytest.fixture(scope="module")
def lenet() -> SlidingWindow:
    return SlidingWindow.open("lenet5-mnist")


def canvas(height: int = 60, width: int = 71) -> Image.Image:
    pixels = np.zeros((height, width), np.uint8)
    pixels[10:30, 20:24] = 250  # a one
    pixels[34:54, 40:56] = 250  # a nought
    pixels[38:50, 44:52] = 0
    return Image.fromarray(pixels)


@pytest.mark.parametrize("stride", [1, 3])
def test_a_trained_lenet_slides(lenet, stride):
    window = SlidingWindow(lenet.model, lenet.processor, stride=stride)
    pixels = window.prepare(canvas())
    torch.testing.assert_close(window.logits(pixels), window.cropped_logits(pixels), rtol=1e-4, atol=1e-4)


def test_a_large_picture_is_looked_at_in_bands(lenet, monkeypatch):
    pixels = lenet.prepare(canvas())
    whole = lenet.logits(pixels)
    monkeypatch.setattr("tsugiki_detection.inference.sliding_window.WINDOWS_AT_ONCE", 200)
    torch.testing.assert_close(lenet.logits(pixels), whole, rtol=1e-4, atol=1e-4)


def test_windows_become_boxes(lenet):
    found = lenet.detect(canvas(), threshold=0.99)
    assert found == sorted(found, key=lambda one: -one["score"])
    nought = next(one for one in found if one["label"] == "0")
    centre = [(nought["box"]["xmin"] + nought["box"]["xmax"]) / 2, (nought["box"]["ymin"] + nought["box"]["ymax"]) / 2]
    np.testing.assert_allclose(centre, [48, 44], atol=6)
    assert all(one["label"] != "0" for one in lenet.detect(canvas(), threshold=0.99, background=["0"]))
    double = lenet.detect(canvas().resize((142, 120)), threshold=0.99, scales=(0.5, 0.1))
    box = next(one["box"] for one in double if one["label"] == "0")
    assert box["xmax"] - box["xmin"] == 56


def test_bad_choices_are_refused(lenet):
    with pytest.raises(DataError, match="20 x 60 pixels holds no window of 28 x 28"):
        lenet.logits(torch.zeros(1, 60, 20))
    with pytest.raises(DataError, match="at any scale"):
        lenet.detect(canvas(), scales=(0.1,))
    with pytest.raises(OptionError, match="at least 1"):
        SlidingWindow(lenet.model, lenet.processor, stride=0)
    with pytest.raises(OptionError, match=r"resnet20-cifar10: .*cannot slide"):
        SlidingWindow.open("resnet20-cifar10")
    with pytest.raises(OptionError, match="no classifier"):
        SlidingWindow.open("vae-mnist")


def test_networks_of_other_layers_slide():
    model = tsugiki.create_model("lenet", activation="tanh", pooling="average", num_labels=4)
    processor = tsugiki.load_processor("lenet5-mnist")
    processor.size = {"height": 32, "width": 32}
    window = SlidingWindow(model, processor)
    pixels = torch.randn(1, 40, 37)
    torch.testing.assert_close(window.logits(pixels), window.cropped_logits(pixels), rtol=1e-4, atol=1e-4)
