"""Tables of dialogues: a row is one dialogue, whatever the model reads of it.

All utterances lie in one stream of tokens, each with its end token. From the same rows come batches of whole dialogues
for hierarchical models, and batches of single responses with the last few utterances before each as one text, for flat
encoder-decoders. Both ask for the same tokens: those of every utterance but a dialogue's first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from tsugiki.columns import check_rows, read_column
from tsugiki.errors import DataError
from tsugiki.tensor_table import Batch, TensorTable
from tsugiki.text_table import PaddedTexts

from ..texts.sentence_pairs import IGNORED, encode
from ..texts.tokenizer_training import Kind, learn_tokenizer

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

ROLE = "dialog"
USUAL_COLUMNS = ("dialog", "dialogue", "utterances")  # of columns that are taken without being named
FIRST, COUNT = "first", "count"
SEPARATOR = "||"  # between the utterances of a dialogue that is written as one text
MAX_UTTERANCE = 64  # tokens, the end token included; longer utterances lose their end


def column_dialogues(dataset: Dataset, column: str) -> list[list[str]]:
    """The dialogues of a column.

    Raises:
        DataError: There are no rows, an utterance is missing, or a row has fewer than two: nothing would be answered.
    """
    check_rows(dataset)
    dialogues = [row or [] for row in read_column(dataset, column)]
    for number, dialogue in enumerate(dialogues):
        if None in dialogue:
            raise DataError(f"row {number} of column {column!r} has a missing utterance; remove it or fill it")
        if len(dialogue) < 2:
            many = "one utterance" if dialogue else "no utterance"
            raise DataError(f"row {number} of column {column!r} has {many}; a dialogue needs at least two")
    return dialogues


def train_dialogue_tokenizer(
    dataset: Dataset,
    columns: Mapping[str, str],
    *,
    kind: Kind = "bpe",
    vocab_size: int = 6000,
    min_count: int = 1,
    lowercase: bool = False,
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer from all utterances.

    Args:
        dataset: The training rows.
        columns: Column by role, as the task finds them.
        kind: As `learn_tokenizer` takes it, as the next three.
        vocab_size: Tokens at most.
        min_count: Rarer words or characters become ``<unk>``.
        lowercase: Whether case is ignored.

    Raises:
        OptionError: An option is out of range.
        DataError: A dialogue is too short, or there is no text.
    """
    texts = (text for dialogue in column_dialogues(dataset, columns[ROLE]) for text in dialogue)
    return learn_tokenizer(texts, kind=kind, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase)


class DialogueStream:
    """The utterances of some dialogues, one behind the other.

    Args:
        utterances: The tokens of each, its end token included.
        pad_token_id: What fills shorter ones of a batch up.
    """

    def __init__(self, utterances: Sequence[Sequence[int]], pad_token_id: int) -> None:
        lengths = np.fromiter(map(len, utterances), np.int64, len(utterances))
        self.starts = torch.from_numpy(np.concatenate([np.zeros(1, np.int64), lengths.cumsum()]))  # (utterances + 1,)
        flat = (token for utterance in utterances for token in utterance)
        tokens = torch.from_numpy(np.fromiter(flat, np.int32, int(lengths.sum())))
        self.texts = PaddedTexts(tokens, pad_token_id)
        self.targets = PaddedTexts(tokens, IGNORED)

    def span(self, first: Tensor, last: Tensor) -> Batch:
        """Where the utterances from `first` to before `last` (N,) stand in the stream, as `PaddedTexts` takes it."""
        if self.starts.device != first.device:
            self.starts = self.starts.to(first.device)
        return {"start": self.starts[first], "length": self.starts[last] - self.starts[first]}


class WholeDialogues:
    """Batches of whole dialogues; the transform of a table for hierarchical models.

    Args:
        stream: Of the utterances.
    """

    def __init__(self, stream: DialogueStream) -> None:
        self.stream = stream

    def __call__(self, batch: Batch) -> Batch:
        """``input_ids``, ``attention_mask`` and ``labels`` (B, U, L); labels -100 at first utterances and padding."""
        first, count = batch[FIRST], batch[COUNT]
        turn = torch.arange(int(count.max()), device=count.device)  # (U,)
        spoken = turn < count[:, None]  # (B, U)
        number = torch.where(spoken, first[:, None] + turn, 0).flatten()
        padded = self.stream.texts(self.stream.span(number, number + spoken.flatten().long()))
        ids, mask = (padded[name].unflatten(0, spoken.shape) for name in ("input_ids", "attention_mask"))
        asked = mask.bool() & (turn > 0)[:, None]
        return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(~asked, IGNORED)}


class FlatResponses:
    """Batches of the responses of some dialogues, the utterances before each as one text.

    A batch of B dialogues has as many rows as they have responses, in order; see `dialogue_of`.

    Args:
        stream: Of the utterances.
        context: How many utterances a response sees at most.
    """

    def __init__(self, stream: DialogueStream, context: int) -> None:
        self.stream = stream
        self.context = context

    def __call__(self, batch: Batch) -> Batch:
        """``input_ids`` and ``attention_mask`` (R, S), ``labels`` (R, T), -100 behind a response's end."""
        first, count = batch[FIRST], batch[COUNT]
        dialogue = self.dialogue_of(count)
        beginning = (count - 1).cumsum(0) - (count - 1)  # responses of the dialogues before
        turn = torch.arange(len(dialogue), device=count.device) - beginning[dialogue] + 1
        number = first[dialogue] + turn
        seen = turn.clamp(max=self.context)
        labels = self.stream.targets(self.stream.span(number, number + 1))
        return {**self.stream.texts(self.stream.span(number - seen, number)), "labels": labels["input_ids"]}

    @staticmethod
    def dialogue_of(count: Tensor) -> Tensor:
        """Which of the dialogues with so many utterances (B,) each response (R,) belongs to."""
        return torch.arange(len(count), device=count.device).repeat_interleave(count - 1)


def dialogue_table(
    dialogues: Sequence[Sequence[str]], tokenizer: Any, *, flat_context: int | None = None
) -> TensorTable:
    """A table of dialogues.

    Args:
        dialogues: Utterances of each, at least two.
        tokenizer: Of the model.
        flat_context: None for batches as `WholeDialogues` makes them; a number for those of `FlatResponses`.
    """
    utterances = encode(tokenizer, [text for dialogue in dialogues for text in dialogue], MAX_UTTERANCE)
    stream = DialogueStream(utterances, tokenizer.pad_token_id)
    count = torch.tensor([len(dialogue) for dialogue in dialogues])
    columns = {FIRST: count.cumsum(0) - count, COUNT: count}
    transform = WholeDialogues(stream) if flat_context is None else FlatResponses(stream, flat_context)
    return TensorTable(columns, transform=transform)


def split_dialogue(dialogue: Any) -> list[str]:
    """The utterances of a dialogue that is to be answered.

    Args:
        dialogue: A list of texts, or one text with ``||`` between its utterances.

    Raises:
        DataError: It is neither, or an utterance is empty.
    """
    parts = dialogue.split(SEPARATOR) if isinstance(dialogue, str) else dialogue
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise DataError(
            f"a dialogue is one text with {SEPARATOR} between its utterances, or, among several dialogues, a list of "
            f"its utterances, not {dialogue!r}"
        )
    utterances = [part.strip() for part in parts]
    if not utterances or not all(utterances):
        raise DataError(f"an empty utterance cannot be answered; the dialogue was {dialogue!r}")
    return utterances


def encode_dialogues(dialogues: Sequence[Sequence[str]], tokenizer: Any) -> Batch:
    """Dialogues to answer, as ``input_ids`` and ``attention_mask`` (B, U, L)."""
    stream = DialogueStream(
        encode(tokenizer, [text for dialogue in dialogues for text in dialogue], MAX_UTTERANCE), tokenizer.pad_token_id
    )
    count = torch.tensor([len(dialogue) for dialogue in dialogues])
    batch = WholeDialogues(stream)({FIRST: count.cumsum(0) - count, COUNT: count})
    batch.pop("labels")
    return batch
