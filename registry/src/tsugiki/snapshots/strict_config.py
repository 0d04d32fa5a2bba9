"""A snapshot's ``config.json`` with nothing taken on trust: sizes, types and names are checked before a class acts.

transformers alone makes a list for any number of labels or layers, keeps values of a wrong type, follows ``auto_map``.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import OptionError, SnapshotError, did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

DTYPES = ("float32", "float16", "bfloat16", "float64")

LABEL_FIELDS = frozenset({"num_labels", "id2label", "label2id"})

MAX_JSON_BYTES = 8_000_000  # the label list of ImageNet-21k takes one million
MAX_NUMBER = 10**7  # sizes, vocabularies, context lengths, rotary bases
MAX_LABELS = 10**6  # transformers makes a name for each before any weight is looked at
MAX_LAYERS = 10_000
MAX_LIST = 100_000
MAX_DEPTH = 50
MAX_PIXELS = 2**14  # a side, of what a processor resizes pictures to

# What would run code, read files other than ours, or set internals of transformers.
_IGNORED_FIELDS = {
    "attn_implementation",
    "auto_map",
    "configuration_files",
    "custom_pipelines",
    "experts_implementation",
    "transformers_weights",
}
_LAYER_FIELD = re.compile(r"(?:\w*_)?(?:layers|depths?)\Z")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a snapshot.

    Raises:
        SnapshotError: The file is missing, too large, or no JSON object.
    """
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            fail(path, f"{size} bytes are too many for a JSON file of a snapshot (at most {MAX_JSON_BYTES})")
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise SnapshotError(f"{path} is missing") from error
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"{path}: not JSON: {one_line(error)}") from error
    except OSError as error:
        raise SnapshotError(f"{path}: cannot be read: {one_line(error)}") from error
    if not isinstance(values, dict):
        fail(path, f"a JSON object was expected, not {type(values).__name__}")
    return values


def check_config(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Check what a snapshot's ``config.json`` holds without importing its classes.

    Fields that name code or other files (``auto_map`` and the like) are left out; sizes must be finite and in range.

    Args:
        values: The file's content.
        path: The file.

    Returns:
        The config's fields, with a ``model_type``.

    Raises:
        SnapshotError: A field is out of range, or the file is not what it should be.
    """
    check_values(values, path)
    values = without_ignored_fields(values)
    if not isinstance(values.get("model_type"), str) or not values["model_type"]:
        fail(path, "names no model_type")
    for key in ("dtype", "torch_dtype"):
        if values.get(key) is not None and values[key] not in DTYPES:
            fail(path, f"{key} = {values[key]!r} is none of {', '.join(DTYPES)}")
    return values


def check_values(value: Any, path: Path, field: str = "", depth: int = 0) -> None:
    """Refuse numbers that are not finite or absurdly large, and endless lists, anywhere in parsed JSON.

    Args:
        value: What was parsed.
        path: The file it comes from.
        field: Where in the file it stands.
        depth: In how many objects and lists it lies.

    Raises:
        SnapshotError: Naming the file and the field.
    """
    if depth > MAX_DEPTH:
        fail(path, f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        for key, item in value.items():
            check_values(item, path, f"{field}.{key}" if field else key, depth + 1)
    elif isinstance(value, list):
        if len(value) > MAX_LIST:
            fail(path, f"{field} has {len(value)} entries, at most {MAX_LIST} are read")
        for item in value:
            check_values(item, path, field, depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        largest = _largest(field.rpartition(".")[2])
        if not abs(value) <= largest:  # NaN too is out of any range
            fail(path, f"{field} = {str(value)[:20]} is out of range (at most {largest})")


def _largest(name: str) -> int:
    if name == "num_labels":
        return MAX_LABELS
    if name in ("height", "width", "shortest_edge", "longest_edge"):
        return MAX_PIXELS
    return MAX_LAYERS if _LAYER_FIELD.match(name) else MAX_NUMBER


def without_ignored_fields(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a parsed JSON file, nested ones too, less those that name code or other files."""
    return {
        key: without_ignored_fields(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if key not in _IGNORED_FIELDS and not key.startswith("_")
    }


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def config_fields(config_class: type[PreTrainedConfig]) -> set[str]:
    """The options a config class takes, by their own names."""
    fields = {field.name for field in dataclasses.fields(config_class) if not field.name.startswith("_")}
    fields |= {"num_labels", *config_class.attribute_map}
    if hasattr(config_class, "set_output_features_output_indices"):
        fields |= {"out_features", "out_indices"}
    return fields - {"architectures", "transformers_version", "dtype"}


def build_config(config_class: type[PreTrainedConfig], values: Mapping[str, Any], path: Path) -> PreTrainedConfig:
    """Make the config object of a snapshot from the checked fields of its file.

    Args:
        config_class: Its class; one that is `@strict` checks the types and values of its fields.
        values: What `check_config` returned.
        path: The file they come from.

    Raises:
        SnapshotError: A field has a wrong type or value.
    """
    fields = {field.name for field in dataclasses.fields(config_class)}
    for key in values:
        if key not in fields and callable(getattr(config_class, key, None)):
            fail(path, f"{key!r} is no field of a {config_class.__name__}")
    try:
        config = config_class(**{key: value for key, value in values.items() if key != "model_type"})
    except Exception as error:  # validators are the family's own code and raise what they like
        raise SnapshotError(f"{path}: {cause_line(error)}") from error
    labels = config.id2label
    if labels is not None and set(labels) != set(range(len(labels))):
        fail(path, f"id2label must number its {len(labels)} labels from 0 to {len(labels) - 1}")
    return config


def override_config(
    config_class: type[PreTrainedConfig], values: Mapping[str, Any], overrides: Mapping[str, Any]
) -> PreTrainedConfig:
    """Make a config object with fields given by the caller, all of them validated together.

    Args:
        config_class: The class.
        values: Fields to start from.
        overrides: Fields to set; a new set of labels or of backbone outputs replaces the old one whole.

    Raises:
        OptionError: A field is unknown, or has a wrong type or value.
    """
    fields = config_fields(config_class)
    for key in overrides:
        if key not in fields:
            raise OptionError(f"{config_class.__name__} has no option {key!r}.{did_you_mean(key, fields)}")
    merged = {key: value for key, value in values.items() if key != "model_type"}
    for group in (LABEL_FIELDS, {"out_features", "out_indices"}):
        if group & overrides.keys():
            merged = {key: value for key, value in merged.items() if key not in group}
    merged |= overrides
    try:
        return config_class(**merged | label_fields(merged))
    except Exception as error:  # validators are the family's own code and raise what they like
        raise OptionError(f"{config_class.__name__} with {', '.join(overrides)}: {cause_line(error)}") from error


def label_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields ``id2label`` and ``label2id`` of a config, both from whichever is there.

    Args:
        values: Fields of the config; ``id2label`` may be a list of names.

    Returns:
        Both, or none where neither has a label.

    Raises:
        ValueError: They are not numbered from 0 on, contradict each other, or number others than ``num_labels``.
    """
    given, inverse = values.get("id2label") or {}, values.get("label2id") or {}
    if isinstance(given, list | tuple):
        given = dict(enumerate(given))
    if not isinstance(given, Mapping) or not isinstance(inverse, Mapping):
        raise ValueError("id2label must be names by number, or a list of names, and label2id numbers by name")
    if not given and not inverse:
        return {}
    try:
        names = {int(number): name for number, name in given.items()}
        numbered = {int(number): name for name, number in inverse.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"id2label and label2id must number their labels: {one_line(error)}") from None
    if names and numbered and names != numbered:
        raise ValueError("id2label and label2id contradict each other")
    names = dict(sorted((names or numbered).items()))
    if list(names) != list(range(max(len(given), len(inverse)))):
        raise ValueError(f"labels must be numbered from 0 to {len(names) - 1}, not {', '.join(map(str, names))}")
    count = values.get("num_labels", len(names))
    if count != len(names):
        raise ValueError(f"num_labels = {count} contradicts the {len(names)} names of the labels")
    if len(set(names.values())) != len(names):
        raise ValueError("two labels have one name")
    return {"id2label": names, "label2id": {name: number for number, name in names.items()}}


def fail(path: Path, problem: str) -> NoReturn:
    """Raise the one error of a file."""
    raise SnapshotError(f"{path}: {problem}")


def one_line(error: BaseException) -> str:
    """The error's message, or its name where it has none, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def cause_line(error: BaseException) -> str:
    """The reason inside of the wrappers that `@strict` puts around it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)
