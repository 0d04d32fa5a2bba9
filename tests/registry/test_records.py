"""Plain data into dataclasses and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from tsugiki.errors import RecipeError
from tsugiki.records import plain, read_record


@dataclass(frozen=True)
class Inner:
    size: int
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Outer:
    kind: Literal["a", "b"]
    note: str | None
    share: float | str = 0.5
    by_name: dict[str, Inner] = field(default_factory=dict)
    flag: bool = False
    anything: Any = None


def read(values: Any) -> Outer:
    return read_record(Outer, values, "file.yaml", RecipeError)


def test_what_is_read_is_written_again_without_what_has_its_default():
    values = {"kind": "a", "note": None, "by_name": {"x": {"size": 3}, "y": {"size": 4, "names": ["q"]}}}
    found = read(values)
    assert found.by_name == {"x": Inner(3), "y": Inner(4, ["q"])}
    assert plain(found) == values
    assert plain({"all": [found]}) == {"all": [values]}


def test_null_stands_for_the_default_where_there_is_one():
    assert read({"kind": "b", "note": "n", "share": None, "by_name": None}) == Outer(kind="b", note="n")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"file\.yaml must be a mapping, not list"),
        ({"note": None}, r"file\.yaml: the field 'kind' is missing"),
        ({"kind": None, "note": None}, r"file\.yaml: the field 'kind' is missing"),
        ({"kind": "a"}, r"file\.yaml: the field 'note' is missing"),
        ({"kind": "c", "note": None}, r"file\.yaml: kind must be one of a, b, not 'c'"),
        ({"kind": "a", "note": None, "knid": 1}, r"unknown field 'knid'\. Did you mean 'kind'"),
        ({"kind": "a", "note": 1}, r"note must be text, not 1"),
        ({"kind": "a", "note": None, "share": []}, r"share must be a number or text, not \[\]"),
        ({"kind": "a", "note": None, "flag": 1}, r"flag must be true or false, not 1"),
        ({"kind": "a", "note": None, "by_name": []}, r"by_name must be a mapping, not \[\]"),
        ({"kind": "a", "note": None, "by_name": {"x": {}}}, r"file\.yaml: by_name\.x: the field 'size' is missing"),
        ({"kind": "a", "note": None, "by_name": {"x": {"size": 1.0}}}, r"by_name\.x\.size must be a whole number"),
        ({"kind": "a", "note": None, "by_name": {"x": {"size": 1, "names": "q"}}}, r"x\.names must be a list, not 'q'"),
        (
            {"kind": "a", "note": None, "by_name": {"x": {"size": 1, "names": [2]}}},
            r"x\.names\[0\] must be text, not 2",
        ),
        ({"kind": "a", "note": list(range(90))}, r"note must be text, not \[0, 1, 2, .*…$"),
    ],
)
def test_wrong_fields_are_named(values, message):
    with pytest.raises(RecipeError, match=message):
        read(values)
