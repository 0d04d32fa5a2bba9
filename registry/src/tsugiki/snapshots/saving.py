"""Saving models and processors as parts of a snapshot, without the places on this machine that they came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..output import quiet_transformers, write_json
from ..public_record import public_value
from .strict_config import read_json

_ORIGINS = ("_name_or_path", "name_or_path")  # the folder that transformers loaded a part from
# What else save_pretrained writes, tokenizer.json and the like, holds words and numbers and no settings.
_SETTINGS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
)


def save_part(part: Any, folder: str | Path) -> None:
    """Write a model or a processor into a snapshot.

    Args:
        part: Anything with ``save_pretrained``.
        folder: The snapshot.
    """
    with quiet_transformers():
        part.save_pretrained(folder)
    for name in _SETTINGS:
        file = Path(folder) / name
        if file.is_file():
            values = read_json(file)
            if (public := public_value(_without_origins(values))) != values:
                write_json(file, public)


def _without_origins(value: Any) -> Any:
    """The same, and none of its parts says where it was loaded from."""
    if isinstance(value, dict):
        return {key: _without_origins(one) for key, one in value.items() if key not in _ORIGINS}
    return [_without_origins(one) for one in value] if isinstance(value, list) else value
