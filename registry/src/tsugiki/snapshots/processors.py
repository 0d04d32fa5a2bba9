"""The processor of a snapshot: its image processor, feature extractor or tokenizer, a plugin's or transformers' own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import PluginError, SnapshotError
from ..registry import RegisteredFamily, registry
from .public_weights import PublicWeights
from .resolve import CONFIG
from .strict_config import check_values, fail, one_line, read_json, without_ignored_fields

PREPROCESSOR = "preprocessor_config.json"
_OTHERS = ("processor_config.json", "tokenizer_config.json", "tokenizer.json")
PLACES = ("max_position_embeddings", "n_positions")
_TYPES = ("image_processor_type", "feature_extractor_type")


def read_processor(folder: Path, model_type: str, public: PublicWeights | None = None) -> Any:
    """Read the processor in a folder, checked.

    Args:
        folder: The snapshot.
        model_type: Of its config.
        public: How the folder is read where another library published it.

    Raises:
        SnapshotError: It has no processor, or a damaged one.
        PluginError: Neither an installed plugin nor transformers has the processor's class, or two plugins do.
    """
    path = folder / PREPROCESSOR
    if not path.is_file():
        return _read_other(folder, model_type) if public is None else _public_processor(public, folder)
    values = read_json(path)
    check_values(values, path)
    values = without_ignored_fields(values)
    class_name = next((values[key] for key in _TYPES if values.get(key)), None) or _usual(model_type)
    if not isinstance(class_name, str):
        fail(path, f"names no {' and no '.join(_TYPES)}")
    class_name = _todays_name(class_name)
    owner = _owner(class_name, model_type, path)
    try:
        if owner is not None:
            return owner.processor_class().from_dict(values)
        return _transformers_processor(folder, class_name)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise SnapshotError(f"{path}: does not describe a {class_name}: {one_line(error)}") from error


def complete_processor(processor: Any, config: Mapping[str, Any]) -> Any:
    """Set what processors of transformers leave open and its networks insist on.

    Of a tokenizer: a token to fill rows up with, and a limit. Of an image processor: grey pictures become coloured.

    Args:
        processor: Changed in place.
        config: Fields of the model's config.

    Returns:
        The same.
    """
    from transformers import PreTrainedTokenizerBase
    from transformers.image_processing_utils import BaseImageProcessor

    if isinstance(processor, BaseImageProcessor) and config.get("num_channels", 3) == 3:
        setattr(processor, "do_convert_rgb", True)  # noqa: B010 (of the subclasses alone)
    if not isinstance(processor, PreTrainedTokenizerBase):
        return processor
    if processor.pad_token is None:
        processor.pad_token = processor.eos_token
    places = next((config[name] for name in PLACES if isinstance(config.get(name), int)), None)
    if places is not None:
        # Networks after RoBERTa number the places from behind the token that fills up, which is their second.
        places -= 2 if config.get("pad_token_id") == 1 else 0
        processor.model_max_length = min(processor.model_max_length, places)
    return processor


def _usual(model_type: str) -> str | None:
    """The class of the image processor or feature extractor that transformers has for an architecture."""
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING_NAMES
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    named = FEATURE_EXTRACTOR_MAPPING_NAMES.get(model_type) or IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type)
    return next(iter(named.values()), None) if isinstance(named, dict) else named


def _todays_name(class_name: str) -> str:
    """What transformers calls a class today: feature extractors of pictures became image processors."""
    import transformers

    known, renamed = vars(transformers)["__all__"], class_name.replace("FeatureExtractor", "ImageProcessor")
    return renamed if class_name not in known and renamed in known else class_name


def _owner(class_name: str, model_type: str, path: Path) -> RegisteredFamily | None:
    """The family whose processor class has this name, or None where it is one of transformers' own."""
    owner = registry().family_of_processor(class_name, model_type=model_type)
    if owner is None:
        import transformers

        if not {class_name, class_name.removesuffix("Fast")} & set(vars(transformers)["__all__"]):
            raise PluginError(f"{path}: neither an installed plugin nor transformers has a {class_name!r}")
    return owner


def _public_processor(public: PublicWeights, folder: Path) -> Any:
    """The family's processor, set as the publisher of the weights prepared pictures."""
    processor_class = public.family.processor_class()
    if processor_class is None or public.processor is None:
        raise SnapshotError(f"{folder / CONFIG}: does not tell how inputs are prepared for the network")
    return processor_class.from_dict(dict(public.processor))


def _transformers_processor(folder: Path, class_name: str) -> Any:
    """A processor of transformers' own. Images go through its Pillow variant, with torchvision or without."""
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if "FeatureExtractor" in class_name:
        from transformers import AutoFeatureExtractor

        return AutoFeatureExtractor.from_pretrained(folder, **options)
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(folder, backend="pil", **options)


def _read_other(folder: Path, model_type: str) -> Any:
    """A tokenizer, or a processor put together from several."""
    names = [name for name in _OTHERS if (folder / name).is_file()]
    if not names:
        raise SnapshotError(f"{folder} has no processor: neither {PREPROCESSOR} nor {' nor '.join(_OTHERS)}")
    from transformers import AutoProcessor, AutoTokenizer

    from .auto_classes import register_family

    if family := registry().family_of_model_type(model_type):
        register_family(family)
    for owner in _owners_of_parts(folder, model_type):
        register_family(owner)
    auto_class = AutoProcessor if _OTHERS[0] in names else AutoTokenizer
    try:
        return auto_class.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # tokenizers raises plain Exception
        raise SnapshotError(f"{folder / names[-1]}: cannot be read: {one_line(error)}") from error


def _owners_of_parts(folder: Path, model_type: str) -> list[RegisteredFamily]:
    """The families whose image processors or feature extractors stand in a processor put together from several."""
    path = folder / _OTHERS[0]
    if not path.is_file():
        return []
    values = read_json(path)
    check_values(values, path)
    named = [part.get(key) for part in values.values() if isinstance(part, dict) for key in _TYPES]
    owners = [_owner(class_name, model_type, path) for class_name in named if isinstance(class_name, str)]
    return [owner for owner in owners if owner is not None]
