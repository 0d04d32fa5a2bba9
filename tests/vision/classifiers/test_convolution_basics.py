from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage, signal
from tsugiki_vision.classifiers.convolution_basics import (
    EDGE_FILTERS,
    XOR_INPUTS,
    XOR_LABELS,
    edge_strength,
    filter_picture,
    output_size,
    train_xor,
    xor_accuracy,
    xor_network,
)
from tsugiki_vision.classifiers.convolution_pictures import draw_edge_filters, draw_output_sizes, draw_xor


def test_output_size_is_that_of_torch():
    choices = itertools.product((5, 6, 11), (1, 2, 3, 5), ("valid", "same", 0, 1, 3), (1, 2, 3))
    for size, kernel_size, padding, stride in choices:
        if padding == "same" and kernel_size % 2 == 0:
            continue
        zeros = {"valid": 0, "same": (kernel_size - 1) // 2}.get(padding, padding)
        picture, kernel = torch.zeros(1, 1, size, size), torch.zeros(1, 1, kernel_size, kernel_size)
        result = F.conv2d(picture, kernel, None, stride, zeros)
        assert output_size(size, kernel_size, padding, stride) == result.shape[-1], (size, kernel_size, padding, stride)


@pytest.mark.parametrize("name", sorted(EDGE_FILTERS))
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_filtering_is_scipys_correlation(name, padding):
    picture = np.random.default_rng(0).random((9, 12))
    expected = signal.correlate2d(picture, EDGE_FILTERS[name].numpy(), mode=padding)
    np.testing.assert_allclose(
        filter_picture(torch.from_numpy(picture), EDGE_FILTERS[name], padding=padding).numpy(), expected, atol=1e-4
    )


def test_padding_and_stride_are_what_a_loop_gives():
    picture, kernel = torch.rand(7, 6), torch.rand(3, 3)
    padded = F.pad(picture, (2, 2, 2, 2))
    expected = [
        [float((padded[row : row + 3, column : column + 3] * kernel).sum()) for column in range(0, 8, 2)]
        for row in range(0, 9, 2)
    ]
    torch.testing.assert_close(filter_picture(picture, kernel, padding=2, stride=2), torch.tensor(expected))


def test_channels_are_filtered_by_themselves():
    picture = torch.rand(3, 8, 8)
    filtered = filter_picture(picture, EDGE_FILTERS["vertical"])
    assert filtered.shape == (3, 6, 6)
    torch.testing.assert_close(filtered[1], filter_picture(picture[1], EDGE_FILTERS["vertical"]))


def test_vertical_filter_finds_the_edge_of_the_6x6_example():
    """Bright left half, dark right half: a band of 30 in the middle, as every course shows it."""
    picture = torch.cat([torch.full((6, 3), 10.0), torch.zeros(6, 3)], dim=1)
    assert filter_picture(picture, EDGE_FILTERS["vertical"]).tolist() == [[0, 30, 30, 0]] * 4
    assert filter_picture(picture, EDGE_FILTERS["horizontal"]).abs().sum() == 0


def test_edge_strength_is_the_length_of_scipys_sobel_gradient():
    picture = np.random.default_rng(1).random((10, 10))
    expected = np.hypot(ndimage.sobel(picture, 0, mode="constant"), ndimage.sobel(picture, 1, mode="constant"))
    np.testing.assert_allclose(edge_strength(torch.from_numpy(picture)).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: output_size(4, 5), "does not fit into a picture of 4"),
        (lambda: output_size(6, 2, "same"), "needs an odd kernel"),
        (lambda: output_size(6, 3, "full"), "padding must be 'valid', 'same' or a number"),
        (lambda: output_size(6, 3, -1), "padding must be"),
        (lambda: output_size(6, 3, "valid", 0), "must be at least 1"),
        (lambda: filter_picture(torch.zeros(6), torch.zeros(3, 3)), r"must be \(H, W\) or \(C, H, W\)"),
        (lambda: filter_picture(torch.zeros(6, 6), torch.zeros(3, 2)), "kernel must be square"),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_line_gets_more_than_three_rows_of_xor_right():
    best = 0.0
    for angle in np.linspace(0, 2 * np.pi, 73):
        for offset in np.linspace(-1.6, 1.6, 65):
            answers = XOR_INPUTS.numpy() @ [np.cos(angle), np.sin(angle)] > offset
            best = max(best, float((answers == XOR_LABELS.numpy()).mean()))
    assert best == 0.75


def test_one_layer_learns_at_most_three_rows_and_two_layers_all():
    one_layer = [xor_network(0, seed=seed) for seed in range(3)]
    assert max(train_xor(network, steps=200) for network in one_layer) <= 0.75
    network = xor_network(4, seed=0)
    assert train_xor(network) == 1.0
    assert xor_accuracy(network) == 1.0


def test_pictures_are_drawn(tmp_path):
    draw_edge_filters(torch.rand(20, 24), tmp_path / "edges.png")
    draw_output_sizes(tmp_path / "sizes.png", [(6, 3, "same", 1), (7, 3, "valid", 2)])
    draw_xor([("one layer", xor_network(0)), ("two", xor_network(2))], tmp_path / "xor.png")
    for name in ("edges.png", "sizes.png", "xor.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 200
