"""A text as parallel streams of tokens: what a step of truncated backpropagation through time reads."""

from __future__ import annotations

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor
from tsugiki.errors import DataError
from tsugiki.tensor_table import IGNORED, TensorTable

from .token_windows import BEGIN, PLACE, STOP, WINDOW, TokenWindows


@dataclasses.dataclass(frozen=True)
class ParallelStreams:
    """A stream of tokens cut into rows that are read side by side.

    Attributes:
        inputs: What is read, int64 (B, C).
        targets: What is guessed there, the token after it, -100 where nothing is asked (B, C).
        bptt: Tokens of a step.
    """

    inputs: Tensor
    targets: Tensor
    bptt: int

    @classmethod
    def of(cls, table: TensorTable, rows: int, bptt: int) -> ParallelStreams:
        """Cut the stream of a table of windows.

        Args:
            table: As `token_windows.window_table` makes it, or some of its rows.
            rows: B.
            bptt: Tokens of a step.

        Raises:
            DataError: It is another table, or shorter than B.
        """
        if not isinstance(table.transform, TokenWindows):
            raise DataError("a language model is trained on a table of token windows; make it with window_table")
        stream = table.transform.stream.cpu().long()
        asked = torch.zeros(len(stream), dtype=torch.bool)
        columns = {name: column.cpu() for name, column in table.columns.items()}
        stops = columns.get(STOP, torch.tensor([len(stream)]))[:, None]
        asked[(columns[PLACE][:, None] + torch.arange(WINDOW)).minimum(stops - 1)] = True
        if BEGIN in columns:  # groups of which the table has no row are not even read
            read = torch.zeros(len(stream), dtype=torch.bool)
            read[0] = True
            for begin, stop in {*zip(columns[BEGIN].tolist(), columns[STOP].tolist(), strict=True)}:
                read[begin:stop] = True
            stream, asked = stream[read], asked[read]
        if len(stream) <= rows:
            raise DataError(
                f"{len(stream) - 1} tokens are too few for {rows} parallel streams; take fewer or more text"
            )
        length = math.ceil((len(stream) - 1) / rows)
        missing = rows * length - (len(stream) - 1)
        inputs = F.pad(stream[:-1], (0, missing), value=int(stream[0]))
        targets = F.pad(torch.where(asked, stream, IGNORED)[1:], (0, missing), value=IGNORED)
        return cls(inputs.view(rows, length), targets.view(rows, length), bptt)

    def __len__(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self.inputs.shape[1] / self.bptt)

    def step(self, number: int, rows: slice) -> tuple[Tensor, Tensor, int]:
        """Inputs and targets (B of `rows`, L) of a step, and how many tokens all rows together are asked for."""
        columns = slice(number * self.bptt, (number + 1) * self.bptt)
        asked = int((self.targets[:, columns] != IGNORED).sum())
        return self.inputs[rows, columns], self.targets[rows, columns], asked
