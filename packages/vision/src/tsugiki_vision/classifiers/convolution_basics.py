"""Convolution from the ground up: edge filters on a picture, output sizes, and the gate that one layer cannot learn.

A small teaching module; `examples/convolution_basics.py` shows it at work. "Convolution" is what networks call so: the
kernel slides over the picture as it is, not mirrored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from .mlp import MLPForImageClassification

Padding = int | Literal["valid", "same"]

# Vertical edges are where gray changes from left to right: bright on the left gives positive numbers.
EDGE_FILTERS: dict[str, Tensor] = {
    "vertical": torch.tensor([[1.0, 0.0, -1.0], [1.0, 0.0, -1.0], [1.0, 0.0, -1.0]]),
    "horizontal": torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]]),
    "sobel-vertical": torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]),
    "sobel-horizontal": torch.tensor([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]),
    "scharr-vertical": torch.tensor([[3.0, 0.0, -3.0], [10.0, 0.0, -10.0], [3.0, 0.0, -3.0]]),
    "scharr-horizontal": torch.tensor([[3.0, 10.0, 3.0], [0.0, 0.0, 0.0], [-3.0, -10.0, -3.0]]),
}

XOR_INPUTS = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])  # (4, 2)
XOR_LABELS = torch.tensor([0, 1, 1, 0])


def padding_pixels(kernel_size: int, padding: Padding) -> int:
    """Zeros on each side: none for `valid`, (f - 1) / 2 for `same`, which with stride 1 keeps the size.

    Raises:
        ValueError: The padding is none of these, or `same` is asked for with an even kernel.
    """
    if padding == "valid":
        return 0
    if padding == "same":
        if kernel_size % 2 == 0:
            raise ValueError(f"padding 'same' needs an odd kernel, so that both sides get as much, not {kernel_size}.")
        return (kernel_size - 1) // 2
    if isinstance(padding, bool) or not isinstance(padding, int) or padding < 0:
        raise ValueError(f"padding must be 'valid', 'same' or a number of pixels, not {padding!r}.")
    return padding


def output_size(size: int, kernel_size: int, padding: Padding = "valid", stride: int = 1) -> int:
    """Side of the result: floor((n + 2p - f) / s) + 1.

    Args:
        size: Side of the picture, n.
        kernel_size: Side of the kernel, f.
        padding: Zeros on each side, p, or `valid` or `same`.
        stride: Step of the kernel, s.

    Raises:
        ValueError: The kernel is larger than the padded picture, or a number is out of range.
    """
    if min(size, kernel_size, stride) < 1:
        raise ValueError(f"size, kernel_size and stride must be at least 1, not {size}, {kernel_size} and {stride}.")
    room = size + 2 * padding_pixels(kernel_size, padding) - kernel_size
    if room < 0:
        raise ValueError(f"A kernel of {kernel_size} pixels does not fit into a picture of {size} with that padding.")
    return room // stride + 1


def filter_picture(picture: Tensor, kernel: Tensor, *, padding: Padding = "valid", stride: int = 1) -> Tensor:
    """Slide a kernel over a picture.

    Args:
        picture: Gray (H, W), or channels (C, H, W), each of which is filtered by itself.
        kernel: Square, (f, f).
        padding: Zeros on each side, or `valid` or `same`.
        stride: Step of the kernel.

    Returns:
        In each place the sum of kernel times window, float32; channels as the picture has them.

    Raises:
        ValueError: The picture or the kernel has another shape, or the kernel does not fit in.
    """
    if picture.ndim not in (2, 3):
        raise ValueError(f"A picture must be (H, W) or (C, H, W), not {tuple(picture.shape)}.")
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"A kernel must be square, (f, f), not {tuple(kernel.shape)}.")
    sides = [output_size(side, len(kernel), padding, stride) for side in picture.shape[-2:]]
    planes = picture.float().reshape(-1, 1, *picture.shape[-2:])  # (C, 1, H, W)
    zeros = padding_pixels(len(kernel), padding)
    filtered = F.conv2d(planes, kernel.float()[None, None], stride=stride, padding=zeros)
    return filtered.view(*picture.shape[:-2], *sides)


def edge_strength(picture: Tensor, name: Literal["sobel", "scharr"] = "sobel", *, padding: Padding = "same") -> Tensor:
    """Length of the gradient in each place, whatever its direction: the root of the squares of both filters.

    Args:
        picture: Gray (H, W) or channels (C, H, W).
        name: Which pair of `EDGE_FILTERS`.
        padding: As in `filter_picture`.
    """
    pair = [
        filter_picture(picture, EDGE_FILTERS[f"{name}-{way}"], padding=padding) for way in ("vertical", "horizontal")
    ]
    return torch.hypot(*pair)


def xor_network(hidden_units: int = 0, *, seed: int = 0) -> MLPForImageClassification:
    """A network of the MLP family for the two inputs of the gate, with fresh weights.

    Args:
        hidden_units: Width of the hidden layer; 0 for none, which is the perceptron.
        seed: Of the weights.
    """
    from .mlp import MLPConfig, MLPForImageClassification

    torch.manual_seed(seed)
    sizes = (hidden_units,) if hidden_units else ()
    # Two channels of one pixel are the two inputs. A rectified unit that starts with all four rows on its flat side
    # would never learn, so the hidden ones are tanh.
    config = MLPConfig(image_size=1, num_channels=2, hidden_sizes=sizes, activation="tanh", weight_init="xavier")
    return MLPForImageClassification(config)


def train_xor(network: MLPForImageClassification, *, steps: int = 500, learning_rate: float = 0.1) -> float:
    """Train a network in place on the four rows of the gate, all of them in each step of Adam.

    Args:
        network: As `xor_network` makes it.
        steps: How many.
        learning_rate: Of Adam.

    Returns:
        Share of right answers: with one layer at most 3 of 4, for no line has (0, 1) and (1, 0) on one side and (0, 0)
        and (1, 1) on the other (Minsky and Papert 1969).
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    network.train()
    for _ in range(steps):
        loss = network(XOR_INPUTS[:, :, None, None], labels=XOR_LABELS).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    return xor_accuracy(network)


@torch.inference_mode()
def xor_accuracy(network: MLPForImageClassification) -> float:
    """Share of the four rows that a network answers right."""
    answers = network(XOR_INPUTS[:, :, None, None]).logits.argmax(1)
    return float((answers == XOR_LABELS).float().mean())
