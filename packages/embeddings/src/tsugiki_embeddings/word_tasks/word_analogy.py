"""The task of word analogies: a is to b as c is to which word?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize
from tsugiki.answers import Answers
from tsugiki.columns import read_column
from tsugiki.errors import DataError
from tsugiki.inputs import TEXTS, InputKind
from tsugiki.metrics import Metric, share_metric
from tsugiki.predictions import Predictions
from tsugiki.task import CountedTask, Picture
from tsugiki.tensor_table import Batch, TensorTable

from ..words.word_tokenizer import SPECIAL
from .word_tasks import Vocabulary, WordTask

if TYPE_CHECKING:
    from datasets import Dataset

FREQUENT = 30_000  # words that are asked about and answered with, as word2vec's demo script has it
NOT_COUNTED = -1  # the label of a question with a word outside of them


class Questions:
    """The transform of a table of analogies: a batch without the categories, which the model does not take.

    Args:
        categories: Names of the kinds of questions, by number.
    """

    def __init__(self, categories: Sequence[str]) -> None:
        self.categories = list(categories)

    def __call__(self, batch: Batch) -> Batch:
        """The batch without `category`."""
        return {name: value for name, value in batch.items() if name != "category"}


class WordAnalogy(CountedTask, WordTask):
    """Complete analogies by 3CosAdd; scored by accuracy, as word2vec's ``compute-accuracy`` does (Mikolov et al. 2013).

    Columns have the roles `word1` to `word4` (word1 is to word2 as word3 is to word4, which is asked for) and, if there
    is one, `category`. Case is ignored. Questions and answers are among the 30,000 most frequent words of the
    vocabulary; the three given words are no answers. Questions with another word are left out of `accuracy`, and
    `analogy_coverage` is the share of the others.
    """

    name: ClassVar[str] = "word-analogy"
    inputs: ClassVar[InputKind] = TEXTS
    main_metric: ClassVar[str] = "analogy_accuracy"
    word_roles: ClassVar[tuple[str, ...]] = ("word1", "word2", "word3", "word4")
    asked_roles: ClassVar[tuple[str, ...]] = ("word1", "word2", "word3")
    other_roles: ClassVar[Mapping[str, bool]] = {"category": False}

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Look up every word once.

        Returns:
            `input_ids` int64 (N, 3), the given words; `labels` int64 (N,), the answer, or -1 where one of the four
            words is not among the frequent ones; `category` int64 (N,), which batches leave out.

        Raises:
            DataError: A word is missing.
        """
        vocabulary = Vocabulary(processor, most=FREQUENT)
        words = np.stack([vocabulary.numbers(spelled) for spelled in self.read_words(dataset, columns)], axis=1)
        answers = np.where((words >= SPECIAL).all(axis=1), words[:, 3], NOT_COUNTED)
        names, categories = _read_categories(dataset, columns.get("category"))
        return TensorTable(
            {
                "input_ids": torch.from_numpy(words[:, :3].copy()),
                "labels": torch.from_numpy(answers),
                "category": torch.from_numpy(categories),
            },
            transform=Questions(names),
        )

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The number of the answer to each question (B, 1); NaN where a given word is not among the frequent ones."""
        given = batch["input_ids"] - SPECIAL  # (B, 3), below 0 where unknown
        words = model.get_input_embeddings().weight[SPECIAL : SPECIAL + FREQUENT]  # (R, D)
        unit = normalize(words.float(), dim=1)
        first, second, third = unit[given.clamp(min=0)].unbind(1)  # (B, D) each
        cosines = (second - first + third) @ unit.T  # (B, R), each row times the length of its target
        answers = cosines.scatter(1, given.clamp(min=0), -torch.inf).argmax(1)
        return torch.where((given >= 0).all(1), (answers + SPECIAL).float(), torch.nan)[:, None]

    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Which questions are answered right (N,); those that are not counted are not."""
        return (predictions.labels != NOT_COUNTED) & (predictions.outputs[:, 0] == predictions.labels)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`analogy_accuracy` on the questions whose words are all known, and `analogy_coverage`, their share.

        Raises:
            DataError: No question is.
        """
        counted = predictions.labels != NOT_COUNTED
        if not counted.any():
            raise DataError(f"none of the {len(counted)} questions has all of its words in the vocabulary")
        return {
            "analogy_accuracy": share_metric(self.correct(predictions)[counted]),
            "analogy_coverage": share_metric(counted),
        }

    def figures(self, predictions: Predictions, table: TensorTable, folder: Path) -> list[Picture]:
        """Draw the accuracy of each category."""
        from .word_task_pictures import draw_categories

        names = table.transform.categories if isinstance(table.transform, Questions) else []
        return [
            draw_categories(
                names,
                table.columns["category"].cpu().numpy(),
                predictions.labels != NOT_COUNTED,
                self.correct(predictions),
                folder,
            )
        ]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Complete analogies.

        Args:
            inputs: Three words each, as a list or in one string: ``"man woman king"`` asks man : woman = king : ?.

        Returns:
            For each question its best answers as ``{"label": word, "score": cosine}``, best first.

        Raises:
            DataError: A word is unknown, or an input is not three words.
        """
        from ..vectors.word_vectors import WordVectors

        vectors = WordVectors.from_model(model, processor)
        questions = [[vectors.spelling(word) for word in _three_words(asked)] for asked in inputs]
        first, second, third = (list(words) for words in zip(*questions, strict=True))
        answers = vectors.analogy(first, second, third, vocabulary=FREQUENT, top_k=top_k)
        return [[{"label": word, "score": score} for word, score in found] for found in answers]


def _three_words(asked: Any) -> list[str]:
    words = asked.split() if isinstance(asked, str) else asked
    if not isinstance(words, list | tuple) or len(words) != 3 or not all(isinstance(word, str) for word in words):
        raise DataError(f"an analogy is asked with three words, such as 'man woman king', not {asked!r}")
    return list(words)


def _read_categories(dataset: Dataset, column: str | None) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the categories and the number of each row's (N,); one nameless category where there are none."""
    if column is None:
        return ["all questions"], np.zeros(len(dataset), np.int64)
    values = read_column(dataset, column)
    names = getattr(dataset.features[column], "names", None)
    if names:
        return list(names), np.asarray(values, np.int64)
    found, numbers = np.unique(np.asarray([str(value) for value in values]), return_inverse=True)
    return found.tolist(), numbers.astype(np.int64)
