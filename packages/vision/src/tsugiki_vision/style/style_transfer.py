"""Style transfer by optimising a picture (Gatys, Ecker and Bethge 2015, A neural algorithm of artistic style).

The picture starts as noise, or as the content picture, and is changed until a VGG network sees the content of one
picture and the style of another in it: `alpha * content + beta * style + tv * total variation` becomes small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from tsugiki.errors import OptionError, TsugikiError

from .style_losses import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    LossNetwork,
    content_loss,
    gram_matrices,
    layer_weights,
    style_loss,
)
from .total_variation import total_variation_of

Start = Literal["noise", "content"]
Optimizer = Literal["lbfgs", "adam"]

ALPHA = 1.0
BETA = 10.0
TOTAL_VARIATION = 1.0
STEPS = 250
NOISE = 0.1  # deviation of the noise about gray
MEMORY = 20  # updates that L-BFGS remembers
OCTAVES = 6  # sizes at which the picture is optimised, each half of the one before
SMALLEST_OCTAVE = 2  # pixels a side
MARGIN = 0.01  # of 0 and 1: a sigmoid does not reach them


@dataclass(frozen=True)
class StyleLosses:
    """The three terms of the loss at one moment, before their weights."""

    content: float
    style: float
    total_variation: float


@dataclass(frozen=True)
class StyleTransfer:
    """What a style transfer gives.

    Attributes:
        picture: `(3, H, W)`, from 0 to 1.
        history: The losses before every step, and at last those of `picture`.
    """

    picture: Tensor
    history: list[StyleLosses]


def transfer_style(
    content: Tensor,
    style: Tensor,
    network: LossNetwork,
    *,
    content_layer: str = CONTENT_LAYER,
    style_layers: Sequence[str] = STYLE_LAYERS,
    style_weights: Sequence[float] | None = None,
    alpha: float = ALPHA,
    beta: float = BETA,
    total_variation: float = TOTAL_VARIATION,
    steps: int = STEPS,
    start: Start = "noise",
    optimizer: Optimizer = "lbfgs",
    learning_rate: float | None = None,
    seed: int = 0,
    progress: Callable[[StyleLosses], None] | None = None,
) -> StyleTransfer:
    """Paint the content of one picture in the style of another.

    Args:
        content: `(3, H, W)`, from 0 to 1.
        style: `(3, h, w)`, from 0 to 1, of any size.
        network: A VGG.
        content_layer: The convolution whose maps are the content.
        style_layers: Convolutions whose Gram matrices are the style.
        style_weights: Weights of the style layers; equal by default.
        alpha: Weight of the content loss.
        beta: Weight of the style loss.
        total_variation: Weight of the mean absolute difference between neighbouring pixels.
        steps: How often losses and gradient are computed; a line search of L-BFGS that has begun is brought to its end.
        start: `noise`, or the `content` picture.
        optimizer: `lbfgs` as in the paper's code, or `adam`.
        learning_rate: Of the optimizer; by default 1 for L-BFGS and 0.05 for Adam.
        seed: Of the noise.
        progress: Called with the losses of every step.

    Returns:
        The picture, of the size of `content`, and its losses on the way.

    Raises:
        OptionError: A layer that the network has not, weights that do not fit, or numbers out of range.
        TsugikiError: The loss became infinite.
    """
    weights = layer_weights(style_layers, style_weights)
    if min(alpha, beta, total_variation) < 0 or alpha + beta <= 0:
        raise OptionError("alpha, beta and tv must be at least 0, and alpha or beta above it")
    if steps < 1:
        raise OptionError(f"steps must be at least 1, not {steps}")
    with torch.no_grad():
        wanted_content = network(content[None], [content_layer])[content_layer]  # (1, C, h, w)
        wanted_style = gram_matrices(network(style[None], list(weights)), list(weights))  # (1, C, C) each
    octaves = _start(content, start, seed)
    history: list[StyleLosses] = []

    def losses(picture: Tensor) -> tuple[Tensor, StyleLosses]:
        features = network(picture, [content_layer, *weights])
        terms = (
            content_loss(features[content_layer], wanted_content).sum(),
            style_loss(gram_matrices(features, list(weights)), wanted_style, weights).sum(),
            total_variation_of(picture).sum() / picture.numel(),
        )
        total = alpha * terms[0] + beta * terms[1] + total_variation * terms[2]
        return total, StyleLosses(*(float(term.detach()) for term in terms))

    def closure() -> Tensor:
        total, now = losses(_picture(octaves))
        if not math.isfinite(now.content + now.style + now.total_variation):
            raise TsugikiError("the loss became infinite; take a smaller learning rate, or other weights")
        for octave, gradient in zip(octaves, torch.autograd.grad(total, octaves), strict=True):
            octave.grad = gradient
        history.append(now)
        if progress is not None:
            progress(now)
        return total.detach()

    _minimize(octaves, closure, optimizer, steps, learning_rate)
    with torch.no_grad():
        picture = _picture(octaves)
        history.append(losses(picture)[1])
    return StyleTransfer(picture[0], history)


def _start(content: Tensor, start: Start, seed: int) -> list[Tensor]:
    """What the first picture is made of: itself at the full size, and nothing at the smaller ones."""
    match start:
        case "content":
            first = content[None]
        case "noise":
            noise = torch.randn(content[None].shape, generator=torch.Generator().manual_seed(seed)).to(content.device)
            first = (0.5 + NOISE * noise).to(content)
        case _:
            raise OptionError(f"a style transfer starts from noise or from content, not from {start!r}")
    octaves = [torch.logit(first, eps=MARGIN)]  # (1, 3, H, W)
    for _ in range(OCTAVES - 1):
        height, width = (-(-side // 2) for side in octaves[-1].shape[2:])
        if min(height, width) < SMALLEST_OCTAVE:
            break
        octaves.append(first.new_zeros(1, 3, height, width))
    return [octave.requires_grad_() for octave in octaves]


def _picture(octaves: Sequence[Tensor]) -> Tensor:
    """The picture `(1, 3, H, W)` from 0 to 1: the sigmoid of the sum of all octaves.

    A network sees edges better than colours. With pixels alone, large areas would change last, for each pixel of theirs
    has to change by itself; with octaves one number moves them.
    """
    values = octaves[-1]
    for octave in reversed(octaves[:-1]):
        values = octave + F.interpolate(values, size=octave.shape[2:], mode="bilinear", align_corners=False)
    return torch.sigmoid(values)


def _minimize(
    octaves: Sequence[Tensor],
    closure: Callable[[], Tensor],
    optimizer: Optimizer,
    steps: int,
    learning_rate: float | None,
) -> None:
    """Take `steps` evaluations of the loss."""
    match optimizer:
        case "lbfgs":
            torch.optim.LBFGS(
                octaves,
                lr=1.0 if learning_rate is None else learning_rate,
                max_iter=steps,
                max_eval=steps,
                history_size=MEMORY,
                tolerance_grad=0,
                tolerance_change=0,
                line_search_fn="strong_wolfe",
            ).step(closure)
        case "adam":
            adam = torch.optim.Adam(octaves, lr=0.05 if learning_rate is None else learning_rate)
            for _ in range(steps):
                adam.step(closure)
        case _:
            raise OptionError(f"the optimizer is lbfgs or adam, not {optimizer!r}")


def picture_of_size(picture: Tensor, size: int) -> Tensor:
    """A picture `(3, H, W)` whose longer side is brought to `size` pixels, smoothed where it shrinks."""
    height, width = picture.shape[1:]
    scale = size / max(height, width)
    new = (max(1, round(height * scale)), max(1, round(width * scale)))
    return F.interpolate(picture[None], size=new, mode="bilinear", antialias=True, align_corners=False)[0].clamp(0, 1)
