"""Answers to single inputs: what a model says of each, or why it can say nothing of that one.

One input that cannot be answered, a text without a word or a picture that does not decode, must not lose the answers to
all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .errors import DataError

# To one input: ``{"label", "score"}`` each, best first, or ``{"error": why}`` alone. An answer may say more, such as a
# ``box``, in values that JSON knows; bytes, such as a sound, are for `Task.show` and are not printed.
Answers = list[dict[str, Any]]
ERROR = "error"


def answered(inputs: Sequence[Any], answer: Callable[[Sequence[Any]], list[Answers]]) -> list[Answers]:
    """Answer inputs together, and where one of them cannot be answered, the others without it.

    Args:
        inputs: Any number.
        answer: Answers several; raises a DataError if one of them cannot be answered. It is called again with each
            half of the inputs then, until the one is found.
    """
    try:
        return answer(inputs) if len(inputs) else []
    except DataError as error:
        if len(inputs) == 1:
            return [[{ERROR: str(error)}]]
        half = len(inputs) // 2
        return answered(inputs[:half], answer) + answered(inputs[half:], answer)


def error_of(answers: Answers) -> str | None:
    """Why an input was not answered; None if it was."""
    return answers[0].get(ERROR) if answers else None
