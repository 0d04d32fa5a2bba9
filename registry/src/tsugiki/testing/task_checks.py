"""Checks of tasks: a plugin declares its own alone, and its models are served without any other plugin."""

from __future__ import annotations

from ..errors import UnknownNameError
from ..inputs import InputKind
from ..registry import InstalledPlugin, Registry, registry
from ..shared_tasks import SHARED_TASKS
from .subject import Subject, require


def tasks_are_served(subject: Subject) -> None:
    """Every task that the family has a model for comes from the core or the family's own plugin."""
    owner = subject.family.plugin_name
    alone = Registry(plugins={owner: registry().plugins[owner]})
    missing = []
    for task in subject.family.declaration.tasks:
        try:
            alone.task_class(task)
        except UnknownNameError:
            missing.append(task)
    require(
        not missing,
        f"with the core and {owner!r} alone there is no task {' nor '.join(map(repr, missing))}; declare it in the "
        f"plugin's tasks, or name one that plugins share: {', '.join(SHARED_TASKS)}",
    )


def declares_its_own_tasks(plugin: InstalledPlugin) -> None:
    """The tasks that a plugin declares are its own, and their classes have the names they are declared by."""
    from ..task import Task

    shared = [task for task in plugin.manifest.tasks if task in SHARED_TASKS]
    require(
        not shared,
        f"the manifest declares {' and '.join(map(repr, shared))}, which the core does: take it out, or rename the "
        f"task if it is another (by its bare name nobody gets the plugin's)",
    )
    for task, reference in plugin.manifest.tasks.items():
        found = plugin.import_reference(reference)
        require(isinstance(found, type) and issubclass(found, Task), f"{reference} is not a tsugiki.task.Task")
        kind = getattr(found, "inputs", None)
        require(
            isinstance(kind, InputKind),
            f"{reference} does not say what predict reads; set inputs to a kind of tsugiki.inputs",
        )
        require(found.name == task, f"{reference} is declared as {task!r} and its name is {found.name!r}")
