"""Inputs that cannot be answered: each is named, and the others are answered all the same."""

from __future__ import annotations

import pytest
from tsugiki.answers import answered, error_of
from tsugiki.errors import DataError


@pytest.mark.parametrize("bad", [(), (0,), (4,), (1, 2), (0, 1, 2, 3, 4)])
def test_what_cannot_be_answered_loses_no_other_answer(bad):
    calls = []

    def answer(inputs):
        calls.append(list(inputs))
        if refused := [one for one in inputs if one in bad]:
            raise DataError(f"{refused[0]} is bad")
        return [[{"label": str(one), "score": 1.0}] for one in inputs]

    found = answered(range(5), answer)
    assert [error_of(one) for one in found] == [f"{one} is bad" if one in bad else None for one in range(5)]
    assert [one[0].get("label") for one in found] == [None if one in bad else str(one) for one in range(5)]
    assert not bad or calls[0] == [0, 1, 2, 3, 4]


def test_no_input_asks_nothing_and_no_answer_is_no_error():
    assert answered([], lambda inputs: pytest.fail("asked")) == []
    assert error_of([]) is None


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        answered([1], lambda inputs: [1 // 0])
