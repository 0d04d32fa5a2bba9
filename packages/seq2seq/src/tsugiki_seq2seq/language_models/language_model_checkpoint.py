"""Checkpoints of a language model's training: its weights, its optimizer's moments, and how far it is."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from tsugiki.training.resumable import StateFile

MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # what AdamW keeps of a parameter


@dataclasses.dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: Updates done.
        nats: Lost in the current epoch so far.
        asked: Tokens asked for in the current epoch so far.
        history: One entry an epoch.
        best_loss: Lowest validation loss.
        stale_epochs: Epochs since then.
        seconds: Wall time.
        best: The weights of the best epoch.
        state: What the network carries on within an epoch, for all parallel streams, (B, layers, H) each.
    """

    step: int = 0
    nats: float = 0.0
    asked: int = 0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best_loss: float | None = None
    stale_epochs: int = 0
    seconds: float = 0.0
    best: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    state: tuple[Tensor, ...] | None = None

    def record(self) -> dict[str, Any]:
        """All but the tensors."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if name not in ("best", "state")}


def write_checkpoint(
    state: StateFile, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, scheduler: Any
) -> None:
    """Replace the checkpoint of a run; all processes call it.

    Args:
        state: Of the run.
        progress: How far it is.
        model: Its parameters are kept.
        optimizer: AdamW over them.
        scheduler: Of its learning rate.

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = parameter
        for moment in MOMENTS:
            if moment in optimizer.state.get(parameter, {}):
                tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment]
    tensors |= {f"best.{name}": one for name, one in progress.best.items()}
    tensors |= {f"state.{number}": one for number, one in enumerate(progress.state or ())}
    state.write(tensors, {"progress": progress.record(), "scheduler": scheduler.state_dict()})


@torch.no_grad()
def read_checkpoint(
    state: StateFile, model: nn.Module, optimizer: torch.optim.Optimizer, scheduler: Any
) -> Progress | None:
    """Take over a run's checkpoint: put it into model, optimizer and scheduler.

    Returns:
        How far the run is; None where there is no checkpoint.

    Raises:
        OptionError: It is of a run with another text or other options.
    """
    if (found := state.read()) is None:
        return None
    tensors, record = found
    for name, parameter in model.named_parameters():
        parameter.copy_(tensors[f"model.{name}"])
        kept = {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS if f"{moment}.{name}" in tensors}
        if kept:
            optimizer.state[parameter] = {moment: one.to(parameter.device) for moment, one in kept.items()}
    scheduler.load_state_dict(record["scheduler"])
    for group, rate in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        group["lr"] = rate
    best = {name.removeprefix("best."): one for name, one in tensors.items() if name.startswith("best.")}
    numbers = sum(name.startswith("state.") for name in tensors)
    carried = tuple(tensors[f"state.{number}"] for number in range(numbers)) or None
    return Progress(**record["progress"], best=best, state=carried)
