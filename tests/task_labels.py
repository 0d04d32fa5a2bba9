"""One check of tasks, for the core's and for those of plugins."""

from __future__ import annotations

import inspect

from tsugiki.labelled_task import LabelledTask
from tsugiki.task import CountedTask, Task
from tsugiki.tasks.classification import Classification


def check_labels(task: type[Task]) -> None:
    """Only tasks with labels take their names, and only counted ones tell right from wrong."""
    takes = "label_names" in inspect.signature(task.table).parameters
    assert takes == issubclass(task, LabelledTask)
    assert hasattr(task, "correct") == issubclass(task, CountedTask)
    assert not issubclass(task, Classification) or issubclass(task, LabelledTask)
