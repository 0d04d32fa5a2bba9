"""The task of sentence similarity: how well the cosines of two texts' vectors rank pairs as people do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cosine_similarity
from tsugiki.answers import Answers
from tsugiki.columns import TEXT_COLUMN, ColumnKind, Role, check_roles, find_column, read_column, read_texts
from tsugiki.errors import DataError
from tsugiki.inputs import PAIRS, InputKind
from tsugiki.metrics import Metric, score_metric
from tsugiki.predictions import Predictions
from tsugiki.task import Picture, Task
from tsugiki.tasks.text_classification import NO_WORD, tokenize, tokenizer_fields
from tsugiki.tensor_table import Batch, TensorTable
from tsugiki.text_table import LENGTH, START, PaddedTexts, text_table

from ..word_tasks.word_similarity import read_scores, spearman

if TYPE_CHECKING:
    from datasets import Dataset

NUMBER_COLUMN = ColumnKind(
    "numbers",
    "numbers",
    "numbers",
    lambda feature: getattr(feature, "dtype", "").startswith(("float", "int", "uint", "double")),
)


class PaddedPairs(PaddedTexts):
    """Turns two places a row in a stream of tokens into padded batches."""

    def __call__(self, batch: Batch) -> Batch:
        """``input_ids`` and ``attention_mask``, int64 (B, 2, L), L the longest text; other columns as they are."""
        given = dict(batch)
        places = {name: given.pop(name) for name in (START, LENGTH)}  # (B, 2) each
        texts = super().__call__({name: values.flatten() for name, values in places.items()})
        pairs = {name: values.unflatten(0, (-1, 2)) for name, values in texts.items()}
        return {**pairs, **given}


class SentenceSimilarity(Task):
    """Rank pairs of texts by how alike they are; scored by Spearman's correlation with the judgement of people.

    Columns have the roles `sentence1` and `sentence2`, texts of any length, and `score`, a number. The processor is the
    model's tokenizer, and the model gives a vector of each text as its ``pooler_output``.
    """

    name: ClassVar[str] = "sentence-similarity"
    inputs: ClassVar[InputKind] = PAIRS
    main_metric: ClassVar[str] = "spearman"
    roles: ClassVar[Mapping[str, Role]] = {
        "sentence1": Role(TEXT_COLUMN, ("sentence1", "text1", "word1")),
        "sentence2": Role(TEXT_COLUMN, ("sentence2", "text2", "word2")),
        "score": Role(NUMBER_COLUMN, ("score", "similarity_score", "label")),
    }

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """`vocab_size` and `pad_token_id`."""
        return tokenizer_fields(processor)

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Tokenise both texts of every row once.

        Returns:
            Rows of `input_ids` and `attention_mask` (2, L), padded a batch at a time, and `labels` float32 (N,), the
            scores.

        Raises:
            DataError: A text or a score is missing.
        """
        first, second = (read_texts(dataset, columns[role]) for role in ("sentence1", "sentence2"))
        scores = torch.from_numpy(read_scores(dataset, columns["score"]))
        texts = [text for pair in zip(first, second, strict=True) for text in pair]
        table = text_table(tokenize(processor, texts), pad_token_id=processor.pad_token_id or 0)
        places = {name: values.unflatten(0, (-1, 2)) for name, values in table.columns.items()}
        pairs = PaddedPairs(table.transform.tokens, table.transform.pad_token_id)  # type: ignore[union-attr]
        return TensorTable({**places, "labels": scores}, transform=pairs)

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Cosines of the pairs (B, 1), from -1 to 1."""
        ids, mask = (batch[name].flatten(0, 1) for name in ("input_ids", "attention_mask"))  # (2B, L)
        vectors = model(input_ids=ids, attention_mask=mask).pooler_output.float()  # (2B, D)
        first, second = vectors.unflatten(0, (-1, 2)).unbind(1)
        return cosine_similarity(first, second)[:, None]

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """The cosine of each pair (N,)."""
        return predictions.outputs[:, 0].astype(np.float64)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`spearman`, from -1 to 1, with its 95 % interval."""
        cosines, scores = predictions.outputs[:, 0], predictions.labels
        return {"spearman": score_metric(lambda rows: spearman(cosines[rows], scores[rows]), len(cosines), seed=seed)}

    def figures(self, predictions: Predictions, table: TensorTable, folder: Path) -> list[Picture]:
        """Draw the cosines over the scores."""
        from ..word_tasks.word_task_pictures import draw_similarities

        return [draw_similarities(predictions.outputs[:, 0], predictions.labels, len(predictions), folder)]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Compare two texts.

        Args:
            inputs: Two texts each.

        Returns:
            For each pair ``{"label": second text, "score": cosine}``.

        Raises:
            DataError: An input is no pair, or a text of it has no word.
        """
        from .text_vectors import vectors_of

        for pair in inputs:
            if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
                raise DataError(f"{self.name} compares two texts, with a tab between them; it was given {pair!r}")
            if not all(text.strip() for text in pair):
                raise DataError(NO_WORD)
        vectors = torch.from_numpy(vectors_of(model, processor, [text for pair in inputs for text in pair]))
        first, second = vectors.unflatten(0, (-1, 2)).unbind(1)
        cosines = cosine_similarity(first, second).tolist()
        return [[{"label": pair[1], "score": score}] for pair, score in zip(inputs, cosines, strict=True)]

    def table_inputs(self, dataset: Dataset, columns: Mapping[str, str] | None = None) -> list[Any]:
        """Both texts of each row."""
        asked = [role for role in self.roles if role != "score"]
        check_roles(columns, self.roles, task=self.name)
        found: dict[str, str] = {}
        for role in asked:
            found[role] = find_column(dataset, role, self.roles[role], columns, taken=list(found.values()))
        texts = [read_column(dataset, found[role]) for role in asked]
        return [list(row) if all(row) else None for row in zip(*texts, strict=True)]
