"""Averages of a network's weights over its training, which are validated and kept in the place of the last weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ..errors import OptionError
from .processes import is_main_process

FILE = "average.pt"  # in a checkpoint of the Trainer


class WeightAverage:
    """The exponential moving average of a network's weights, by `torch.optim.swa_utils`.

    The decay grows with the steps n to the one asked for, as (1 + n) / (10 + n), so that the first weights are soon
    forgotten. Buffers, such as the statistics of batch normalisation, are those of the last step.

    Args:
        model: The network, on the device that it is trained on.
        decay: Share of the old average that a step keeps, above 0 and below 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        def update(average: Any, current: Any, steps: Any) -> None:
            kept = min(decay, (1 + int(steps)) / (10 + int(steps)))
            torch._foreach_lerp_(average, current, 1 - kept)

        self.averaged = AveragedModel(model, multi_avg_fn=torch.no_grad()(update))

    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self.averaged.update_parameters(model)

    def take(self, model: nn.Module) -> None:
        """Give a network the average."""
        model.load_state_dict(self.averaged.module.state_dict())

    @contextlib.contextmanager
    def taken(self, model: nn.Module) -> Iterator[None]:
        """Have a network compute with the average; afterwards it is as it was."""
        own: dict[str, Tensor] = {name: value.clone() for name, value in model.state_dict().items()}
        self.take(model)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def save(self, checkpoint: Path) -> None:
        """Write the average into a checkpoint; the main process does."""
        if is_main_process():
            torch.save(self.averaged.state_dict(), checkpoint / FILE)

    def load(self, checkpoint: Path) -> None:
        """Go on from the average in a checkpoint.

        Raises:
            OptionError: It has none: it is of a training without.
        """
        if not (checkpoint / FILE).is_file():
            raise OptionError(f"{checkpoint} is of a training without ema_decay; remove it to start anew")
        self.averaged.load_state_dict(torch.load(checkpoint / FILE, weights_only=True))
