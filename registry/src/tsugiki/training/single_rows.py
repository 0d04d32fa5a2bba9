"""Batch norms that are given a single value a channel, of which they can make no statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def single_rows_normalised(model: nn.Module) -> Iterator[None]:
    """Have such batch norms go by their running statistics while they are trained.

    So it is with the last batch of an epoch where it holds one row, at layers whose maps are one pixel large. torch
    refuses it.
    """

    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if module.training and inputs[0].numel() == inputs[0].shape[1]:
            module.eval()
            alone.add(module)

    def after(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if module in alone:
            alone.remove(module)
            module.train()

    alone: set[nn.Module] = set()
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    handles = [norm.register_forward_pre_hook(before) for norm in norms]
    handles += [norm.register_forward_hook(after) for norm in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
