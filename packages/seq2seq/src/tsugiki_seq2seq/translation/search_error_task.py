"""Search errors as an evaluation: a recipe names the task under ``evaluations``, and the card carries the shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.errors import DataError
from tsugiki.metrics import Metric, counted_share
from tsugiki.predictions import Predictions
from tsugiki.task import CountedTask
from tsugiki.tensor_table import TensorTable

from ..texts.sentence_pairs import IGNORED, ROW, PaddedPairs
from .search_errors import BATCH, JudgedRow, Verdict, Written, forced, searched
from .translation import TextTranslation

VERDICTS: tuple[Verdict, ...] = ("right", "search", "model")


class SearchErrorShares(CountedTask, TextTranslation):
    """Whether the search or the model is at fault where a translation is wrong, see `search_errors`; scored by
    `search_error_share` and `model_error_share`, fractions of the wrong outputs.

    The search is the one of the model's generation config. A row is right here unless its search is at fault.
    """

    name: ClassVar[str] = "search-errors"
    main_metric: ClassVar[str] = "search_error_share"
    greater_is_better: ClassVar[bool] = False
    pipeline_tag: ClassVar[str | None] = None
    pipeline_class = None

    def predictions(self, model: Any, table: TensorTable, *, batch_size: int) -> Predictions:
        """Translate every row, force its reference through the model, and judge.

        Returns:
            As `outputs` float32 (N, 3), a 1 for the verdict: right, the search's error or the model's; no labels.
        """
        transform = table.transform
        if not isinstance(transform, PaddedPairs):
            raise DataError("search errors are found on a table of sentence pairs")
        sources, targets = token_rows(table)
        size = min(batch_size, BATCH)
        references = forced(model, transform.tokenizer, sources, targets, size)
        written = searched(model, transform.tokenizer, sources, model.generation_config.num_beams or 1, size)
        texts = [transform.references[row] for row in table.columns[ROW].tolist()]
        judged = [
            JudgedRow("", Written(text, reference.log_probability, reference.length), answer).verdict()
            for text, reference, answer in zip(texts, references, written, strict=True)
        ]
        flags = np.array([[verdict == one for one in VERDICTS] for verdict in judged], np.float32)
        return Predictions(flags)

    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Rows without a search error (N,)."""
        return predictions.outputs[:, VERDICTS.index("search")] == 0

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """1 for a search error, else 0 (N,)."""
        return (~self.correct(predictions)).astype(np.float64)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`search_error_share` and `model_error_share` among the wrong outputs, with Wilson's 95 % intervals."""
        _, search, model = (int(count) for count in predictions.outputs.sum(0))
        return {
            "search_error_share": counted_share(search, search + model),
            "model_error_share": counted_share(model, search + model),
        }


def token_rows(table: TensorTable) -> tuple[list[list[int]], list[list[int]]]:
    """The tokens of each source and each target of a table of sentence pairs, without padding."""
    sources: list[list[int]] = []
    targets: list[list[int]] = []
    for batch in table.batches(BATCH):
        sources += _unpadded(batch["input_ids"], batch["attention_mask"].bool())
        targets += _unpadded(batch["labels"], batch["labels"] != IGNORED)
    return sources, targets


def _unpadded(tokens: Tensor, mask: Tensor) -> list[list[int]]:
    rows: Sequence[tuple[Tensor, Tensor]] = list(zip(tokens, mask, strict=True))
    return [row[kept].tolist() for row, kept in rows]
