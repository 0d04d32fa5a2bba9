"""The order of training rows in which a batch holds texts of like length, so that little is computed on padding."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from ..tensor_table import TensorTable

BY_LENGTH = "group_by_length"  # the `train_sampling_strategy` of `TrainingArguments`
POOL = 50  # batches that are drawn together and sorted by length
SUFFIX = "length"  # of the columns that say how long a row is


def row_lengths(table: TensorTable) -> Tensor | None:
    """Numbers that sort the rows by length (N,): by the last column called ``length`` or ``…_length``, that of what is
    written where there are several and costs the most, then by the one before.

    Returns:
        None where there is no such column.
    """
    columns = [column.cpu().long() for name, column in table.columns.items() if name.endswith(SUFFIX)]
    if not columns:
        return None
    key = torch.zeros(len(table), dtype=torch.int64)
    for column in reversed(columns):
        key = key * (int(column.max()) + 1) + column
    return key


class LengthGroupedRows(Sampler[int]):
    """Row numbers, all of them once; batches are cut of them one after the other.

    Fifty batches' rows are drawn at random and sorted by length; the batches come in random order. The order is a
    function of the seed and the table's epoch, the same for one process or many and after a resume.

    Args:
        table: Its columns ``length`` and ``…_length`` say how long the rows are.
        batch_size: Rows a batch, of all processes together.
        seed: Any whole number.

    Raises:
        ValueError: The table has no lengths.
    """

    def __init__(self, table: TensorTable, batch_size: int, *, seed: int) -> None:
        lengths = row_lengths(table)
        if lengths is None:
            raise ValueError("the table has no column of lengths")
        self.table = table
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.table.epoch) % 2**63)
        drawn = torch.randperm(len(self.table), generator=generator)
        pools = drawn.split(POOL * self.batch_size)
        rows = torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools])
        whole = len(rows) // self.batch_size * self.batch_size
        batches = rows[:whole].view(-1, self.batch_size)
        shuffled = batches[torch.randperm(len(batches), generator=generator)].flatten()
        return iter([*shuffled.tolist(), *rows[whole:].tolist()])  # what fills no batch comes last
