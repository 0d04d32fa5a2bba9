"""Plain data, as JSON and YAML give it, into dataclasses and back; what is missing, unknown or wrong is named.

The types are those of the fields' annotations: text, numbers, lists, dictionaries with text as keys, other dataclasses,
`Literal`, and alternatives of these.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Mapping
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import TsugikiError, did_you_mean

Record = TypeVar("Record")
_CALLED = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}
_SHOWN = 40  # characters of a wrong value


def read_record(record: type[Record], values: Any, where: str, error: type[TsugikiError], *, field: str = "") -> Record:
    """Check plain data against a dataclass and make one of it.

    Args:
        record: The dataclass. A field with a default may be left out, or be null.
        values: Plain data.
        where: The file it comes from, for messages.
        error: What to raise.
        field: The field of the file that `values` stands in; empty for the whole.

    Raises:
        error: A field is missing, unknown or of the wrong type; names it.
    """
    place = f"{where}: {field}" if field else where
    if not isinstance(values, Mapping):
        raise error(f"{place} must be a mapping, not {type(values).__name__}")
    kinds = _kinds(record)  # type: ignore[arg-type]
    for name in values:
        if name not in kinds:
            raise error(f"{place}: unknown field {name!r}.{did_you_mean(str(name), kinds)}")
    given: dict[str, Any] = {}
    for item in dataclasses.fields(record):  # type: ignore[arg-type]
        value = values.get(item.name)
        if value is None and not _has_default(item):
            if item.name not in values or type(None) not in get_args(kinds[item.name]):
                raise error(f"{place}: the field {item.name!r} is missing")
            given[item.name] = None
        elif value is not None:
            inner = f"{field}.{item.name}" if field else item.name
            given[item.name] = _read(kinds[item.name], value, where, error, inner)
    return record(**given)


def plain(value: Any) -> Any:
    """Plain data of dataclasses, also in lists and dictionaries, for JSON; fields at their default are left out."""
    if dataclasses.is_dataclass(value):
        items = [(item, getattr(value, item.name)) for item in dataclasses.fields(value)]
        return {item.name: plain(one) for item, one in items if not (_has_default(item) and one == _default(item))}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


@functools.cache
def _kinds(record: type) -> dict[str, Any]:
    return get_type_hints(record)


def _has_default(item: dataclasses.Field[Any]) -> bool:
    return item.default is not dataclasses.MISSING or item.default_factory is not dataclasses.MISSING


def _default(item: dataclasses.Field[Any]) -> Any:
    return item.default if item.default_factory is dataclasses.MISSING else item.default_factory()


def _read(kind: Any, value: Any, where: str, error: type[TsugikiError], field: str) -> Any:
    """A value of the type that an annotation names."""

    def refuse(expected: str) -> NoReturn:
        shown = repr(value)
        raise error(f"{where}: {field} must be {expected}, not {shown[:_SHOWN]}{'…' if len(shown) > _SHOWN else ''}")

    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        kinds = [one for one in inner if one is not type(None)]
        if len(kinds) == 1:
            return _read(kinds[0], value, where, error, field)
        return value if any(_is(value, one) for one in kinds) else refuse(" or ".join(_CALLED[one] for one in kinds))
    if origin is Literal:
        return value if value in inner else refuse(f"one of {', '.join(map(str, inner))}")
    if dataclasses.is_dataclass(kind):
        return read_record(kind, value, where, error, field=field)  # type: ignore[arg-type]
    basic = origin or kind
    if kind is not Any and not _is(value, basic):
        refuse(_CALLED[basic])
    if basic is list and inner:
        return [_read(inner[0], item, where, error, f"{field}[{n}]") for n, item in enumerate(value)]
    if basic is dict and inner:
        return {key: _read(inner[1], item, where, error, f"{field}.{key}") for key, item in value.items()}
    return value


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)
