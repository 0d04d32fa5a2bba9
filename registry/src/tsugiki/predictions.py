"""Predictions: what a model said about every row of a table, whatever has a row's length, and how they are kept.

Most tasks keep an array with a row an example. Where rows differ in length (boxes, texts, alignments) a list holds one
value a row: text, number, array, or lists, tuples and dictionaries of those.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

Rows = Any  # an array (N, ...), or a list of N values


@dataclass(frozen=True)
class Predictions:
    """What a model said about every row of a table, in order.

    Attributes:
        outputs: An array (N, ...), for a classifier its logits float32 (N, number of labels), or a list of N values.
        labels: The rows' labels in the same way, for a classifier int64 (N,); None where the task has none.

    Raises:
        ValueError: There are not as many labels as outputs.
    """

    outputs: Rows
    labels: Rows = None

    def __post_init__(self) -> None:
        if self.labels is not None and len(self.labels) != len(self.outputs):
            raise ValueError(f"there are {len(self.outputs)} outputs and {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.outputs)

    def select(self, rows: Sequence[int] | np.ndarray) -> Predictions:
        """Those of some rows, in the order of their numbers."""
        return Predictions(_selected(self.outputs, rows), None if self.labels is None else _selected(self.labels, rows))

    def save(self, file: Path) -> None:
        """Write them to an ``.npz`` that `load` reads back exactly, without pickles.

        Raises:
            TypeError: A value is none of those that rows may hold.
        """
        store = _ArrayStore()
        layout = json.dumps({"outputs": store.encode(self.outputs), "labels": store.encode(self.labels)})
        np.savez(file, layout=np.array(layout), **store.columns())

    @classmethod
    def load(cls, file: Path) -> Predictions:
        """Read what `save` wrote."""
        with np.load(file, allow_pickle=False) as columns:
            arrays = {name: columns[name] for name in columns.files if name != "layout"}
            layout = json.loads(str(columns["layout"]))
        return cls(**{name: _decode(value, arrays) for name, value in layout.items()})


class PredictionParts:
    """Collects outputs, or labels, a batch at a time."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []

    def add(self, batch: Any) -> None:
        """Add a batch: a tensor with a row an example, or a list of values that may hold tensors."""
        self._parts.append(_plain(batch))

    def joined(self) -> Rows:
        """All rows as one array, or, where batches are lists or their rows differ in shape, as one list."""
        shapes = {part.shape[1:] if isinstance(part, np.ndarray) else None for part in self._parts}
        if len(shapes) == 1 and None not in shapes:
            return np.concatenate(self._parts)
        return [row for part in self._parts for row in part]


def _plain(value: Any) -> Any:
    """The same with arrays in place of tensors; half precision as float32, which NumPy knows."""
    if isinstance(value, torch.Tensor):
        return (value.float() if value.dtype in (torch.float16, torch.bfloat16) else value).detach().cpu().numpy()
    return _mapped(_plain, value)


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """A list, tuple or dictionary with each item changed; anything else as it is."""
    if isinstance(value, dict):
        return {name: change(item) for name, item in value.items()}
    return type(value)(change(item) for item in value) if type(value) in (list, tuple) else value


def _selected(rows: Rows, numbers: Sequence[int] | np.ndarray) -> Rows:
    if isinstance(rows, np.ndarray):
        return rows[np.asarray(numbers, dtype=np.int64)]
    return [rows[int(number)] for number in numbers]


class _ArrayStore:
    """Turns values into JSON, and their arrays into one long column for each type of number.

    A file with an entry an array would take longer to open than to read: thousands of rows hold an array or two each.
    """

    def __init__(self) -> None:
        self._parts: dict[str, list[np.ndarray]] = {}
        self._lengths: dict[str, int] = {}

    def encode(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
            return {"array": self._put(np.asarray(value))}
        if type(value) in (list, tuple):
            return {type(value).__name__: [self.encode(item) for item in value]}
        if type(value) is dict and all(type(name) is str for name in value):
            return {"dict": {name: self.encode(item) for name, item in value.items()}}
        raise TypeError(f"predictions hold texts, numbers, arrays, and lists and dictionaries of them, not {value!r}")

    def columns(self) -> dict[str, Any]:
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}

    def _put(self, array: np.ndarray) -> list[Any]:
        kind = array.dtype.str
        start = self._lengths.get(kind, 0)
        self._parts.setdefault(kind, []).append(array.ravel())
        self._lengths[kind] = start + array.size
        return [kind, start, list(array.shape)]


def _decode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "array":
        name, start, shape = held
        return arrays[name][start : start + int(np.prod(shape))].reshape(shape)[()]  # [()]: a number of no dimension
    if kind == "dict":
        return {name: _decode(item, arrays) for name, item in held.items()}
    return {"list": list, "tuple": tuple}[kind](_decode(item, arrays) for item in held)
