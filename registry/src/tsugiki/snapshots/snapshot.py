"""A snapshot, opened once: its name resolved, its small files read and checked, and from then on one folder."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import first_party
from ..errors import OptionError, PluginError, SnapshotError, UnknownNameError, did_you_mean
from ..registry import RegisteredFamily, registry
from .provenance import Provenance
from .public_weights import PublicWeights, public_weights_of
from .resolve import CONFIG, resolve
from .strict_config import (
    LABEL_FIELDS,
    build_config,
    check_config,
    config_fields,
    fail,
    override_config,
    read_json,
)
from .transformers_families import is_found, known_family

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_opened: ContextVar[dict[tuple[str, str | None], Snapshot] | None] = ContextVar("opened", default=None)


@dataclass(frozen=True)
class Snapshot:
    """A snapshot folder whose small files have been read and checked.

    A branch on the Hub may move at any time, so what belongs together, such as a model and its processor, is taken from
    one `Snapshot` and not by name twice. Opening one imports nothing heavy.

    Attributes:
        name: What it was opened by, and what errors call it.
        folder: Where it lies; of a Hub repository the folder of one commit.
        config: Fields of its ``config.json``; of weights that another library published, as the plugin reads them.
        provenance: What its ``provenance.json`` records, or None where it has none.
        public: How its weights are read where another library published them.

    Example:
        >>> snapshot = Snapshot.open("lenet5-mnist")
        >>> model, processor = snapshot.model(), snapshot.processor()
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    provenance: Provenance | None
    public: PublicWeights | None = None

    @classmethod
    def open(cls, name: str | Path, *, revision: str | None = None) -> Snapshot:
        """Resolve a name, once, and read what it leads to.

        Args:
            name: As `tsugiki.load` takes it.
            revision: Branch, tag or commit of a Hub repository.

        Raises:
            UnknownNameError: There is no such model.
            SnapshotError: A file is damaged.
            PluginError: A plugin that the snapshot needs is missing.
            HubError: The Hub cannot be reached, or has no such repository.
            OptionError: A revision of something that has none was asked for.
        """
        opened, key = _opened.get(), (str(name), revision)
        if opened is not None and key in opened:
            return opened[key]
        snapshot = cls.of_folder(resolve(name, revision=revision), name)
        if opened is not None:
            opened[key] = snapshot
        return snapshot

    @classmethod
    def of_folder(cls, folder: Path, name: str | Path | None = None) -> Snapshot:
        """Read the small files of a folder that a name has been resolved to.

        Args:
            folder: As `tsugiki.snapshots.resolve.resolve` returns it.
            name: What errors call it; its path by default.

        Raises:
            SnapshotError: A file is damaged.
            PluginError: A plugin that the snapshot needs is missing.
        """
        provenance = Provenance.find(folder)
        if missing := missing_requirements(provenance):
            raise _not_installed(folder, missing)
        path = folder / CONFIG
        values = read_json(path)
        public = public_weights_of(values, path)
        config = check_config(values, path) if public is None else public.snapshot_config()
        return cls(str(name or folder), folder, config, provenance, public)

    @property
    def family(self) -> RegisteredFamily:
        """The family it belongs to: an installed plugin's, or one of transformers' own.

        Raises:
            PluginError: Neither an installed plugin nor transformers has it.
            AmbiguousNameError: Two plugins claim it.
        """
        return self.family_for()

    @property
    def task(self) -> str | None:
        """The task that it was made for, or None for a bare network."""
        if self.provenance is not None:
            return self.provenance.task
        key = self._model_key()
        return key if key in self.family.declaration.tasks else None

    def model(
        self, task: str | None = None, dtype: str | torch.dtype | None = None, **overrides: Any
    ) -> PreTrainedModel:
        """Load the model, checked; as `tsugiki.load`, which tells what the arguments mean and what is raised."""
        family = self.family_for(task)
        key = task or self._model_key()
        model_class = family.model_class(key)
        config_class = family.config_class()
        from .auto_classes import register_family
        from .strict_loading import load_strictly

        config = build_config(config_class, self.config, self.folder / CONFIG)
        if overrides:
            check_options(overrides, config_fields(config_class), ("task", "revision", "dtype"), family)
            config = override_config(config_class, self.config, overrides)
        if is_found(family) and key == "text-classification" and config.pad_token_id is None:
            config.pad_token_id = config.eos_token_id  # as the tokenizer's, see `complete_processor`
        config._name_or_path = str(self.folder)
        register_family(family)
        try:
            return load_strictly(
                self.folder,
                model_class,
                config,
                sha256=None if self.provenance is None else self.provenance.weights.sha256,
                dtype=dtype,
                replaceable=_replaceable(family, model_class.__name__) if overrides else None,
                on_trunk=family.declaration.is_builtin and bool(LABEL_FIELDS & overrides.keys()),
                public=self.public,
            )
        except SnapshotError as error:
            if not overrides:
                raise
            raise SnapshotError(f"{error} (with {', '.join(overrides)} set otherwise than saved)") from error

    def processor(self) -> Any:
        """Load the processor, as `tsugiki.load_processor`."""
        from .processors import complete_processor, read_processor

        processor = read_processor(self.folder, self.config["model_type"], self.public)
        if is_found(self.family_for()) or type(processor).__module__.startswith("transformers.models."):
            return complete_processor(processor, self.config)
        return processor

    def family_for(self, task: str | None = None) -> RegisteredFamily:
        """The family, where a task is named one that has a model for it.

        A plugin may declare a part of what transformers has for an architecture, as BERT for filling masks; for the
        rest it is transformers' own.

        Raises:
            PluginError: As `family`.
        """
        names = self._architectures() if task is None else []
        model_class = next(iter(names), "")
        family = known_family(self.config["model_type"], model_class=model_class, task=task or "")
        if family is None:
            raise _no_family(self)
        return family

    def _architectures(self) -> list[str]:
        names = self.config.get("architectures")
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    def _model_key(self) -> str:
        """The key of the family's models that it was saved from."""
        models, names = self.family.declaration.models, self._architectures()
        for key, reference in models.items():
            if reference.partition(":")[2] in names:
                return key
        if self.provenance is not None and self.provenance.task in models:
            return self.provenance.task
        if is_found(self.family) and "base" in models:
            return "base"  # of a model for something that no task here does, such as pre-training
        tasks = self.family.declaration.tasks
        if len(tasks) != 1:
            fail(
                self.folder / CONFIG, f"architectures {names} names no model of family {self.family.name!r}; pass task="
            )
        return tasks[0]


@contextmanager
def each_opened_once() -> Iterator[None]:
    """Within, `Snapshot.open` opens each name once and gives the same snapshot every time.

    For a run whose parts open a name each by themselves: a captioner's recipe names its encoder, of which one function
    takes the processor, one the config and one the weights.
    """
    before = _opened.set({})
    try:
        yield
    finally:
        _opened.reset(before)


def check_options(
    given: Mapping[str, Any], fields: set[str], parameters: tuple[str, ...], family: RegisteredFamily
) -> None:
    """Refuse options that are no fields of a family's config.

    Args:
        given: What a caller gave, by name.
        fields: The config's.
        parameters: Named beside the fields where one is near.
        family: The family.

    Raises:
        OptionError: Says which name is near.
    """
    for key in given:
        if key not in fields:
            near = did_you_mean(key, [*fields, *parameters])
            raise OptionError(f"unknown option {key!r} for family {family.name!r}.{near}")


def missing_requirements(provenance: Provenance | None) -> list[str]:
    """The distributions that a snapshot's network is put together from and that are not installed."""
    requires = [] if provenance is None else provenance.requires
    return [name for name in requires if not _is_installed(name)]


def _replaceable(family: RegisteredFamily, model_class: str) -> str | Callable[[PreTrainedModel], str] | None:
    """The head of a model class: its path, or what finds it."""
    if is_found(family):
        from .module_tree import find_head

        return find_head
    return family.declaration.head_of(model_class) or None


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False
    return True


def _not_installed(folder: Path, missing: list[str]) -> PluginError:
    hints = map(first_party.install_hint, missing)
    return PluginError(f"{folder} needs {' and '.join(missing)}, not installed here: {', '.join(hints)}")


def _no_family(snapshot: Snapshot) -> PluginError:
    """Why no installed plugin can load this: mistyped, broken, or to be installed."""
    model_type = snapshot.config["model_type"]
    guessed = model_type.removeprefix("tsugiki_").replace("_", "-")
    family = guessed if snapshot.provenance is None else snapshot.provenance.family
    where = snapshot.folder / CONFIG
    sentence = f"{where}: no installed plugin has a family with model_type {model_type!r}, nor has transformers"
    try:
        registry().family(family)
    except UnknownNameError as unknown:
        error = PluginError(f"{sentence}: {unknown}")
        error.__cause__ = unknown
        return error
    return PluginError(f"{sentence}.")
