"""Loading by name: models, processors, and fresh models of a family.

Nothing heavy is imported until a name has been found and its config has passed the checks, and then only torch,
transformers' model classes and the one family's module.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import first_party
from ..errors import OptionError, PluginError, SnapshotError, UnknownNameError, did_you_mean
from ..registry import RegisteredFamily, registry
from .public_weights import PublicWeights, read_public_weights
from .resolve import CONFIG, resolve
from .strict_config import (
    PROVENANCE,
    build_config,
    check_values,
    config_fields,
    fail,
    one_line,
    override_config,
    read_config,
    read_json,
    read_provenance_of,
    without_ignored_fields,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PROCESSOR = "preprocessor_config.json"
_OTHER_PROCESSORS = ("processor_config.json", "tokenizer_config.json", "tokenizer.json")


def load(
    name: str | Path,
    *,
    task: str | None = None,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    **overrides: Any,
) -> PreTrainedModel:
    """Load a pretrained model, checked.

    Args:
        name: A snapshot's folder, an installed checkpoint (``lenet5-mnist``, ``vision:lenet5-mnist``), or a Hub
            repository (``org/name``). Weights of another library that an installed plugin reads, such as
            ``timm/vgg16.tv_in1k``, become a model of the plugin's.
        task: The model class to load into: a task of the family, ``backbone`` or ``base``. By default as it was saved.
        revision: Branch, tag or commit of a Hub repository.
        dtype: Of the weights, such as ``"bfloat16"``; ``float32`` by default, ``"auto"`` for what the file holds.
        **overrides: Fields of the family's config to set otherwise than saved, and ``out_features`` or ``out_indices``
            for ``task="backbone"``. Another number of labels gives the model a new head with fresh weights.

    Returns:
        The model, in eval mode.

    Raises:
        UnknownNameError: There is no such model, or the family has none for the task.
        SnapshotError: The snapshot is damaged; says which file and how.
        OptionError: An override is no field of the config, or does not fit.
        PluginError: A plugin that the snapshot needs is missing or broken.
        HubError: The Hub cannot be reached, or has no such repository.

    Example:
        >>> import tsugiki
        >>> model = tsugiki.load("lenet5-mnist")
        >>> backbone = tsugiki.load("lenet5-mnist", task="backbone", out_features=["convolution2"])
    """
    snapshot = open_snapshot(resolve(name, revision=revision))
    from .auto_classes import register_family
    from .strict_loading import load_strictly

    family = snapshot.family
    model_class = family.model_class(snapshot.model_key(task))
    config_class = family.config_class()
    config = build_config(config_class, snapshot.config, snapshot.folder / CONFIG)
    if overrides:
        _check_options(overrides, config_fields(config_class), ("task", "revision", "dtype"), family)
        config = override_config(config_class, snapshot.config, overrides)
    config._name_or_path = str(snapshot.folder)
    register_family(family)
    try:
        return load_strictly(
            snapshot.folder,
            model_class,
            config,
            dtype=dtype,
            replaceable=(family.declaration.head_of(model_class.__name__) or None) if overrides else None,
            public=snapshot.public,
        )
    except SnapshotError as error:
        if not overrides:
            raise
        raise SnapshotError(f"{error} (with {', '.join(overrides)} set otherwise than saved)") from error


def create_model(
    family: str, task: str | None = None, *, dtype: str | torch.dtype | None = None, **config: Any
) -> PreTrainedModel:
    """Build a model with fresh weights.

    Args:
        family: A family's name, such as ``lenet`` or ``vision:lenet``.
        task: A task of the family, ``backbone`` or ``base``; by default its only task.
        dtype: Of the weights; ``float32`` by default.
        **config: Fields of the family's config, such as ``num_labels=7``.

    Returns:
        The model, in training mode.

    Raises:
        UnknownNameError: There is no such family, or it has no model for the task.
        OptionError: A field is unknown or out of range.

    Example:
        >>> import tsugiki
        >>> model = tsugiki.create_model("lenet", num_labels=7, activation="tanh")
    """
    registered = registry().family(family)
    key = task or _only_task(registered)
    model_class = registered.model_class(key)
    config_class = registered.config_class()
    from .auto_classes import register_family
    from .strict_loading import model_dtype

    _check_options(config, config_fields(config_class), ("task", "dtype"), registered)
    built = override_config(config_class, {}, config)
    register_family(registered)
    try:
        return model_class._from_config(built, dtype=model_dtype(dtype))
    except (ValueError, TypeError, RuntimeError) as error:
        raise OptionError(f"family {registered.name!r} cannot be built with {config}: {one_line(error)}") from error


def load_processor(name: str | Path, *, revision: str | None = None) -> Any:
    """Load the processor that goes with a model: its image processor, feature extractor or tokenizer.

    Args:
        name: As `load` takes it.
        revision: Branch, tag or commit of a Hub repository.

    Returns:
        The processor that prepares inputs as in training.

    Raises:
        UnknownNameError: There is no such model.
        SnapshotError: The snapshot has no processor, or a damaged one.
        PluginError: A plugin that the snapshot needs is missing or broken.
        HubError: The Hub cannot be reached, or has no such repository.
    """
    folder = resolve(name, revision=revision)
    _check_requirements(folder, read_provenance_of(folder))
    path = folder / PROCESSOR
    if not path.is_file():
        public = read_public_weights(folder)
        return _load_other_processor(folder) if public is None else _public_processor(public, folder)
    values = read_json(path)
    check_values(values, path)
    values = without_ignored_fields(values)
    class_name = values.get("image_processor_type") or values.get("feature_extractor_type")
    if not isinstance(class_name, str):
        fail(path, "names no image_processor_type and no feature_extractor_type")
    owner = _plugin_processor(folder, class_name)
    try:
        if owner is not None:
            return owner.processor_class().from_dict(values)
        return _transformers_processor(folder, class_name)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise SnapshotError(f"{path}: does not describe a {class_name}: {one_line(error)}") from error


@dataclass(frozen=True)
class Snapshot:
    """A snapshot folder whose small files have been read and checked, and the family it belongs to."""

    folder: Path
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    family: RegisteredFamily
    public: PublicWeights | None = None  # how its weights are read where another library published them

    def model_key(self, task: str | None = None) -> str:
        """The key of the family's models to load into: `task`, or as the snapshot was saved.

        Raises:
            SnapshotError: The snapshot does not tell, and the family has several tasks.
        """
        if task is not None:
            return task
        models = self.family.declaration.models
        architectures = self.config.get("architectures")
        names = architectures if isinstance(architectures, list) else []
        for key, reference in models.items():
            if reference.partition(":")[2] in names:
                return key
        if self.provenance.get("task") in models:
            return self.provenance["task"]
        tasks = self.family.declaration.tasks
        if len(tasks) != 1:
            fail(
                self.folder / CONFIG, f"architectures {names} names no model of family {self.family.name!r}; pass task="
            )
        return tasks[0]

    @property
    def task(self) -> str | None:
        """The task that the snapshot was made for, or None for a bare network."""
        recorded = self.provenance.get("task")
        if isinstance(recorded, str):
            return recorded
        key = self.model_key()
        return key if key in self.family.declaration.tasks else None


def open_snapshot(folder: Path) -> Snapshot:
    """Read and check the small files of a snapshot; imports nothing heavy.

    Args:
        folder: As `tsugiki.snapshots.resolve.resolve` returns it.

    Raises:
        SnapshotError: A file is damaged.
        PluginError: A plugin that the snapshot needs is missing or broken.
    """
    provenance = read_provenance_of(folder)
    _check_requirements(folder, provenance)
    if public := read_public_weights(folder):
        return Snapshot(folder, public.snapshot_config(), provenance, public.family, public)
    config = read_config(folder)
    family = registry().family_of_model_type(config["model_type"])
    if family is None:
        raise _no_family(folder, config["model_type"], provenance)
    return Snapshot(folder, config, provenance, family)


def missing_requirements(folder: Path, provenance: Mapping[str, Any]) -> list[str]:
    """The distributions that a snapshot's network is put together from and that are not installed.

    Raises:
        SnapshotError: The provenance is damaged.
    """
    requires = provenance.get("requires") or []
    if not isinstance(requires, list) or not all(isinstance(name, str) for name in requires):
        fail(folder / PROVENANCE, "requires must be a list of distributions")
    return [name for name in requires if not _is_installed(name)]


def _check_requirements(folder: Path, provenance: Mapping[str, Any]) -> None:
    """Refuse a snapshot whose network is put together from plugins that are not installed."""
    if missing := missing_requirements(folder, provenance):
        hints = ", ".join(
            first_party.install_hint(name) if name.startswith("tsugiki") else f"pip install {name}" for name in missing
        )
        raise PluginError(f"{folder} needs {' and '.join(missing)}, not installed here: {hints}")


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False
    return True


def _no_family(folder: Path, model_type: str, provenance: Mapping[str, Any]) -> PluginError:
    """Why no installed plugin can load this: mistyped, broken, or to be installed."""
    family = provenance.get("family")
    if not isinstance(family, str):
        family = model_type.removeprefix("tsugiki_").replace("_", "-")
    error = PluginError(f"{folder / CONFIG}: no installed plugin has a family with model_type {model_type!r}.")
    try:
        registry().family(family)
    except UnknownNameError as unknown:
        error = PluginError(f"{str(error).rstrip('.')}: {unknown}")
        error.__cause__ = unknown
    return error


def _only_task(family: RegisteredFamily) -> str:
    tasks = family.declaration.tasks or list(family.declaration.models)
    if len(tasks) != 1:
        raise OptionError(f"family {family.name!r} has models for {', '.join(tasks)}; name one with task=")
    return tasks[0]


def _check_options(
    given: Mapping[str, Any], fields: set[str], parameters: tuple[str, ...], family: RegisteredFamily
) -> None:
    for key in given:
        if key not in fields:
            near = did_you_mean(key, [*fields, *parameters])
            raise OptionError(f"unknown option {key!r} for family {family.name!r}.{near}")


def _plugin_processor(folder: Path, class_name: str) -> RegisteredFamily | None:
    """The family whose processor class has this name, preferably the snapshot's own; None if no plugin declares it."""
    declared = {
        family.declaration.processor: family
        for family in registry().families()
        if family.declaration.processor and family.declaration.processor.partition(":")[2] == class_name
    }
    own = registry().family_of_model_type(read_config(folder)["model_type"])
    if own is not None and own.declaration.processor in declared:
        return own
    if len(declared) > 1:
        owners = " and ".join(f"{family.plugin_name!r} ({family.distribution})" for family in declared.values())
        raise PluginError(f"{folder / PROCESSOR}: processor {class_name!r} is a class of both {owners}")
    return next(iter(declared.values()), None)


def _public_processor(public: PublicWeights, folder: Path) -> Any:
    """The family's processor, set as the publisher of the weights prepared pictures."""
    processor_class = public.family.processor_class()
    if processor_class is None or public.processor is None:
        raise SnapshotError(f"{folder / CONFIG}: does not tell how inputs are prepared for the network")
    return processor_class.from_dict(dict(public.processor))


def _transformers_processor(folder: Path, class_name: str) -> Any:
    """A processor of transformers' own. Images go through its Pillow variant, with torchvision or without."""
    import transformers
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    if not {class_name, class_name.removesuffix("Fast")} & set(vars(transformers)["__all__"]):
        raise PluginError(f"{folder / PROCESSOR}: neither an installed plugin nor transformers has a {class_name!r}")
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if "FeatureExtractor" in class_name:
        return transformers.AutoFeatureExtractor.from_pretrained(folder, **options)
    return AutoImageProcessor.from_pretrained(folder, backend="pil", **options)


def _load_other_processor(folder: Path) -> Any:
    """A tokenizer, or a processor put together from several."""
    names = [name for name in _OTHER_PROCESSORS if (folder / name).is_file()]
    if not names:
        raise SnapshotError(f"{folder} has no processor: neither {PROCESSOR} nor {' nor '.join(_OTHER_PROCESSORS)}")
    from transformers import AutoProcessor, AutoTokenizer

    from .auto_classes import register_family

    if family := registry().family_of_model_type(read_config(folder)["model_type"]):
        register_family(family)
    for owner in _families_of_parts(folder):
        register_family(owner)
    auto_class = AutoProcessor if "processor_config.json" in names else AutoTokenizer
    try:
        return auto_class.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # tokenizers raises plain Exception
        raise SnapshotError(f"{folder / names[-1]}: cannot be read: {one_line(error)}") from error


def _families_of_parts(folder: Path) -> list[RegisteredFamily]:
    """The families whose image processors or feature extractors stand in a processor put together from several.

    Raises:
        PluginError: Neither an installed plugin nor transformers has one of them.
    """
    path = folder / _OTHER_PROCESSORS[0]
    if not path.is_file():
        return []
    import transformers

    values = read_json(path)
    check_values(values, path)
    found = []
    for part in values.values():
        names = (part.get("image_processor_type"), part.get("feature_extractor_type")) if isinstance(part, dict) else ()
        for class_name in names:
            if not isinstance(class_name, str):
                continue
            if (owner := _plugin_processor(folder, class_name)) is not None:
                found.append(owner)
            elif not {class_name, class_name.removesuffix("Fast")} & set(vars(transformers)["__all__"]):
                raise PluginError(f"{path}: neither an installed plugin nor transformers has a {class_name!r}")
    return found
