"""The object of a task, by its name."""

from __future__ import annotations

from ..registry import registry
from ..task import Task


def task_named(name: str) -> Task:
    """The task object of this name, from whichever plugin owns it."""
    return registry().task_class(name)()
