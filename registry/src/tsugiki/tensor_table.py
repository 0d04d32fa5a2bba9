"""Tables of tensors: a small data set, decoded once, that is read a batch at a time.

A `DataLoader` over single rows spends more time on collecting them than a small network spends on learning. Here a
batch is one indexing operation on the device where the columns live. Augmentation is a pure function of
(seed, epoch, row), so one process or many, an unbroken run or a resumed one, all see the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import Dataset

Batch = dict[str, Tensor]
IGNORED = -100  # labels that ask for nothing
# Of a batch of inputs on a CPU: 256 colour pictures of 32 pixels a side, or 5 of 224. The maps that a network makes of
# more are so large that their memory is fetched from the system and given back each time: two thirds of the time.
PASS_BYTES = 3 * 2**20


class RowAugmentation(Protocol):
    """Changes a raw batch at random, as a pure function of seed, epoch and the ids of its rows (B,)."""

    def __call__(self, batch: Batch, *, rows: Tensor, epoch: int, seed: int) -> Batch: ...  # noqa: D102


@runtime_checkable
class JoiningAugmentation(RowAugmentation, Protocol):
    """One that lays rows of the table over each other or side by side, as mixup and mosaic do.

    Rows and partners are augmented by the call, then joined.
    """

    def partners(self, rows: Tensor, *, count: int, epoch: int, seed: int) -> Tensor | None:
        """Which rows join each row, as a pure function of seed, epoch and row.

        Args:
            rows: Ids of the rows (B,).
            count: Rows of the table.
            epoch: Epoch number.
            seed: Seed.

        Returns:
            Row numbers int64 (B, K) below `count`, -1 where a row has no partner and `join` leaves it as it is; None
            where there is nothing to join.
        """

    def join(
        self, batch: Batch, partners: Sequence[Batch], *, rows: Tensor, epoch: int, seed: int, classes: int
    ) -> Batch:
        """Make one raw batch of a batch and its K batches of partners, labels and boxes included.

        Args:
            batch: Raw columns, augmented, first dimension B.
            partners: Likewise.
            rows: Ids of the rows (B,).
            epoch: Epoch number.
            seed: Seed.
            classes: Number of classes of the table, 0 where its labels are no class numbers.
        """


class TensorTable(Dataset[Batch]):
    """Columns of tensors that share their first dimension.

    Args:
        columns: Tensors with one row per example, for images ``pixel_values`` uint8 (N, C, H, W) and ``labels``
            int64 (N,). A column whose rows differ in shape, such as boxes, landmarks or transcripts, is a list of N
            values: tensors, texts, or lists, tuples and dictionaries of them.
        transform: Turns a batch of raw columns into what the model's ``forward`` takes; of a list it gets the list of
            the batch's rows.
        augmentation: Changes the raw batch before `transform`; None for evaluation.
        seed: Seed of the augmentation.
        row_ids: Which rows of the original table these are; augmentation draws depend on them.
        groups: Number of the group that each row belongs to, such as its speaker's, int64 (N,); None where nothing
            belongs together. What is held out of the table keeps groups whole.

    Attributes:
        epoch: The epoch that the augmentation draws for. The training loop sets it. There is no ``set_epoch`` on
            purpose: accelerate calls that with a count of its own, which starts again at 0 after a resume.

    Raises:
        ValueError: The columns differ in length, or there are none.
    """

    def __init__(
        self,
        columns: Mapping[str, Any],
        *,
        transform: Callable[[Batch], Batch] | None = None,
        augmentation: RowAugmentation | None = None,
        seed: int = 0,
        row_ids: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> None:
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"columns must share their first dimension, not {lengths}")
        self.columns: dict[str, Any] = dict(columns)
        self.transform = transform
        self.augmentation = augmentation
        self.seed = seed
        self.epoch = 0
        self._length = next(iter(lengths.values()))
        self.row_ids = torch.arange(self._length) if row_ids is None else row_ids
        self.groups = groups
        self._classes: int | None = None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, row: int) -> Batch:
        return {name: value[0] for name, value in self.batch([row]).items()}

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        return self.batch(rows)

    @property
    def labels(self) -> Tensor:
        """The column ``labels``."""
        return self.columns["labels"]

    @property
    def classes(self) -> int:
        """Number of classes, as far as the labels of the table this one was made from tell."""
        if self._classes is None:
            self._classes = int(self.labels.max()) + 1
        return self._classes

    @property
    def device(self) -> torch.device:
        """Where the columns live."""
        return next((one.device for one in self.columns.values() if isinstance(one, Tensor)), torch.device("cpu"))

    @property
    def size(self) -> int:
        """Bytes that the tensors of all columns take."""
        return sum(_bytes_of(column) for column in self.columns.values())

    def rows_of_pass(self, most: int, device: torch.device | str) -> int:
        """How many rows a forward pass without gradients takes best.

        Args:
            most: At most so many.
            device: Where it is computed; only on a CPU large rows are better taken a few at a time.
        """
        if torch.device(device).type != "cpu" or not len(self):
            return most
        inputs = [value for name, value in self.batch([0]).items() if name != "labels" and isinstance(value, Tensor)]
        size = sum(value.numel() * value.element_size() for value in inputs)
        return max(1, min(most, PASS_BYTES // max(1, size)))

    def batch(self, rows: Sequence[int] | Tensor) -> Batch:
        """Model inputs of these rows, augmented if the table has an augmentation.

        Args:
            rows: Row numbers within this table, (B,).

        Returns:
            One tensor per model input, first dimension B, on the table's device.
        """
        index = torch.as_tensor(rows, dtype=torch.long)
        raw = self._augmented(index)
        if isinstance(self.augmentation, JoiningAugmentation):
            ids = self.row_ids[index].to(self.device)
            partners = self.augmentation.partners(ids, count=len(self), epoch=self.epoch, seed=self.seed)
            if partners is not None:
                others = [self._beside(raw, column) for column in partners.cpu().unbind(1)]
                classes = self.classes if self._has_class_numbers() else 0
                raw = self.augmentation.join(raw, others, rows=ids, epoch=self.epoch, seed=self.seed, classes=classes)
        return raw if self.transform is None else self.transform(raw)

    def _augmented(self, index: Tensor) -> Batch:
        """The raw columns of some rows (B,), augmented if the table has an augmentation."""
        on_device = index.to(self.device)
        raw = {name: _rows_of(column, on_device) for name, column in self.columns.items()}
        if self.augmentation is None:
            return raw
        return self.augmentation(raw, rows=self.row_ids[index].to(self.device), epoch=self.epoch, seed=self.seed)

    def _beside(self, raw: Batch, partners: Tensor) -> Batch:
        """The augmented columns of some rows (B,); those of -1 are filled with those of `raw`, and cost nothing."""
        wanted = partners >= 0
        if wanted.all():
            return self._augmented(partners)
        if not wanted.any():
            return raw
        found = self._augmented(partners[wanted])
        return {name: _filled(column, found[name], wanted) for name, column in raw.items()}

    def batches(self, batch_size: int, *, device: torch.device | str | None = None) -> Iterator[Batch]:
        """All rows in order, never augmented.

        Args:
            batch_size: Rows a batch; the last may be smaller.
            device: Where to send the batches; by default they stay where the table is.
        """
        for start in range(0, len(self), batch_size):
            batch = {name: column[start : start + batch_size] for name, column in self.columns.items()}
            if device is not None:
                batch = on_device(batch, device)
            yield batch if self.transform is None else self.transform(batch)

    def select(self, rows: Sequence[int] | Tensor) -> TensorTable:
        """A table of some of the rows; they keep their ids, and so their augmentation."""
        index = torch.as_tensor(rows, dtype=torch.long)
        columns = {name: _rows_of(column, index.to(self.device)) for name, column in self.columns.items()}
        groups = None if self.groups is None else self.groups[index]
        return self._with(columns=columns, row_ids=self.row_ids[index], groups=groups)

    def with_augmentation(self, augmentation: RowAugmentation | None, *, seed: int = 0) -> TensorTable:
        """The same rows under another augmentation."""
        table = self._with(columns=self.columns, row_ids=self.row_ids, groups=self.groups)
        table.augmentation, table.seed = augmentation, seed
        return table

    def with_transform(self, transform: Callable[[Batch], Batch] | None) -> TensorTable:
        """The same rows, of which a batch is turned into model inputs in another way."""
        table = self._with(columns=self.columns, row_ids=self.row_ids, groups=self.groups)
        table.transform = transform
        return table

    def to(self, device: torch.device | str) -> TensorTable:
        """The same table with its columns on another device."""
        return self._with(columns=on_device(self.columns, device), row_ids=self.row_ids, groups=self.groups)

    def with_groups(self, groups: Tensor | None) -> TensorTable:
        """The same rows, of which some belong together; see `groups`."""
        return self._with(columns=self.columns, row_ids=self.row_ids, groups=groups)

    def _with(self, *, columns: Mapping[str, Any], row_ids: Tensor, groups: Tensor | None) -> TensorTable:
        table = TensorTable(
            columns,
            transform=self.transform,
            augmentation=self.augmentation,
            seed=self.seed,
            row_ids=row_ids,
            groups=groups,
        )
        if self._has_class_numbers():
            table._classes = self.classes
        return table

    def _has_class_numbers(self) -> bool:
        return getattr(self.columns.get("labels"), "ndim", None) == 1


def on_device(value: Any, device: torch.device | str) -> Any:
    """The same with its tensors on a device: a tensor, a list, tuple or dictionary of them; all else as it is."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: on_device(item, device) for name, item in value.items()}
    return type(value)(on_device(item, device) for item in value) if type(value) in (list, tuple) else value


def _rows_of(column: Any, index: Tensor) -> Any:
    """Some rows of a column."""
    return column[index] if isinstance(column, Tensor) else [column[row] for row in index.tolist()]


def _filled(column: Any, part: Any, wanted: Tensor) -> Any:
    """A column whose wanted rows, bool (B,), are those of a part."""
    if isinstance(column, Tensor):
        return column.index_copy(0, wanted.nonzero().flatten().to(column.device), part)
    others = iter(part)
    return [next(others) if chosen else row for row, chosen in zip(column, wanted.tolist(), strict=True)]


def _bytes_of(value: Any) -> int:
    """Bytes of the tensors in a column."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    items = value.values() if isinstance(value, dict) else value if type(value) in (list, tuple) else ()
    return sum(_bytes_of(item) for item in items)
