"""What a trained model is to become for other data: the same, with a new head, or with rows for new words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GOES_ON = "the base's labels and vocabulary serve, and its training goes on."

Grow = Callable[["PreTrainedModel"], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """How a base model is changed before it learns from other data; a task says it in `tsugiki.task.Task.adapted`.

    Attributes:
        processor: The new model's; the base's own where it serves.
        label_names: The new model's labels, by number; none where the task has no labels.
        head_fields: Fields of the config that a new, fresh head follows from; empty where the old head stays.
        grow: Gives a copy of the base its rows for new words, in place, together with the fields of its config that
            follow from them, and returns the names of the parameters that hold new rows; these are trained at every
            depth. None where the vocabulary stays.
        why: What is new, one sentence for the report and the card.
    """

    processor: Any
    label_names: Sequence[str] = ()
    head_fields: Mapping[str, Any] = field(default_factory=dict)
    grow: Grow | None = None
    why: str = GOES_ON
