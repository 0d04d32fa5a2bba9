"""Registration with transformers' Auto classes: every call of ``….register`` of the project, for their signatures move.

After `register_all`, ``AutoModelFor….from_pretrained``, ``AutoImageProcessor``, ``pipeline`` and the rest work on every
installed family with no further call of tsugiki.
"""

from __future__ import annotations

import os
import warnings
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..errors import AmbiguousNameError, PluginError
from ..registry import RegisteredFamily, import_string, registry

if TYPE_CHECKING:
    from ..task import Task

# Key of `Family.models` -> Auto class, where the family names no others. A key that is not here, a plugin's own task,
# has none: `tsugiki.load` or the class itself loads its models.
AUTO_CLASSES = {
    "base": "AutoModel",
    "backbone": "AutoBackbone",
    "image-classification": "AutoModelForImageClassification",
    "image-to-image": "AutoModelForImageToImage",
    "image-segmentation": "AutoModelForImageSegmentation",
    "semantic-segmentation": "AutoModelForSemanticSegmentation",
    "object-detection": "AutoModelForObjectDetection",
    "depth-estimation": "AutoModelForDepthEstimation",
    "keypoint-detection": "AutoModelForKeypointDetection",
    "text-generation": "AutoModelForCausalLM",
    "fill-mask": "AutoModelForMaskedLM",
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "text-translation": "AutoModelForSeq2SeqLM",
    "dialogue": "AutoModelForSeq2SeqLM",
    "image-captioning": "AutoModelForImageTextToText",
    "video-classification": "AutoModelForVideoClassification",
    "audio-classification": "AutoModelForAudioClassification",
    "automatic-speech-recognition": "AutoModelForCTC",
}

# The pipelines of these look a class up in the library's list of names alone, and log an error of 9 kB where it is not
# there, though they run it.
_CHECKED_BY_NAME = ("ObjectDetection", "Segmentation")

_registered: dict[tuple[str, str], type] = {}  # (plugin, family) -> config class
_processors: dict[str, tuple[type, RegisteredFamily]] = {}  # by class name
_pipelines: dict[str, type] = {}  # by task


def auto_classes_of(family: RegisteredFamily, key: str) -> tuple[str, ...]:
    """Names of the Auto classes that load a family's models of a key, the most telling first; empty where none does."""
    return tuple(family.declaration.auto_classes.get(key, ())) or tuple(filter(None, [AUTO_CLASSES.get(key)]))


def auto_class_of(family: RegisteredFamily, key: str) -> str:
    """The first of `auto_classes_of`, or an empty text."""
    return next(iter(auto_classes_of(family, key)), "")


def register_family(family: RegisteredFamily) -> None:
    """Register one family's config, models and processor. Again and again does no harm.

    A family whose classes are transformers' own keeps them as they are; only a processor of the plugin's is made known.

    Args:
        family: The family, as the registry knows it.

    Raises:
        PluginError: Its ``model_type`` or a class name is taken by transformers or another plugin, or a class cannot be
            imported.
    """
    config_class = family.config_class()
    if _registered.get((family.plugin_name, family.name)) is config_class:
        return
    if not family.declaration.is_builtin:
        _register_models(family)
    _register_processor(family)
    _registered[family.plugin_name, family.name] = config_class


def register_all() -> None:
    """Register every family of every installed plugin, and the pipelines of tasks that transformers has none for.

    A family that cannot be registered costs one warning that names its plugin; ``TSUGIKI_STRICT=1`` makes it the error.
    """
    for family in registry().families():
        try:
            registry().family_of_model_type(family.model_type)
            register_family(family)
        except (PluginError, AmbiguousNameError) as error:
            _warn_or_raise(error)
    for task in registry().tasks():
        try:
            register_pipeline(registry().task_class(task))
        except (PluginError, AmbiguousNameError) as error:
            _warn_or_raise(error)


def register_pipeline(task: type[Task]) -> None:
    """Register the pipeline of a task that transformers has none for.

    Args:
        task: A task class; one without a ``pipeline_class`` is left alone.

    Raises:
        PluginError: The task's name is one of transformers' own.
    """
    pipeline_class: Any = task.pipeline_class
    if pipeline_class is None or task.name in _pipelines:
        return
    import transformers
    from transformers.pipelines import PIPELINE_REGISTRY

    if task.name in PIPELINE_REGISTRY.get_supported_tasks():
        raise PluginError(f"task {task.name!r} of {task.__module__} has a pipeline in transformers already; rename it")
    if isinstance(pipeline_class, str):
        pipeline_class = import_string(pipeline_class)
    own = (family.declaration.auto_classes.get(task.name, ()) for family in registry().families())
    names = dict.fromkeys([*chain.from_iterable(own), AUTO_CLASSES.get(task.pipeline_key or task.name, "AutoModel")])
    known = tuple(getattr(transformers, name) for name in names if hasattr(transformers, name))
    PIPELINE_REGISTRY.register_pipeline(task.name, pipeline_class=pipeline_class, pt_model=known)
    # Left in place it makes `pipe.save_pretrained` copy the class's source file, and loading that wants remote code.
    del pipeline_class._registered_impl
    _pipelines[task.name] = pipeline_class


def _register_models(family: RegisteredFamily) -> None:
    import transformers

    config_class = family.config_class()
    _refuse_taken_model_type(family, config_class)
    models = {key: family.model_class(key) for key in family.declaration.models}
    for taken in (config_class, *models.values()):
        _refuse_taken_class_name(family, taken)
    # exist_ok: a process that makes the registry again may import a family's module again.
    transformers.AutoConfig.register(family.model_type, config_class, exist_ok=True)
    for key, model_class in models.items():
        for name in auto_classes_of(family, key):
            auto_class = getattr(transformers, name, None)
            if auto_class is None:
                raise PluginError(f"{_owner(family)}: transformers {transformers.__version__} has no {name}")
            auto_class.register(config_class, model_class, exist_ok=True)
            if name.endswith(_CHECKED_BY_NAME):
                auto_class._model_mapping._model_mapping.setdefault(family.model_type, model_class.__name__)


def _register_processor(family: RegisteredFamily) -> None:
    processor_class = family.processor_class()
    if processor_class is None or processor_class.__module__.partition(".")[0] == "transformers":
        return
    from transformers.feature_extraction_utils import FeatureExtractionMixin
    from transformers.image_processing_utils import BaseImageProcessor

    # transformers 5.17 has it at the top only where torchvision is installed
    from transformers.models.auto.image_processing_auto import AutoImageProcessor
    from transformers.processing_utils import ProcessorMixin

    name = processor_class.__name__
    if name not in _processors:
        _refuse_taken_class_name(family, processor_class)
    elif _reference(_processors[name][0]) != _reference(processor_class):
        raise PluginError(
            f"processor {name!r} is the name of a class of both {_owner(_processors[name][1])} and {_owner(family)}; "
            "a snapshot names its processor by it, so one of them must be renamed"
        )
    # A builtin family's config keeps the processor it has in transformers. A snapshot that names ours is found all the
    # same: AutoImageProcessor looks a class name up among all that were registered, under whatever key.
    key = processor_class if family.declaration.is_builtin else family.config_class()
    if issubclass(processor_class, BaseImageProcessor):
        # Under both names, or a machine with torchvision warns on every load that it falls back to "pil".
        backends = {"pil": processor_class, "torchvision": processor_class}
        AutoImageProcessor.register(key, image_processor_classes=backends, exist_ok=True)
    elif issubclass(processor_class, FeatureExtractionMixin):
        from transformers import AutoFeatureExtractor

        AutoFeatureExtractor.register(key, processor_class, exist_ok=True)
    elif issubclass(processor_class, ProcessorMixin):
        from transformers import AutoProcessor

        AutoProcessor.register(key, processor_class, exist_ok=True)
    else:
        from transformers import AutoTokenizer

        AutoTokenizer.register(key, tokenizer_class=processor_class, exist_ok=True)
    _processors[name] = (processor_class, family)


def _refuse_taken_model_type(family: RegisteredFamily, config_class: type) -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if config_class.model_type != family.model_type:  # type: ignore[attr-defined]
        raise PluginError(
            f"{_owner(family)}: {config_class.__name__}.model_type is {config_class.model_type!r}, "  # type: ignore[attr-defined]
            f"and the manifest says {family.model_type!r}"
        )
    if family.model_type in CONFIG_MAPPING:
        taken_by = CONFIG_MAPPING[family.model_type]
        if _reference(taken_by) != _reference(config_class):
            raise PluginError(
                f"model_type {family.model_type!r} of {_owner(family)} is already taken by {_reference(taken_by)}; "
                "rename the family"
            )


def _refuse_taken_class_name(family: RegisteredFamily, own_class: type) -> None:
    """transformers finds classes by name too: one of ours with a name of theirs would stand in for it or be ignored."""
    import transformers

    name = own_class.__name__
    if name in vars(transformers)["__all__"] and getattr(transformers, name) is not own_class:
        raise PluginError(
            f"{_reference(own_class)} of {_owner(family)} has the name of a class of transformers; rename it"
        )


def _warn_or_raise(error: Exception) -> None:
    if os.environ.get("TSUGIKI_STRICT") == "1":
        raise error
    warnings.warn(str(error), stacklevel=3)


def _reference(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _owner(family: RegisteredFamily) -> str:
    return f"family {family.name!r} of plugin {family.plugin_name!r} ({family.distribution})"
