"""Training of a Neocognitron: S-cells layer by layer without labels, then a read-out on the last C-cells.

By default cells are added by Fukushima's later rule, add-if-silent (Fukushima 2013, Training multi-layered neural
network neocognitron, section 3): a window to which no cell of the layer answers becomes the reference vector of a new
one, and that cell never changes again. It needs one pass and no learning rate, and on held-out training digits of MNIST
the read-out was better with it than after the competitive learning of 1980. `sweeps` adds that: in each sweep every
window strengthens the one cell that answers it most, and cells become the directions of the sums of what they won.

The threshold of learning differs from that of recognition, as in Fukushima's later networks: it is the lowest with
which the layer fills the cell planes of its config.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from torch import Tensor
from tsugiki.durations import Stopwatch
from tsugiki.errors import DataError
from tsugiki.evaluation.evaluate import main_figure
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, whole
from tsugiki.training.phases import join_results, run_phase
from tsugiki.transfer.heads import fit_head

from .neocognitron import NeocognitronForImageClassification, SCells

CLEAR = 0.3  # windows shorter than this, relative to the longest of the picture, show nothing to learn
BATCH_SIZE = 256
_HALVINGS = 16  # of the interval in which the threshold of learning is sought
_CHUNK = 512  # windows that are compared with all cells at once


@dataclass(frozen=True)
class NeocognitronOptions(TrainerOptions):
    """How a Neocognitron learns.

    Attributes:
        learning_rows: Pictures that the S-cells learn from, drawn at random.
        learning_windows: Windows of those pictures, for each layer.
        sweeps: Of competitive learning after the cells were added.
        readout_rows: Pictures that the read-out is fitted on, drawn at random; 0 takes all.
    """

    learning_rows: int = whole(2000, least=1)
    learning_windows: int = whole(20_000, least=1)
    sweeps: int = whole(0, least=0)
    readout_rows: int = whole(0, least=0)


def train_neocognitron(model: NeocognitronForImageClassification, job: TrainingJob) -> FitResult:
    """Train a Neocognitron in place.

    The labels serve the read-out alone. A run that was killed continues after the last layer that was done.

    Args:
        model: The model.
        job: Its rows are pictures with labels; its arguments are those of `NeocognitronOptions`.

    Raises:
        DataError: The pictures have fewer different windows than a layer has cell planes.
        OptionError: An option is unknown or out of range.
    """
    options = job.read_options(NeocognitronOptions)
    model.to(torch.accelerator.current_accelerator() or torch.device("cpu")).eval()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(job.seed)
    learning = _some(job.train, options.learning_rows, generator)
    reading = _some(job.train, options.readout_rows or len(job.train), generator)
    results = []
    for layer in range(len(model.config.cell_planes)):

        def learn(model: NeocognitronForImageClassification, phase: TrainingJob, layer: int = layer) -> FitResult:
            stopwatch = Stopwatch()
            drawn = torch.Generator().manual_seed(phase.seed + layer)
            windows = draw_windows(
                model, phase.train, layer, options.learning_windows, drawn, phase.progress, phase.title
            )
            cells = winner_take_all(windows, add_if_silent(windows, model.config.cell_planes[layer]), options.sweeps)
            weight = s_cells(model, layer).weight
            with torch.no_grad():
                weight.copy_(cells.view_as(weight))
            return FitResult(stopwatch.seconds, device=str(model.device))

        results.append(run_phase(model, job.phase(f"S{layer + 1}", train=learning), learn))
    results.append(run_phase(model, job.phase("readout", train=reading), _read_out))
    return join_results(results)


def _read_out(model: NeocognitronForImageClassification, job: TrainingJob) -> FitResult:
    """Fit the classifier on the last C-cells."""
    stopwatch = Stopwatch()
    head = fit_head(
        _features(model, job.train, job.progress, job.title),
        job.train.labels.cpu(),
        "mlp" if model.config.classifier == "mlp" else "logistic",
        num_labels=int(model.config.num_labels or 0),
        seed=job.seed,
        hidden_size=model.config.classifier_hidden_size,
    )
    head.write(model)
    best = main_figure(model, job.validation, job.task)
    return FitResult(stopwatch.seconds, device=str(model.device), best_metric=best)


def s_cells(model: NeocognitronForImageClassification, layer: int) -> SCells:
    """One layer of S-cells, numbered from 0."""
    return cast(SCells, model.neocognitron.s_layers[layer])


@torch.inference_mode()
def draw_windows(
    model: NeocognitronForImageClassification,
    table: TensorTable,
    layer: int,
    count: int,
    generator: torch.Generator,
    progress: bool = False,
    title: str = "training",
) -> Tensor:
    """Draw windows of what a layer of S-cells sees, at places where there is something.

    Args:
        model: The model, trained up to below this layer.
        table: Pictures; as many windows are drawn from each.
        layer: Number of the layer, from 0.
        count: Windows in all.
        generator: What is drawn from.
        progress: Show a progress bar.
        title: What the bar calls the run.

    Returns:
        Windows of length 1, in random order (count, C * k * k), on the CPU.
    """
    cells = s_cells(model, layer)
    size = cells.kernel_size
    each = -(-count // len(table))
    found = []
    for batch in _batches(table, progress, title):
        hidden = model.neocognitron.feature_maps(batch["pixel_values"].to(model.device), 1 + 2 * layer)[-1]
        lengths = cells.window_lengths(hidden).flatten(1).cpu()  # (B, H * W)
        clear = (lengths >= CLEAR * lengths.amax(1, keepdim=True)).float()
        places = torch.multinomial(clear, each, replacement=True, generator=generator)  # (B, each)
        windows = F.unfold(hidden, size, padding=size // 2).cpu()  # (B, C * k * k, H * W)
        chosen = windows.gather(2, places[:, None].expand(-1, windows.shape[1], -1))  # (B, C * k * k, each)
        found.append(chosen.transpose(1, 2).flatten(0, 1))
    windows = F.normalize(torch.cat(found), dim=1)
    return windows[torch.randperm(len(windows), generator=generator)[:count]]


def add_if_silent(windows: Tensor, planes: int) -> Tensor:
    """Take windows as reference vectors, each of which no earlier one answers to.

    Args:
        windows: Of length 1, in the order of their coming (M, D).
        planes: How many are wanted; the threshold is the lowest, to 2^-16, with which there are as many.

    Returns:
        (planes, D).

    Raises:
        DataError: Even with the highest threshold there are fewer.
    """
    lowest, highest = -1.0, 1 - 1e-4  # of the cosine from which a cell answers
    best = _grow(windows, planes, highest)
    if len(best) < planes:
        raise DataError(
            f"a layer of {planes} cell planes finds only {len(best)} different windows to learn; give it more pictures "
            "or fewer cell_planes"
        )
    for _ in range(_HALVINGS):
        middle = (lowest + highest) / 2
        cells = _grow(windows, planes, middle)
        if len(cells) == planes:
            best, highest = cells, middle
        else:
            lowest = middle
    return best


def _grow(windows: Tensor, most: int, threshold: float) -> Tensor:
    """One pass of add-if-silent: up to `most` of the windows (M, D)."""
    cells = windows[:0]
    for chunk in windows.split(_CHUNK):
        silent = chunk if len(cells) == 0 else chunk[(chunk @ cells.T).amax(1) < threshold]
        while len(silent):
            cells = torch.cat([cells, silent[:1]])
            if len(cells) == most:
                return cells
            silent = silent[1:][(silent[1:] @ silent[0]) < threshold]
    return cells


def winner_take_all(windows: Tensor, cells: Tensor, sweeps: int) -> Tensor:
    """Competitive learning: each window strengthens the cell that answers it most (Fukushima 1980, section 3).

    Args:
        windows: Of length 1 (M, D).
        cells: Reference vectors of length 1 (K, D).
        sweeps: Passes over all windows, each with the cells of the one before.

    Returns:
        Reference vectors of length 1 (K, D); a cell that wins nothing stays as it was.
    """
    for _ in range(sweeps):
        winners = (windows @ cells.T).argmax(1)  # (M,)
        sums = torch.zeros_like(cells).index_add_(0, winners, windows)
        won = torch.bincount(winners, minlength=len(cells)) > 0
        cells = torch.where(won[:, None], F.normalize(sums, dim=1), cells)
    return cells


@torch.inference_mode()
def _features(model: NeocognitronForImageClassification, table: TensorTable, progress: bool, title: str) -> Tensor:
    """What the read-out sees of every row, (N, D) on the CPU."""
    batches = _batches(table, progress, title)
    return torch.cat(
        [model.neocognitron(batch["pixel_values"].to(model.device)).pooler_output.cpu() for batch in batches]
    )


def _some(table: TensorTable, rows: int, generator: torch.Generator) -> TensorTable:
    """So many rows at random, in their own order; all where there are no more."""
    chosen = torch.randperm(len(table), generator=generator)[:rows]
    return table.select(chosen.sort().values)


def _batches(table: TensorTable, progress: bool, title: str) -> Any:
    """The rows in order, under the table's augmentation if it has one."""
    parts = torch.arange(len(table)).split(BATCH_SIZE)
    for rows in track(parts, title, console=Console(stderr=True), disable=not progress, transient=True):
        yield table.batch(rows)
