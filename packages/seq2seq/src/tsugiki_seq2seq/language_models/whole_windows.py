"""Training of language models without a state, such as GPT-2: windows in which every token is asked for.

The task's rows show 128 tokens that are not asked for, so that each token is judged with a context. A network without
a state reads them at full cost, so in training two neighbouring rows are one, and all that is read is learnt from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from tsugiki.errors import DataError, OptionError
from tsugiki.tensor_table import Batch, TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob

from .token_windows import BEGIN, CONTEXT, PLACE, STOP, WINDOW, TokenWindows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WHOLE = "whole"


class WholeWindows(TokenWindows):
    """Windows whose context is asked for too, where the column ``whole`` says so; the transform of `whole_windows`."""

    def __call__(self, batch: Batch) -> Batch:
        """``input_ids`` and ``labels`` int64 (B, CONTEXT + WINDOW); the first token, which nothing precedes, never."""
        read = super().__call__(batch)
        offsets = torch.arange(-CONTEXT, WINDOW, device=batch[PLACE].device)
        context = (offsets > -CONTEXT) & (offsets < 0) & (batch[PLACE][:, None] + offsets > 0)
        labels = torch.where(batch[WHOLE][:, None] & context, read["input_ids"], read["labels"])
        return {"input_ids": read["input_ids"], "labels": labels}


def whole_windows(table: TensorTable) -> TensorTable:
    """Join rows that follow each other in the text, two and two.

    Args:
        table: As `token_windows.window_table` makes it, or rows selected from it. A row whose neighbour was taken
            out of it stays as it is, and asks for nothing of the neighbour.

    Returns:
        A table in which no token is asked for twice.

    Raises:
        DataError: It is no table of token windows.
    """
    windows = table.transform
    if not isinstance(windows, TokenWindows):
        raise DataError("a language model learns from a table of token windows, as its task makes it")
    rows = table.columns[PLACE].argsort()
    places = table.columns[PLACE][rows].tolist()
    stops = table.columns[STOP][rows].tolist() if STOP in table.columns else [len(windows.stream)] * len(rows)
    kept, whole = [], []
    waiting: int | None = None  # a row that the next may be joined to
    for row, (place, stop) in enumerate(zip(places, stops, strict=True)):
        if waiting is not None and places[waiting] + CONTEXT == place and stops[waiting] == stop:
            kept.append(row)
            whole.append(True)
            waiting = None
            continue
        if waiting is not None:
            kept.append(waiting)
            whole.append(False)
        waiting = row
    if waiting is not None:
        kept.append(waiting)
        whole.append(False)
    names = [name for name in (PLACE, BEGIN, STOP) if name in table.columns]
    columns = {**{name: table.columns[name][rows[kept]] for name in names}, WHOLE: torch.tensor(whole)}
    return TensorTable(columns, transform=WholeWindows(windows.stream, windows.characters)).to(table.device)


def learning_windows(model: PreTrainedModel, table: TensorTable) -> TensorTable:
    """What a causal language model learns from by gradient steps: the whole windows of a table.

    Args:
        model: A causal language model that reads `CONTEXT + WINDOW` tokens.
        table: As `whole_windows` takes it.

    Raises:
        OptionError: The model reads too few tokens.
        DataError: It is no table of token windows.
    """
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None and longest < CONTEXT + WINDOW:
        raise OptionError(f"the model reads {longest} tokens, and rows have {CONTEXT + WINDOW}; raise n_positions")
    return whole_windows(table)


def train_on_whole_windows(model: PreTrainedModel, job: TrainingJob) -> FitResult:
    """Train a causal language model in place, as `tsugiki.training.fit.fit`, on the whole windows of a table.

    Args:
        model: A causal language model that reads `CONTEXT + WINDOW` tokens.
        job: Its rows are those that `whole_windows` takes.

    Raises:
        OptionError: An option is unknown or out of range, or the model reads too few tokens.
        DataError: The rows are no token windows.
    """
    return fit(model, replace(job, train=learning_windows(model, job.train)))
