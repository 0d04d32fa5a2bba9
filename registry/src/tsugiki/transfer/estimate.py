"""What a fine-tuning will cost, measured on a few batches before it starts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..durations import Stopwatch, rough_duration
from ..tensor_table import TensorTable, on_device
from ..training.length_grouping import BY_LENGTH, row_lengths
from ..training.single_rows import single_rows_normalised
from .resumable_run import Schedule
from .stages import only_top_trained
from .tuning import number_of_views, steps_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_MEASURED = 3  # batches, after one that warms up
_STATES = 3  # what Adam keeps beside a trained weight: its gradient and two moments
_LIBRARIES = 100_000_000  # bytes that scikit-learn and matplotlib take, which fit the head and draw
OVERHEAD = 0.002  # seconds that the Trainer adds to a step


@dataclass(frozen=True)
class Estimate:
    """Time and memory of a fine-tuning.

    Attributes:
        seconds: All trainings together, without decoding the data.
        seconds_per_step: One optimizer step.
        steps: Optimizer steps of one training.
        trainings: Number of trainings: candidates of the learning rate, and the last one.
        memory_bytes: The most that is taken beyond what the process held when it started: libraries, the data and its
            decoding, weights, gradients, optimizer states, and activations of one batch.
        exact: Whether the depth was known; else it is that of training everything, the most there can be.
        trials: Short trainings before those.
        trial_steps: Optimizer steps of one.
    """

    seconds: float
    seconds_per_step: float
    steps: int
    trainings: int
    memory_bytes: int
    exact: bool
    trials: int = 0
    trial_steps: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        most = "" if self.exact else "at most "
        if not self.trainings:
            return (
                f"estimate: {rough_duration(self.seconds)} for the features of the rows, then the head, "
                f"{_megabytes(self.memory_bytes)}"
            )
        trials = f"{self.trials} x {self.trial_steps:,} and " if self.trials else ""
        return (
            f"estimate: {most}{rough_duration(self.seconds)} ({trials}{self.trainings} x {self.steps:,} steps of "
            f"{1000 * self.seconds_per_step:.1f} ms), {most}{_megabytes(self.memory_bytes)}"
        )


def estimate(
    model: PreTrainedModel,
    table: TensorTable,
    *,
    depth: int,
    schedule: Schedule,
    trainings: int,
    device: str | None = None,
    exact: bool = True,
    taken: int = 0,
    new: Sequence[str] = (),
    caches_features: bool = True,
    trials: tuple[int, int] = (0, 0),
) -> Estimate:
    """Run a few steps on a copy of the model.

    Args:
        model: The model to train; it is left as it is.
        table: Training rows.
        depth: How many stages are trained besides the head.
        schedule: The schedule.
        trainings: How many trainings there will be.
        device: Where they will run.
        exact: Whether the depth is the one that will be trained.
        taken: Bytes that were taken for the data at the fullest moment of decoding it.
        new: Names of parameters that are trained at any depth.
        caches_features: Whether a head alone is fitted on features, as a classifier's is, and not trained by steps.
        trials: How many short trainings there will be before, and the steps of each.
    """
    target = torch.device(device or ("cpu" if not torch.accelerator.is_available() else _accelerator()))
    trial = copy.deepcopy(model).to(target)  # type: ignore[arg-type]
    batch = int(schedule.arguments["per_device_train_batch_size"])
    rows = _usual_rows(table, batch, by_length=schedule.arguments.get("train_sampling_strategy") == BY_LENGTH)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in trial.parameters())
    data = table.size
    fixed = max(taken, data) + weights + _LIBRARIES
    if depth == 0 and caches_features:
        batch = table.rows_of_pass(batch, target)
        inputs = on_device(table.batch(rows[:batch]), target)
        with torch.inference_mode():
            trial.eval()(**inputs)
            stopwatch = Stopwatch()
            trial(**inputs).logits.sum().item()
        per_row = stopwatch.seconds / batch
        passes = per_row * len(table) * (1 + number_of_views(len(table)))
        return Estimate(round(passes, 2), 0.0, 0, 0, fixed, exact)

    activations = 0
    seen: set[int] = set()

    def count(tensor: Tensor) -> Tensor:
        nonlocal activations
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            activations += tensor.numel() * tensor.element_size()
        return tensor

    random_state = torch.get_rng_state()
    with only_top_trained(trial, depth, new) as frozen, single_rows_normalised(trial):
        trial.train()
        for module in frozen:
            module.eval()
        trained = [parameter for parameter in trial.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained)
        stopwatch = Stopwatch()
        for number in range(_MEASURED + 1):
            if number == 1:
                stopwatch = Stopwatch()  # the first step is slower
            inputs = on_device(table.batch(rows), target)
            if number == 0:
                with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
                    loss = trial(**inputs).loss
            else:
                loss = trial(**inputs).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            float(loss.detach())  # waits for the device
    per_step = stopwatch.seconds / _MEASURED + OVERHEAD
    torch.set_rng_state(random_state)
    steps = steps_of(schedule, len(table))
    states = _STATES * sum(parameter.numel() * parameter.element_size() for parameter in trained)
    return Estimate(
        seconds=round(per_step * (steps * trainings + trials[0] * trials[1]), 1),
        seconds_per_step=round(per_step, 5),
        steps=steps,
        trainings=trainings,
        memory_bytes=fixed + states + activations,
        exact=exact,
        trials=trials[0],
        trial_steps=trials[1],
    )


def _usual_rows(table: TensorTable, batch: int, *, by_length: bool) -> Tensor:
    """Numbers of rows that make a usual batch: the first, or where like lengths go together, those of middle length."""
    rows = torch.arange(batch) % len(table)
    lengths = row_lengths(table) if by_length else None
    if lengths is None:
        return rows
    return lengths.argsort(stable=True)[(rows + max(0, len(table) - batch) // 2) % len(table)]


def _accelerator() -> str:
    accelerator = torch.accelerator.current_accelerator()
    return "cpu" if accelerator is None else accelerator.type


def _megabytes(size: int) -> str:
    return f"{max(1, round(size / 1e6)):,} MB of memory" if size < 1e9 else f"{size / 1e9:.1f} GB of memory"
