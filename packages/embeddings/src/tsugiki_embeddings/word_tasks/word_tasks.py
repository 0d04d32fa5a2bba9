"""What the tasks on single words share: they look words up in a tokenizer's vocabulary and have no classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from tsugiki.columns import (
    check_roles,
    check_rows,
    is_text,
    kind_of,
    named_column,
    read_column,
    refuse_missing,
    refuse_shared_columns,
)
from tsugiki.errors import DataError
from tsugiki.task import Task
from tsugiki.tasks.text_classification import tokenizer_fields

from ..words.spelling import plain_word
from ..words.word_tokenizer import SPECIAL, UNKNOWN, word_list

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast


class WordTask(Task):
    """A question about words, each in a column of its own.

    Attributes:
        word_roles: Roles of the columns that hold words.
        asked_roles: Those of the words that a row asks about.
        other_roles: Roles of further columns, and whether the task needs them.
    """

    pipeline_tag: ClassVar[str | None] = "feature-extraction"
    word_roles: ClassVar[tuple[str, ...]]
    asked_roles: ClassVar[tuple[str, ...]]
    other_roles: ClassVar[Mapping[str, bool]] = {}

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Find the columns by their names, which are those of the roles; see `Task.columns`."""
        given = given or {}
        roles = (*self.word_roles, *self.other_roles)
        check_roles(given, roles, task=self.name)
        found = {role: given.get(role, role) for role in roles}
        for role, column in list(found.items()):
            if column in dataset.features:
                continue
            if role in given or role in self.word_roles or self.other_roles[role]:
                raise DataError(
                    f"the data has no column {column!r}, which {self.name} reads as its {role}; it has "
                    f"{', '.join(dataset.features)}"
                )
            del found[role]
        for role in self.word_roles:
            if not is_text(feature := dataset.features[found[role]]):
                raise DataError(f"column {found[role]!r} holds {kind_of(feature)}, not words")
        refuse_shared_columns(found)
        return found

    def table_inputs(self, dataset: Dataset, columns: Mapping[str, str] | None = None) -> list[Any]:
        """The words of each row that are asked about, or, where no such column is there, its text."""
        given = dict(columns or {})
        if not any(role in given or role in dataset.features for role in self.asked_roles):
            return super().table_inputs(dataset, columns)
        check_roles(given, (*self.word_roles, *self.other_roles), task=self.name)
        words = [read_column(dataset, named_column(dataset, given.get(role, role))) for role in self.asked_roles]
        return [list(row) if all(row) else None for row in zip(*words, strict=True)]

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """`vocab_size` and `pad_token_id`."""
        return tokenizer_fields(processor)

    def read_words(self, dataset: Dataset, columns: Mapping[str, str]) -> list[list[str]]:
        """The words of each role, one list a role.

        Raises:
            DataError: There are no rows, or a word is missing.
        """
        check_rows(dataset)
        found = []
        for role in self.word_roles:
            words = read_column(dataset, columns[role])
            refuse_missing([row for row, word in enumerate(words) if not word], len(words), "word", columns[role])
            found.append(words)
        return found


class Vocabulary:
    """Finds words in the vocabulary of a tokenizer, whatever their case.

    Of words that differ in case alone the first, and so the commonest, is found, as in word2vec's ``compute-accuracy``.

    Args:
        tokenizer: A word-level tokenizer.
        most: Know only the first so many words.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, most: int | None = None) -> None:
        words = word_list(tokenizer)[SPECIAL:]
        self._numbers: dict[str, int] = {}
        for number, word in enumerate(words[:most], start=SPECIAL):
            self._numbers.setdefault(plain_word(word).lower(), number)

    def numbers(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Numbers of words (N,); `UNKNOWN` for those that are not there."""
        plain = (plain_word(word).lower() for word in words)
        return np.fromiter((self._numbers.get(word, UNKNOWN) for word in plain), np.int64, len(words))
