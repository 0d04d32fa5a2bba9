"""The splits of the data: which rows learn, which choose, and which are kept back to measure on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adaptation import Adaptation
from ..data.load_data import IN_MEMORY, file_count, load_split
from ..file_tree import FileCount
from ..fingerprint import content_fingerprint
from ..peak_memory import peak_memory
from ..snapshots.provenance import DataRecord, LearningData, Selection
from ..tasks.classification import Classification
from ..tensor_table import TensorTable
from .held_out import group_caveats
from .learning_rows import find_learning_rows
from .options import Options
from .unlike_base import unlike_base

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Splits:
    """Decoded data with the records that provenance keeps of it.

    Attributes:
        label_names: Class names, by number.
        train: Rows to learn from, not augmented.
        validation: Rows to choose on, where the data has them besides.
        test: Rows that take no part in training or choosing.
        learning: What the training and the validation rows are.
        test_record: What the test rows are.
        measured_on: The test rows, in words.
        files: What became of the files of a folder; None for other data.
        memory: Bytes that reading and decoding all of it took at the fullest moment.
        adaptation: What the base becomes before it learns; None for a classifier, which gets a new head.
        caveats: What speaks against figures that are measured on these rows, one sentence each.
    """

    label_names: list[str]
    train: TensorTable
    validation: TensorTable | None
    test: TensorTable
    learning: LearningData
    test_record: DataRecord
    measured_on: str
    files: FileCount | None = None
    memory: int = 0
    adaptation: Adaptation | None = None
    caveats: list[str] = field(default_factory=list)


def read_splits(data: Any, task: Classification, processor: Any, options: Options) -> Splits:
    """Find, check and decode the data.

    Args:
        data: What `tsugiki.data.load_data.load_split` takes.
        task: The task.
        processor: The base model's processor.
        options: Which splits to use.

    Raises:
        DataError: Data, a split or a column is missing, a class is empty, or nothing is left to measure on.
    """
    held_before = peak_memory()
    found = find_learning_rows(data, task, options)
    train_set, columns, groups, label_names = found.dataset, found.columns, found.groups, found.label_names
    train_name, validation_name, test_name = found.splits
    unlike = unlike_base(train_set, columns, task, processor, options)

    def decoded(dataset: Dataset) -> TensorTable:
        return task.table(dataset, processor, columns, label_names=label_names)

    def record(dataset: Dataset, split: str | None, selection: Selection | None = None) -> DataRecord:
        return data_record(data, dataset, split, columns, options, selection)

    whole = decoded(train_set).with_groups(None if groups is None else groups.numbers)
    train = whole if len(found.rows) == len(whole) else whole.select(found.rows)
    train_record = record(train_set, train_name)
    test_set = None
    if (kept := found.kept) is not None:
        test_record = record(train_set.select(kept.held.tolist()), train_name, kept.selection)
        test = whole.select(kept.held)
        measured_on = kept.measured_on
    else:
        test_set = options.test if test_name is None else load_split(data, test_name, revision=options.revision)
        test = decoded(test_set)
        test_record = record(test_set, test_name)
        if test_name is None:
            test_record = replace(test_record, id=IN_MEMORY)
        measured_on = f"{len(test):,} rows of " + (f"the split {test_name!r}" if test_name else "test data")
    validation, validation_record = None, None
    if validation_name is not None:
        validation_set = load_split(data, validation_name, revision=options.revision)
        validation, validation_record = decoded(validation_set), record(validation_set, validation_name)
    if options.examples_per_class is not None:
        selection = Selection(options.seed, examples_per_class=options.examples_per_class)
        train_record = replace(train_record, selection=selection)
    learning = LearningData(train_record, validation_record)
    return Splits(
        label_names,
        train,
        validation,
        test,
        learning,
        test_record,
        measured_on,
        file_count(data),
        peak_memory() - held_before,
        caveats=unlike + group_caveats(train_set, test_set, groups, columns),
    )


def data_record(
    data: Any,
    dataset: Dataset,
    split: str | None,
    columns: Mapping[str, str],
    options: Options,
    selection: Selection | None = None,
) -> DataRecord:
    """What provenance keeps of some rows.

    Args:
        data: What they were read from.
        dataset: The rows.
        split: Their split.
        columns: Columns by role; those that a person named are kept.
        options: The options.
        selection: Which of the split's rows they are, where not all.
    """
    return DataRecord(
        id=str(data) if isinstance(data, str | Path) else IN_MEMORY,
        split=split,
        revision=options.revision,
        fingerprint=content_fingerprint(dataset),
        rows=len(dataset),
        license=_licence(data),
        columns=dict(columns) if options.columns else {},
        selection=selection,
        format=options.format or "",
    )


def _licence(data: Any) -> str | None:
    """The licence that a data set's own card states."""
    from huggingface_hub import DatasetCard

    from ..mirror import mirror_folder

    folder = (
        (mirror_folder(data) if isinstance(data, str) else None) or Path(data) if isinstance(data, str | Path) else None
    )
    if folder is None or not (folder / "README.md").is_file():
        return None
    try:
        stated = DatasetCard.load(folder / "README.md").data.to_dict().get("license")
    except ValueError:
        return None
    return stated if isinstance(stated, str) else None
