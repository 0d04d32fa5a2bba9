"""The splits of data without classes: whole rows held out at random, and what the base becomes for those that stay."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..columns import check_rows
from ..data.groups import read_groups, without_group
from ..data.load_data import IN_MEMORY, file_count, load_split, splits
from ..data.splitting import hold_out_at_random
from ..errors import DataError
from ..labelled_task import BoundTask, LabelledTask
from ..peak_memory import peak_memory
from ..snapshots.provenance import LearningData
from ..task import Task
from .held_out import check_group, group_caveats, hold_rows_out
from .options import Options
from .split_roles import is_dataset, split_roles
from .splits import Splits, data_record
from .unlike_base import unlike_base

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel


def read_loss_splits(data: Any, base: PreTrainedModel, task: Task, processor: Any, options: Options) -> Splits:
    """Find, check and decode the data of a task that has no classes, and say what the base becomes.

    Where no data is named to measure on, whole rows of the data set are held out at random, before anything is learnt
    from the others: neither a vocabulary nor a window of text is made of rows of both parts.

    Args:
        data: What `tsugiki.data.load_data.load_split` takes.
        base: The base model.
        task: The task.
        processor: The base model's processor.
        options: Which splits to use.

    Raises:
        DataError: Data, a split or a column is missing, or there are too few rows.
    """
    held_before = peak_memory()
    train_name, validation_name, test_name = split_roles(splits(data), options)
    whole = load_split(data, train_name, revision=options.revision)
    given, group = without_group(options.columns)
    columns = task.columns(whole, given)
    groups = None if group is None else read_groups(whole, group)
    check_group(groups, options)
    check_rows(whole)
    unlike = unlike_base(whole, columns, task, processor, options)
    train_set, numbers, apart = whole, None if groups is None else groups.numbers, None
    if options.leave_out or (test_name is None and not is_dataset(options.test)):
        if len(whole) < 2:
            raise DataError("there is one row, and nothing is left to measure the result on; name test data with test=")
        kept = hold_rows_out(
            lambda share: hold_out_at_random(len(whole), share, seed=options.seed, groups=numbers),
            groups,
            options,
            by_class=False,
        )
        train_set, test_set = whole.select(kept.stay.tolist()), whole.select(kept.held.tolist())
        numbers = None if numbers is None else numbers[kept.stay]
        test_record = data_record(data, test_set, train_name, columns, options, kept.selection)
        measured_on = kept.measured_on
    else:
        test_set = options.test if test_name is None else load_split(data, test_name, revision=options.revision)
        apart = test_set
        test_record = data_record(data, test_set, test_name, columns, options)
        if test_name is None:
            test_record = replace(test_record, id=IN_MEMORY)
        measured_on = f"{len(test_set):,} rows of " + (f"the split {test_name!r}" if test_name else "test data")
    adaptation = task.adapted(base, processor, train_set, columns)
    if isinstance(task, LabelledTask):  # labels by all rows: one that only a row held out has is no error
        adaptation = task.relabelled(adaptation, base, task.label_names(whole, columns))
    bound = BoundTask(task, adaptation.label_names)

    def decoded(dataset: Dataset) -> Any:
        return bound.table(dataset, adaptation.processor, columns)

    train = bound.grouped_table(train_set, adaptation.processor, columns, numbers)
    validation, validation_record = None, None
    if validation_name is not None:
        validation_set = load_split(data, validation_name, revision=options.revision)
        validation = decoded(validation_set)
        validation_record = data_record(data, validation_set, validation_name, columns, options)
    return Splits(
        label_names=list(adaptation.label_names),
        train=train,
        validation=validation,
        test=decoded(test_set),
        learning=LearningData(data_record(data, whole, train_name, columns, options), validation_record),
        test_record=test_record,
        measured_on=measured_on,
        files=file_count(data),
        memory=peak_memory() - held_before,
        adaptation=adaptation,
        caveats=unlike + group_caveats(whole, apart, groups, columns),
    )
