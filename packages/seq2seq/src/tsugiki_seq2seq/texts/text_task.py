"""What the tasks on texts share: columns by role, and the fields that a model takes from its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tsugiki.adaptation import Adaptation
from tsugiki.columns import (
    TEXT_COLUMN,
    TEXT_COLUMNS,
    Role,
    check_roles,
    find_column,
    named_column,
    read_column,
    read_texts,
)
from tsugiki.inputs import TEXTS, InputKind
from tsugiki.task import Task
from tsugiki.transfer.vocabulary import adapted_vocabulary

from .special_tokens import special_token_fields

if TYPE_CHECKING:
    from datasets import Dataset

LABEL = "label"  # the role whose column holds classes


class TextTask(Task):
    """A task whose inputs are texts and whose figures cost more than the loss that validation looks at."""

    inputs: ClassVar[InputKind] = TEXTS
    validates_by_loss: ClassVar[bool] = True

    def table_inputs(self, dataset: Dataset, columns: Mapping[str, str] | None = None) -> list[Any]:
        """The column of the task's first role, or of plain texts in its place."""
        role, needed = next(iter(self.roles.items()))
        check_roles(columns, self.roles, task=self.name)
        given = columns or {}
        taken = [named_column(dataset, column, parts=True) for other, column in given.items() if other != role]
        if role not in given and not needed.candidates(dataset, taken):
            needed = Role(TEXT_COLUMN, TEXT_COLUMNS)
        return read_column(dataset, find_column(dataset, role, needed, given, taken=taken))

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """The vocabulary's size and the special tokens' numbers."""
        return special_token_fields(processor)

    def adapted(self, base: Any, processor: Any, dataset: Dataset, columns: Mapping[str, str]) -> Adaptation:
        """Rows for new words, where the vocabulary does not serve the texts; see `Task.adapted`."""
        return adapted_vocabulary(processor, self.vocabulary_texts(dataset, columns))

    def vocabulary_texts(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """What the tokenizer gets of some rows: the columns of all roles that are texts."""
        read = dict.fromkeys(column for role, column in columns.items() if role != LABEL)
        return [text for column in read for text in read_texts(dataset, column)]
