"""The splits of the data: which rows learn, which choose, and which are kept back to measure on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adaptation import Adaptation
from ..data.groups import read_groups, without_group
from ..data.load_data import IN_MEMORY, file_count, load_split, splits
from ..data.splitting import check_classes, hold_out, pick_examples
from ..errors import DataError
from ..file_tree import FileCount
from ..fingerprint import content_fingerprint
from ..peak_memory import peak_memory
from ..snapshots.provenance import DataRecord, LearningData, Selection
from ..tasks.classification import Classification
from ..tensor_table import TensorTable
from .held_out import check_group, group_caveats, hold_rows_out
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
    names = splits(data)
    train_name, validation_name, test_name = split_roles(names, options)
    train_set = load_split(data, train_name, revision=options.revision)
    given, group = without_group(options.columns)
    columns = task.columns(train_set, given)
    groups = None if group is None else read_groups(train_set, group)
    check_group(groups, options)
    label_names = task.label_names(train_set, columns)
    unlike = unlike_base(train_set, columns, task, processor, options)

    def decoded(dataset: Dataset) -> TensorTable:
        return task.table(dataset, processor, columns, label_names=label_names)

    def record(dataset: Dataset, split: str | None, selection: Selection | None = None) -> DataRecord:
        return data_record(data, dataset, split, columns, options, selection)

    train = decoded(train_set).with_groups(None if groups is None else groups.numbers)
    check_classes(train.labels, label_names)
    train_record = record(train_set, train_name)
    test_set = None
    if options.leave_out or (test_name is None and not is_dataset(options.test)):
        kept = hold_rows_out(
            lambda share: hold_out(train.labels, share, seed=options.seed, groups=train.groups),
            groups,
            options,
            by_class=True,
        )
        if not len(kept.held):
            raise DataError(
                "every class has one example, and nothing is left to measure the result on; add examples, or name "
                "test data with test="
            )
        test_record = record(train_set.select(kept.held.tolist()), train_name, kept.selection)
        train, test = train.select(kept.stay), train.select(kept.held)
        measured_on = kept.measured_on
        check_classes(train.labels, label_names)
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
        train = train.select(pick_examples(train.labels, options.examples_per_class, seed=options.seed))
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
    )


def split_roles(names: Sequence[str], options: Options) -> tuple[str | None, str | None, str | None]:
    """The splits to train, to choose and to measure on; None for none of its own."""
    if not names:
        for role in ("validation", "test"):
            if isinstance(named := getattr(options, role), str):
                raise DataError(f"the data has no splits, so {role}={named!r} names none; give a share such as 0.2")
        return None, None, None
    train = "train" if "train" in names else names[0] if len(names) == 1 else None
    if train is None:
        raise DataError(f"the data has the splits {', '.join(names)}, and none is called 'train'")
    test: str | None = options.test if isinstance(options.test, str) else None
    if options.test is None:
        spare = [name for name in ("test", "validation") if name in names and name not in (train, options.validation)]
        test = spare[0] if spare else None
    validation: str | None = options.validation if isinstance(options.validation, str) else None
    if options.validation is None and "validation" in names and "validation" not in (train, test):
        validation = "validation"
    if test is not None and test in (train, validation):
        raise DataError(f"test={test!r} is the split that the model is trained or chosen on; name another")
    return train, validation, test


def is_dataset(value: Any) -> bool:
    """Whether a value is a `datasets.Dataset`."""
    return hasattr(value, "features")


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
