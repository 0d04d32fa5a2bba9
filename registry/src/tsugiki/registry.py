"""The registry: finds installed plugins through entry points and their families, snapshots, tasks and commands by name.

Scanning imports each plugin's manifest and nothing behind it: neither torch nor transformers nor numpy. The scan is
made once per process and cached; `refresh` makes it again.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import first_party
from .distributed_weights import DistributedWeights
from .entry_points import CORE, is_allowed, load_plugin, plugin_entry_points
from .errors import AmbiguousNameError, PluginError, UnknownNameError, did_you_mean
from .plugin import Family, Plugin
from .shared_tasks import SHARED_TASKS

if TYPE_CHECKING:
    from .task import Task

_PREFIXED = ("family", "model", "task", "command", "augmentation", "method")  # may be asked for as plugin:name
_DECLARED_IN = {
    "task": "tasks",
    "command": "commands",
    "data set": "datasets",
    "architecture": "public_weights",
    "augmentation": "augmentations",
    "method": "methods",
}


def import_string(reference: str) -> Any:
    """Import what ``"package.module:Name"`` names."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class InstalledPlugin:
    """A plugin that was found and whose manifest was imported."""

    manifest: Plugin
    distribution: str
    version: str

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.manifest.name

    @property
    def plugin_name(self) -> str:
        """The same, under the name that its families and snapshots have it."""
        return self.manifest.name

    @property
    def pretrained_dir(self) -> Path | None:
        """The folder that holds the plugin's snapshots, found without importing the package."""
        if self.manifest.pretrained is None:
            return None
        package, _, rest = self.manifest.pretrained.partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            return None
        folder = Path(next(iter(spec.submodule_search_locations)), rest)
        return folder if folder.is_dir() else None

    def import_reference(self, reference: str) -> Any:
        """Import what one of the manifest's strings names.

        Raises:
            PluginError: Importing it failed; the original exception is chained.
        """
        return _import_of_plugin(reference, self.name, self.distribution)


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that is installed and cannot be used, and why."""

    name: str
    distribution: str
    version: str
    error: Exception

    def describe(self) -> str:
        """One line that names the culprit and the reason."""
        reason = " ".join(str(self.error).split()) or type(self.error).__name__
        kind = "" if isinstance(self.error, PluginError) else f"{type(self.error).__name__}: "
        return f"plugin {self.name!r} ({self.distribution} {self.version}) is broken: {kind}{reason}"


@dataclass(frozen=True)
class RegisteredFamily:
    """A family of an installed plugin; its classes are imported when asked for."""

    declaration: Family
    plugin_name: str
    distribution: str

    @property
    def name(self) -> str:
        """The family's name."""
        return self.declaration.name

    @property
    def model_type(self) -> str:
        """``config.model_type`` of the family."""
        return self.declaration.model_type

    def config_class(self) -> Any:
        """The config class; importing it imports transformers."""
        return self._import(self.declaration.config)

    def model_class(self, key: str) -> Any:
        """The model class of a task, ``base`` or ``backbone``.

        Raises:
            UnknownNameError: The family has no such model.
            PluginError: Importing it failed; the original exception is chained.
        """
        if key not in self.declaration.models:
            have = ", ".join(self.declaration.models)
            raise UnknownNameError(f"family {self.name!r} has no model for {key!r}; it has: {have}")
        return self._import(self.declaration.models[key])

    def trainer(self, task: str) -> Any:
        """The function that trains the model of a task, or None where `tsugiki.training.fit.fit` does."""
        reference = self.declaration.trainers.get(task)
        return None if reference is None else self._import(reference)

    def processor_trainer(self) -> Any:
        """The function that learns the processor from training rows, or None where it needs no learning."""
        reference = self.declaration.processor_trainer
        return None if reference is None else self._import(reference)

    def processor_class(self) -> Any:
        """The processor class, or None when the family has none."""
        return None if self.declaration.processor is None else self._import(self.declaration.processor)

    def _import(self, reference: str) -> Any:
        return _import_of_plugin(reference, self.plugin_name, self.distribution)


@dataclass(frozen=True)
class Checkpoint:
    """A snapshot embedded in an installed plugin.

    Attributes:
        name: The checkpoint's name.
        plugin_name: The plugin that has it.
        distribution: The plugin's.
        path: The folder, which lacks the weights where `weights` says where they lie.
        weights: What another distribution ships of it.
    """

    name: str
    plugin_name: str
    distribution: str
    path: Path
    weights: DistributedWeights | None = None

    def import_reference(self, reference: str) -> Any:
        """Import what one of the strings of `weights` names.

        Raises:
            PluginError: Importing it failed; the original exception is chained.
        """
        return _import_of_plugin(reference, self.plugin_name, self.distribution)


def _import_of_plugin(reference: str, plugin_name: str, distribution: str) -> Any:
    try:
        return import_string(reference)
    except Exception as error:
        raise PluginError(
            f"plugin {plugin_name!r} ({distribution}) cannot import {reference}: {type(error).__name__}: {error}"
        ) from error


Named = TypeVar("Named", RegisteredFamily, Checkpoint)
Claim = TypeVar("Claim", InstalledPlugin, RegisteredFamily, Checkpoint)


@dataclass
class Registry:
    """All plugins of this process, the broken ones apart."""

    plugins: dict[str, InstalledPlugin] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)

    def families(self) -> list[RegisteredFamily]:
        """Every family of every working plugin."""
        return [
            RegisteredFamily(family, plugin.name, plugin.distribution)
            for plugin in self.plugins.values()
            for family in plugin.manifest.families
        ]

    def checkpoints(self) -> list[Checkpoint]:
        """Every snapshot embedded in a working plugin: each folder of its `pretrained` that holds a config."""
        found = []
        for plugin in self.plugins.values():
            folder = plugin.pretrained_dir
            for path in sorted(folder.iterdir()) if folder else ():
                if (path / "config.json").is_file():
                    weights = plugin.manifest.distributed_weights.get(path.name)
                    found.append(Checkpoint(path.name, plugin.name, plugin.distribution, path, weights))
        return found

    def family(self, name: str) -> RegisteredFamily:
        """The family of this name, bare (``lenet``) or with its plugin (``vision:lenet``).

        Raises:
            UnknownNameError: There is none; says what is near, broken or installable.
            AmbiguousNameError: Two plugins claim the bare name.
        """
        return self._find("family", name, self.families(), first_party.FAMILIES)

    def checkpoint(self, name: str) -> Checkpoint:
        """The embedded snapshot of this name, bare (``lenet5-mnist``) or with its plugin (``vision:lenet5-mnist``).

        Raises:
            UnknownNameError: There is none; says what is near, broken or installable.
            AmbiguousNameError: Two plugins claim the bare name.
        """
        return self._find("model", name, self.checkpoints(), first_party.CHECKPOINTS)

    def family_of_model_type(self, model_type: str) -> RegisteredFamily | None:
        """The family whose configs carry this ``model_type``, or None.

        Raises:
            AmbiguousNameError: Two plugins claim it.
        """
        claims = [family for family in self.families() if family.model_type == model_type]
        return _only("model_type", model_type, claims)

    def family_of_processor(self, class_name: str, *, model_type: str) -> RegisteredFamily | None:
        """The family whose processor class has this name, that of the `model_type` before others; None if none has.

        Raises:
            AmbiguousNameError: Two plugins have such a class, and the `model_type` is of neither.
        """
        claims = {
            family.declaration.processor: family
            for family in self.families()
            if family.declaration.processor and family.declaration.processor.partition(":")[2] == class_name
        }
        own = self.family_of_model_type(model_type)
        if own is not None and own.declaration.processor in claims:
            return own
        return _only("processor", class_name, list(claims.values()))

    def tasks(self) -> dict[str, str]:
        """Task names and who declares each: ``tsugiki`` those that plugins share, else the first plugin by name."""
        own = {task: plugin.name for plugin in reversed(self.plugins.values()) for task in plugin.manifest.tasks}
        return own | dict.fromkeys(SHARED_TASKS, CORE)

    def task_class(self, name: str) -> type[Task]:
        """The class of a task, imported now.

        A name that plugins share means the core's class, whatever a plugin declares; the plugin's own of that name is
        ``plugin:task``.

        Raises:
            UnknownNameError: Neither the core nor an installed plugin has it.
            AmbiguousNameError: Two plugins claim it.
        """
        prefix, _, bare = name.rpartition(":")
        if prefix in ("", CORE) and bare in SHARED_TASKS:
            return import_string(SHARED_TASKS[bare])
        owner = self.owner("task", bare, plugin_name=prefix)
        if owner is None:
            raise self._unknown("task", name, self.tasks(), first_party.TASKS)
        return owner.import_reference(owner.manifest.tasks[bare])

    def dataset_maker(self, name: str) -> Any:
        """The function that makes a data set by rule, imported now; None where no plugin makes this one.

        Raises:
            AmbiguousNameError: Two plugins claim it.
        """
        owner = self.owner("data set", name)
        return None if owner is None else owner.import_reference(owner.manifest.datasets[name])

    def augmentation_class(self, kind: str) -> Any:
        """The class of a plugin's augmentation, bare (``mosaic``) or with its plugin, imported now.

        Raises:
            UnknownNameError: No installed plugin has it.
            AmbiguousNameError: Two plugins claim it.
            PluginError: Importing it failed, or the class is of another kind.
        """
        found = self._declared("augmentation", kind)
        if found.kind != kind.rpartition(":")[2]:
            raise PluginError(f"augmentation {kind!r}: {found.__module__}.{found.__name__}.kind is {found.kind!r}")
        return found

    def method(self, name: str) -> Any:
        """The trainer that a recipe names as its method, bare (``distil``) or with its plugin, imported now.

        Raises:
            UnknownNameError: No installed plugin has it.
            AmbiguousNameError: Two plugins claim it.
            PluginError: Importing it failed.
        """
        return self._declared("method", name)

    def _declared(self, kind: str, name: str) -> Any:
        prefix, _, bare = name.rpartition(":")
        owner = self.owner(kind, bare, plugin_name=prefix)
        if owner is None:
            names = [one for plugin in self.plugins.values() for one in getattr(plugin.manifest, _DECLARED_IN[kind])]
            raise self._unknown(kind, name, names, {})
        return owner.import_reference(getattr(owner.manifest, _DECLARED_IN[kind])[bare])

    def public_architectures(self) -> list[str]:
        """The architectures whose published weights an installed plugin reads, sorted."""
        return sorted({name for plugin in self.plugins.values() for name in plugin.manifest.public_weights})

    def public_weights_reader(self, architecture: str) -> Any:
        """The function that reads one of `public_architectures`, imported now.

        Raises:
            AmbiguousNameError: Two plugins read it.
            PluginError: Importing it failed; the original exception is chained.
        """
        owner = self.owner("architecture", architecture)
        if owner is None:
            raise UnknownNameError(f"no installed plugin reads the architecture {architecture!r}")
        return owner.import_reference(owner.manifest.public_weights[architecture])

    def owner(self, kind: str, name: str, *, plugin_name: str = "") -> InstalledPlugin | None:
        """The plugin that declares a name, or None.

        Args:
            kind: ``task``, ``command``, ``data set``, ``architecture``, ``augmentation`` or ``method``.
            name: The bare name.
            plugin_name: Where given, only this plugin is asked.

        Raises:
            AmbiguousNameError: Several plugins claim it.
        """
        claims = [plugin for plugin in self.plugins.values() if name in getattr(plugin.manifest, _DECLARED_IN[kind])]
        return _only(kind, name, [plugin for plugin in claims if plugin_name in ("", plugin.name)])

    def commands(self) -> dict[str, tuple[str, str]]:
        """What plugins add to the command line: command -> (plugin, reference)."""
        return {
            command: (plugin.name, reference)
            for plugin in reversed(self.plugins.values())
            for command, reference in plugin.manifest.commands.items()
        }

    def _find(self, kind: str, name: str, entries: list[Named], hints: dict[str, str]) -> Named:
        prefix, _, bare = name.rpartition(":")
        claims = [entry for entry in entries if entry.name == bare and prefix in ("", entry.plugin_name)]
        found = _only(kind, bare, claims)
        if found is None:
            raise self._unknown(kind, name, [entry.name for entry in entries], hints)
        return found

    def _unknown(self, kind: str, name: str, names: Iterable[str], hints: dict[str, str]) -> UnknownNameError:
        bare = name.rpartition(":")[2]
        parts = [f"unknown {kind} {name!r}.{did_you_mean(bare, names)}"]
        cause: Exception | None = None
        for broken in self.broken:
            parts.append(broken.describe() + ".")
            cause = cause or broken.error
        installed = {plugin.distribution for plugin in self.plugins.values()}
        installed |= {broken.distribution for broken in self.broken}
        if (distribution := hints.get(bare)) and distribution not in installed:
            parts.append(f"It comes with {distribution}: {first_party.install_hint(distribution)}.")
        elif not did_you_mean(bare, names) and (near := did_you_mean(bare, set(hints) - set(names))):
            parts.append(near.strip())
        parts.append("`tsugiki list` shows what is installed.")
        error = UnknownNameError(" ".join(parts))
        error.__cause__ = cause
        return error


def _only(kind: str, name: str, claims: list[Claim]) -> Claim | None:
    """The one that has a name, None where nobody has it, and an error where several do."""
    if len(claims) < 2:
        return claims[0] if claims else None
    owners = " and ".join(f"{claim.plugin_name!r} ({claim.distribution})" for claim in claims)
    prefixed = " or ".join(f"{claim.plugin_name}:{name}" for claim in claims)
    remedy = f"write {prefixed}" if kind in _PREFIXED else "uninstall one of them or limit TSUGIKI_PLUGINS"
    raise AmbiguousNameError(f"{kind} {name!r} is claimed by {owners}; {remedy}")


def scan() -> Registry:
    """Look at every installed entry point once.

    A plugin that raises is set apart as broken, and so is each of several that have one name, none of them imported.
    With ``TSUGIKI_STRICT=1`` that raises instead.
    ``TSUGIKI_PLUGINS=vision,speech`` limits what is loaded; an empty value loads none.
    """
    found = Registry()
    strict = os.environ.get("TSUGIKI_STRICT") == "1"
    points = [(point, distribution) for point, distribution in plugin_entry_points() if is_allowed(point.name)]
    for point, distribution in points:
        name, version = distribution.metadata["Name"], distribution.version
        try:
            claims = [other.metadata["Name"] for claim, other in points if claim.name == point.name]
            if len(claims) > 1:  # whichever were taken, the other's answers would be given under its name
                raise PluginError(f"its name is claimed by {' and '.join(claims)}; uninstall one of them")
            plugin = load_plugin(point, distribution)
        except Exception as error:
            broken = BrokenPlugin(point.name, name, version, error)
            if strict:
                raise PluginError(broken.describe()) from error
            found.broken.append(broken)
            continue
        found.plugins[plugin.name] = InstalledPlugin(plugin, name, version)
    return found


_cached: Registry | None = None


def registry() -> Registry:
    """The registry of this process, scanned on first use."""
    global _cached
    if _cached is None:
        _cached = scan()
    return _cached


def refresh() -> Registry:
    """Scan again, after plugins were installed or removed while the process runs."""
    global _cached
    importlib.invalidate_caches()
    _cached = scan()
    return _cached


def warn_of_broken_plugins() -> None:
    """Issue one warning per broken plugin, for interactive use."""
    for broken in registry().broken:
        warnings.warn(broken.describe(), stacklevel=2)
