"""The task of tagging: a label for every word, such as whether it is part of a person's name."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from tsugiki.answers import Answers
from tsugiki.columns import (
    TEXT_LIST_COLUMN,
    ColumnKind,
    Role,
    is_list_of_texts,
    item_of,
    read_column,
)
from tsugiki.errors import DataError, did_you_mean
from tsugiki.labelled_task import LabelledTask
from tsugiki.metrics import Metric, share_metric
from tsugiki.predictions import Predictions
from tsugiki.progress import track
from tsugiki.tensor_table import TensorTable

from ..texts.text_task import TextTask
from .tagged_sentences import IGNORED, tagged_table

if TYPE_CHECKING:
    from datasets import Dataset

TOKENS, TAGS = "tokens", "tags"
OUTSIDE = "O"


def is_class(feature: Any) -> bool:
    """Whether a feature is a `ClassLabel`."""
    from datasets import ClassLabel

    return isinstance(feature, ClassLabel)


TAG_COLUMN = ColumnKind(
    "tags",
    "lists of ClassLabel or strings",
    "lists of ClassLabel or strings",
    lambda feature: is_list_of_texts(feature) or is_class(item_of(feature)),
)
ROLES = {
    TOKENS: Role(TEXT_LIST_COLUMN, ("tokens", "words")),
    TAGS: Role(TAG_COLUMN, ("tags", "ner_tags", "labels")),
}


class TokenClassification(LabelledTask, TextTask):
    """Tag every word; scored by `precision`, `recall` and `f1` of whole entities, as conlleval counts them (Tjong Kim
    Sang and De Meulder 2003), and by the `accuracy` of single tags.

    The roles are `tokens`, a column of lists of words, and `tags`, one of as long lists of `ClassLabel` or strings:
    ``O``, ``B-…`` for the first word of an entity and ``I-…`` for its other words.
    """

    name: ClassVar[str] = "token-classification"
    roles: ClassVar[Mapping[str, Role]] = ROLES
    main_metric: ClassVar[str] = "f1"
    refined_pipeline_class = "tsugiki_seq2seq.tagging.tagging_pipeline:TaggingPipeline"

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Names of the tags: those of a `ClassLabel` in its order, strings by the alphabet behind ``O``.

        Raises:
            DataError: One is neither ``O`` nor begins with ``B-`` or ``I-``.
        """
        feature = item_of(dataset.features[columns[TAGS]])
        if is_class(feature):
            names = list(feature.names)
        else:
            seen = {tag for row in read_column(dataset, columns[TAGS]) for tag in row or ()}
            names = [OUTSIDE, *sorted(seen - {OUTSIDE, None})]
        for name in names:
            split_tag(name)
        return names

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """The vocabulary's size and the number of padding."""
        return {"vocab_size": len(processor), "pad_token_id": processor.pad_token_id}

    def vocabulary_texts(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """The words of each row, a space between them; a row without words is refused with the rest of the table."""
        return [" ".join(word or "" for word in words or []) for words in read_column(dataset, columns[TOKENS])]

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Tokenise the sentences with a fast tokenizer.

        Returns:
            Batches of ``input_ids``, ``attention_mask`` and ``labels`` (B, L).

        Raises:
            DataError: A row has not as many tags as words, or a tag is unknown to the model.
        """
        own = self.label_names(dataset, columns)
        names = list(label_names)
        numbers = {name: number for number, name in enumerate(names)}
        sentences, tags = (read_column(dataset, columns[role]) for role in (TOKENS, TAGS))
        numbered = is_class(item_of(dataset.features[columns[TAGS]]))
        rows = []
        for row, (words, given) in enumerate(zip(sentences, tags, strict=True)):
            if words is None or given is None or len(words) != len(given):
                have = (len(words or ()), len(given or ()))
                raise DataError(f"row {row} has {have[0]} words and {have[1]} tags; every word needs one tag")
            if (
                place := next((n for n, word in enumerate(words) if word is None or given[n] is None), None)
            ) is not None:
                what = "word" if words[place] is None else "tag"
                raise DataError(f"row {row} has no {what} at place {place}; remove the row or fill it")
            called = [own[tag] if numbered and 0 <= tag < len(own) else tag for tag in given]
            if unknown := next((tag for tag in called if tag not in numbers), None):
                raise DataError(
                    f"row {row}: the tag {unknown!r} is unknown to the model, which knows {', '.join(names)}."
                    f"{did_you_mean(str(unknown), names)}"
                )
            rows.append([numbers[tag] for tag in called])
        return tagged_table(sentences, rows, processor)

    def predictions(self, model: Any, table: TensorTable, *, batch_size: int) -> Predictions:
        """Tag every row and count.

        Returns:
            As `outputs` float32 (N, 5): of each row the entities found right, found, and in the data, the words tagged
            right, and the words; no labels.
        """
        names = [model.config.id2label[number] for number in range(model.config.num_labels)]
        counts = []
        batches = table.batches(batch_size, device=model.device)
        for batch in track(batches, "evaluate", total=-(-len(table) // batch_size), unit="batch"):
            labels = batch.pop("labels").cpu()
            answers = model(**batch).logits.argmax(-1).cpu()  # (B, L)
            for answer, label in zip(answers, labels, strict=True):
                asked = label != IGNORED
                predicted = [names[number] for number in answer[asked].tolist()]
                right = [names[number] for number in label[asked].tolist()]
                counts.append(count_row(predicted, right))
        return Predictions(np.array(counts, np.float32))

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """F1 of each row's own entities (N,), 1 where there are none and none was found."""
        both, found, wanted = predictions.outputs.astype(np.float64).T[:3]
        return np.where(found + wanted > 0, 2 * both / np.maximum(found + wanted, 1), 1.0)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`f1`, `precision` and `recall` of entities over all rows, and the `accuracy` of tags, as fractions.

        The intervals are bootstrapped over rows. A share of nothing is 0, as in conlleval.
        """
        both, found, wanted, right, words = predictions.outputs.astype(np.float64).T
        return {
            "f1": share_metric(2 * both, found + wanted, seed=seed),
            "precision": share_metric(both, found, seed=seed),
            "recall": share_metric(both, wanted, seed=seed),
            "accuracy": share_metric(right, words, seed=seed),
        }

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """The entities of each text.

        Args:
            inputs: Texts, which may be empty, or lists of words, which are read with spaces between them.

        Returns:
            For each text its entities as ``{"label": the words, "score": mean probability of its tags, "entity": its
            kind, "start", "end": its place in characters}``, in the order of scores.
        """
        answers = []
        for text in inputs:
            running = " ".join(text) if isinstance(text, list | tuple) else str(text)
            found = sorted(find_entities(model, processor, running), key=lambda one: -one["score"])
            answers.append(found[:top_k])
        return answers


def find_entities(model: Any, tokenizer: Any, text: str) -> list[dict[str, Any]]:
    """The entities of a text in its order, as `TokenClassification.predict` gives them."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    if not ids:
        return []
    with torch.inference_mode():
        chances = model(input_ids=torch.tensor([ids], device=model.device)).logits[0].float().softmax(-1)  # (L, C)
    scores, numbers = chances.max(-1)
    tags = [model.config.id2label[number] for number in numbers.tolist()]
    found = []
    for kind, first, end in entities(tags):
        start, stop = offsets[first][0], end_of_letter(text, offsets[end - 1][1])
        score = float(scores[first:end].mean())
        found.append({"label": text[start:stop], "score": score, "entity": kind, "start": start, "end": stop})
    return found


def end_of_letter(text: str, end: int) -> int:
    """The end of a word with the marks over its last letter, which a tokenizer that composes letters leaves out."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end


def split_tag(tag: str) -> tuple[str, str]:
    """``B-PER`` to ``("B", "PER")``, and ``O`` to ``("O", "")``.

    Raises:
        DataError: It is neither.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, dash, kind = tag.partition("-")
    if prefix not in ("B", "I") or not dash or not kind:
        raise DataError(f"the tag {tag!r} is neither O nor begins with B- or I-; write tags in the BIO scheme")
    return prefix, kind


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """The entities of a tagged sentence as conlleval reads them.

    ``B-`` begins one always, ``I-`` where the tag before it is not of its kind.

    Returns:
        Kind, first word, and the word behind the last.
    """
    found: list[tuple[str, int, int]] = []
    begun: tuple[str, int] | None = None
    for place, (prefix, kind) in enumerate([*map(split_tag, tags), (OUTSIDE, "")]):
        goes_on = prefix == "I" and begun is not None and begun[0] == kind
        if begun is not None and not goes_on:
            found.append((begun[0], begun[1], place))
            begun = None
        if prefix != OUTSIDE and not goes_on:
            begun = (kind, place)
    return found


def count_row(predicted: Sequence[str], right: Sequence[str]) -> list[int]:
    """Entities found right, found, and wanted; tags right, and tags of a sentence."""
    found, wanted = set(entities(predicted)), set(entities(right))
    same = sum(one == other for one, other in zip(predicted, right, strict=True))
    return [len(found & wanted), len(found), len(wanted), same, len(right)]
