"""The order of training rows in which a batch holds some classes with some rows of each, as people with their pictures.

Losses that compare rows with each other, such as triplets, need several rows of a class in a batch (Hermans, Beyer and
Leibe 2017, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from ..errors import OptionError
from ..tensor_table import TensorTable


class ClassRows(Sampler[int]):
    """Row numbers; batches are cut of them one after the other.

    The classes come in random order, again and again; what is left of a round and fills no batch is passed over.
    Each brings its next rows in a random order of its own; one with fewer brings some of them again. An epoch has as
    many whole batches as its rows fill. The order is a function of the seed and the table's epoch, the same for one
    process or many and after a resume.

    Args:
        table: Its column ``labels`` holds class numbers.
        batch_size: Rows a batch, of all processes together.
        per_class: Rows of each class in a batch.
        seed: Any whole number.

    Raises:
        OptionError: There are no class numbers, the batch is no multiple of `per_class`, or there are too few classes.
    """

    def __init__(self, table: TensorTable, batch_size: int, *, per_class: int, seed: int) -> None:
        labels = table.columns.get("labels")
        if not isinstance(labels, torch.Tensor) or labels.ndim != 1 or labels.is_floating_point():
            raise OptionError("rows_per_class needs rows that have one class each")
        self.rows_of = [(labels.cpu() == number).nonzero()[:, 0] for number in labels.cpu().unique()]
        if batch_size % per_class:
            raise OptionError(f"rows_per_class = {per_class} does not divide the batch of {batch_size} rows")
        self.classes = batch_size // per_class
        if self.classes > len(self.rows_of):
            raise OptionError(
                f"a batch of {batch_size} rows, {per_class} of a class, needs {self.classes} classes, not "
                f"{len(self.rows_of)}"
            )
        self.table, self.batch_size, self.per_class, self.seed = table, batch_size, per_class, seed

    def __len__(self) -> int:
        return max(1, len(self.table) // self.batch_size) * self.batch_size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + self.table.epoch) % 2**63)
        waiting: list[list[int]] = [[] for _ in self.rows_of]
        turn: list[int] = []
        for _ in range(len(self) // self.batch_size):
            if len(turn) < self.classes:
                turn = torch.randperm(len(self.rows_of), generator=generator).tolist()
            for number in turn[: self.classes]:
                rows = self.rows_of[number]
                while len(waiting[number]) < self.per_class:
                    waiting[number] += rows[torch.randperm(len(rows), generator=generator)].tolist()
                yield from waiting[number][: self.per_class]
                del waiting[number][: self.per_class]
            del turn[: self.classes]
