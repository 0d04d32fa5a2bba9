"""Augmentations as recipes and options name them: the core's by their fields, those of plugins by their kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .augmentation import Augmentation, AugmentationFields
from .errors import OptionError, UnknownNameError
from .registry import registry
from .waveform_augmentation import WaveformAugmentation

KIND = "kind"


def read_augmentation(values: Mapping[str, Any] | None) -> AugmentationFields | None:
    """Read a mapping such as a recipe's: a plugin's by its ``kind``, else the core's of pictures or of waveforms, which
    are told apart by their fields.

    Raises:
        OptionError: No installed plugin has the kind, or a field is unknown or out of range.
        AmbiguousNameError: Two plugins have the kind, and it is not written ``plugin:kind``.
    """
    if values and KIND in values:
        try:
            kind = registry().augmentation_class(str(values[KIND]))
        except UnknownNameError as error:
            raise OptionError(f"augmentation: {error}") from error
        return kind.from_dict({name: value for name, value in values.items() if name != KIND}) or kind()
    waveform_fields = {item.name for item in fields(WaveformAugmentation)}
    if values and waveform_fields & set(values):
        return WaveformAugmentation.from_dict(values)
    return Augmentation.from_dict(values)
