"""Checkpoints of a language model's training: one file, so that weights, optimizer and place are of one moment."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from tsugiki.errors import OptionError
from tsugiki.output import write_bytes

FILE = Path("checkpoint-last", "training.safetensors")
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
    folder: Path,
    run: Mapping[str, Any],
    progress: Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: Any,
) -> None:
    """Replace the checkpoint of a run.

    Args:
        folder: Of the run.
        run: Text and options, in JSON's types; another run does not continue this one.
        progress: How far it is.
        model: Its parameters are kept.
        optimizer: AdamW over them.
        scheduler: Of its learning rate.

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = parameter.detach()
        for moment in MOMENTS:
            if moment in optimizer.state.get(parameter, {}):
                tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment]
    tensors |= {f"best.{name}": one for name, one in progress.best.items()}
    tensors |= {f"state.{number}": one for number, one in enumerate(progress.state or ())}
    record = {"run": _plain(run), "progress": progress.record(), "scheduler": _plain(scheduler.state_dict())}
    file = folder / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    on_cpu = {name: one.cpu().contiguous() for name, one in tensors.items()}
    write_bytes(file, safetensors.torch.save(on_cpu, metadata={"record": json.dumps(record)}))


@torch.no_grad()
def read_checkpoint(
    folder: Path, run: Mapping[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, scheduler: Any
) -> Progress | None:
    """Take over a run's checkpoint: put it into model, optimizer and scheduler.

    Returns:
        How far the run is; None where there is no checkpoint.

    Raises:
        OptionError: It is of a run with another text or other options.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    with safetensors.safe_open(file, framework="pt") as opened:
        record = json.loads(opened.metadata()["record"])
        if record["run"] != _plain(run):
            raise OptionError(f"{file} is of a training with other options or another text; remove it to start anew")
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
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
    state = tuple(tensors[f"state.{number}"] for number in range(numbers)) or None
    return Progress(**record["progress"], best=best, state=state)


def _plain(values: Mapping[str, Any]) -> Any:
    """The values as they come back from JSON."""
    return json.loads(json.dumps(values))
