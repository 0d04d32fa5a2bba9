"""The task of word similarity: how well the cosines of word vectors rank pairs of words as people do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import cosine_similarity
from tsugiki.answers import Answers
from tsugiki.columns import TEXT_COLUMN, TEXT_COLUMNS, Role, find_column, read_column, read_texts
from tsugiki.errors import DataError
from tsugiki.inputs import PAIRS, InputKind
from tsugiki.metrics import Metric, score_metric, share_metric
from tsugiki.predictions import Predictions
from tsugiki.task import Picture
from tsugiki.tasks.text_classification import tokenize
from tsugiki.tensor_table import TensorTable
from tsugiki.text_table import text_table

from ..words.word_tokenizer import SPECIAL
from .word_tasks import Vocabulary, WordTask

if TYPE_CHECKING:
    from datasets import Dataset

TEXT = "text"
FEWEST_PAIRS = 3  # known ones, below which a correlation says nothing


class WordSimilarity(WordTask):
    """Rank pairs of words by how alike they are; scored by Spearman's correlation with the judgement of people.

    Data to measure on has columns with the roles `word1`, `word2` and `score`. Data to train on is a corpus: a column
    with the role `text`. Pairs with an unknown word are left out of `spearman`, and `coverage` is the share of the
    others. Case is ignored.
    """

    name: ClassVar[str] = "word-similarity"
    inputs: ClassVar[InputKind] = PAIRS
    main_metric: ClassVar[str] = "spearman"
    word_roles: ClassVar[tuple[str, ...]] = ("word1", "word2")
    asked_roles: ClassVar[tuple[str, ...]] = ("word1", "word2")
    other_roles: ClassVar[Mapping[str, bool]] = {"score": True}

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Find the columns of pairs by their names, or the text column of a corpus; see `Task.columns`."""
        given = given or {}
        of_pairs = (*self.word_roles, *self.other_roles)
        if TEXT not in given and any(given.get(role, role) in dataset.features for role in of_pairs):
            return super().columns(dataset, given)
        if role := next((role for role in given if role != TEXT), None):
            raise DataError(f"a corpus has the role text alone, not {role!r}; pairs have {', '.join(of_pairs)}")
        corpus = Role(TEXT_COLUMN, TEXT_COLUMNS)
        texts = corpus.candidates(dataset)
        if TEXT not in given and len(texts) != 1:
            raise DataError(
                f"the data has neither pairs (columns {', '.join(of_pairs)}) nor one column of texts to train on; name "
                f"that with columns={{'text': …}}, out of {', '.join(dataset.features)}"
            )
        return {TEXT: find_column(dataset, TEXT, corpus, given)}

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Look up every word once.

        Returns:
            Of pairs, `input_ids` int64 (N, 2) with 1 for an unknown word, and `labels` float32 (N,), the scores; of a
            corpus its texts as `tsugiki.text_table.text_table` has them.

        Raises:
            DataError: A word, a score or a text is missing.
        """
        if TEXT in columns:
            texts = tokenize(processor, read_texts(dataset, columns[TEXT]))
            return text_table(texts, pad_token_id=processor.pad_token_id or 0)
        vocabulary = Vocabulary(processor)
        words = [vocabulary.numbers(spelled) for spelled in self.read_words(dataset, columns)]
        scores = read_scores(dataset, columns["score"])
        return TensorTable({"input_ids": torch.from_numpy(np.stack(words, axis=1)), "labels": torch.from_numpy(scores)})

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Cosines of the pairs (B, 1), from -1 to 1; NaN where a word is unknown.

        Raises:
            DataError: The batch holds texts.
        """
        pairs = batch["input_ids"]  # (B, 2)
        if "attention_mask" in batch:
            raise DataError("similarity is measured on columns word1, word2 and score, and this data holds texts")
        first, second = model(input_ids=pairs).last_hidden_state.float().unbind(1)  # (B, D) each
        known = (pairs >= SPECIAL).all(1)
        return torch.where(known, cosine_similarity(first, second), torch.nan)[:, None]

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """The cosine of each pair (N,), 0 where a word is unknown."""
        return np.nan_to_num(predictions.outputs[:, 0].astype(np.float64))

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`spearman` over the pairs with two known words, and `coverage`, their share; with 95 % intervals.

        Raises:
            DataError: Too few pairs are known.
        """
        known = known_pairs(predictions)
        cosines, scores = predictions.outputs[known, 0], predictions.labels[known]
        return {
            "spearman": score_metric(lambda rows: spearman(cosines[rows], scores[rows]), len(cosines), seed=seed),
            "coverage": share_metric(known),
        }

    def figures(self, predictions: Predictions, table: TensorTable, folder: Path) -> list[Picture]:
        """Draw the cosines over the scores."""
        from .word_task_pictures import draw_similarities

        known = known_pairs(predictions)
        return [draw_similarities(predictions.outputs[known, 0], predictions.labels[known], len(known), folder)]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Answer for single words, or for pairs.

        Args:
            inputs: A word each, whose neighbours are asked for, or two words, whose similarity is.

        Returns:
            For a word its neighbours as ``{"label": word, "score": cosine}``, nearest first; for a pair one such entry
            for its second word.

        Raises:
            DataError: A word is unknown, or an input is neither.
        """
        from ..vectors.word_vectors import WordVectors

        vectors = WordVectors.from_model(model, processor)
        answers = []
        for asked in inputs:
            words = [asked] if isinstance(asked, str) else asked
            if (
                not isinstance(words, list | tuple)
                or not 1 <= len(words) <= 2
                or not all(isinstance(w, str) for w in words)
            ):
                raise DataError(f"{self.name} takes a word, or two words, not {asked!r}")
            known = [vectors.spelling(word) for word in words]
            if len(known) == 1:
                found = vectors.most_similar(known[0], top_k=top_k)
            else:
                found = [(known[1], float(vectors.similarity([(known[0], known[1])])[0]))]
            answers.append([{"label": word, "score": score} for word, score in found])
        return answers


def known_pairs(predictions: Predictions) -> NDArray[np.bool_]:
    """Which pairs have two known words (N,).

    Raises:
        DataError: Too few have.
    """
    known = np.isfinite(predictions.outputs[:, 0])
    if known.sum() < FEWEST_PAIRS:
        raise DataError(
            f"the vocabulary has both words of {known.sum()} of the {len(known)} pairs; a correlation needs "
            f"{FEWEST_PAIRS} or more"
        )
    return known


def spearman(first: NDArray[np.number], second: NDArray[np.number]) -> float:
    """Spearman's rank correlation with averaged ties, from -1 to 1; 0 where one side is all the same."""
    ranks = np.stack([rankdata(first), rankdata(second)])  # (2, N)
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=1).prod()
    return float(ranks[0] @ ranks[1] / lengths) if lengths > 0 else 0.0


def read_scores(dataset: Dataset, column: str) -> NDArray[np.float32]:
    """The judgements of a column (N,).

    Raises:
        DataError: A row has no number.
    """
    values = read_column(dataset, column)
    for row, value in enumerate(values):
        if not isinstance(value, int | float) or not np.isfinite(value):
            raise DataError(f"row {row} has {value!r} in column {column!r}, and a number is needed there")
    return np.asarray(values, np.float32)
