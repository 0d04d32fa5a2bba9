"""The task of predicting every word of a text from its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tsugiki.answers import Answers
from tsugiki.columns import TEXT_COLUMN, Role, read_texts
from tsugiki.errors import DataError
from tsugiki.inputs import TEXTS, InputKind
from tsugiki.metrics import Metric, score_metric
from tsugiki.predictions import Predictions
from tsugiki.task import Task
from tsugiki.tensor_table import IGNORED, TensorTable
from tsugiki.text_table import text_table

if TYPE_CHECKING:
    from datasets import Dataset

ROLE = "text"
WINDOW = 64  # words that a row asks for
MARGIN = 4  # words on either side that are shown beside them; the widest context of `neural_lm` reaches so far
BATCH = 1000  # texts tokenised at once


class WordPrediction(Task):
    """Predict words from their neighbours; scored by `perplexity`, less is better.

    The texts are laid out in one stream with an end between two of them, and cut into rows that ask for 64 words each
    and show four more on either side, so that no word loses its neighbours to a cut and none sees another text. A word
    that the vocabulary has not is asked for as the one word `<unk>`: perplexities compare only under one vocabulary.
    The only role is `text`.
    """

    name: ClassVar[str] = "word-prediction"
    inputs: ClassVar[InputKind] = TEXTS
    roles: ClassVar[Mapping[str, Role]] = {ROLE: Role(TEXT_COLUMN, (ROLE,))}
    main_metric: ClassVar[str] = "perplexity"
    greater_is_better: ClassVar[bool] = False
    pipeline_tag: ClassVar[str | None] = "fill-mask"

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """`vocab_size` and `pad_token_id`, which are the tokenizer's."""
        return {"vocab_size": len(processor), "pad_token_id": processor.pad_token_id}

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Tokenise the texts and cut them into rows.

        Returns:
            `input_ids` and `attention_mask` (N, 72), and `labels` (N, 72) with -100 where nothing is asked.

        Raises:
            DataError: A text is missing, or there is no word.
        """
        texts = read_texts(dataset, columns[ROLE])
        numbers: list[list[int]] = []
        for start in range(0, len(texts), BATCH):
            numbers += processor(texts[start : start + BATCH], add_special_tokens=False)["input_ids"]
        return word_windows(numbers, pad_token_id=processor.pad_token_id)

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Negative log-probability in nats of the word at each place (B, L)."""
        logits = model(**batch).logits  # (B, L, V)
        return F.cross_entropy(logits.float().transpose(1, 2), batch["input_ids"], reduction="none")

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """Nats a word of each row (N,)."""
        nats, words = _sums(predictions)
        return nats / np.maximum(words, 1)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`perplexity`, the exponential of the mean nats a word, with a bootstrap 95 % interval over the rows."""
        nats, words = _sums(predictions)

        def perplexity(rows: NDArray[np.int64]) -> float:
            return float(np.exp(nats[rows].sum() / words[rows].sum()))

        return {"perplexity": score_metric(perplexity, len(nats), n=words.sum(), seed=seed)}

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """The likeliest words at the one place of each text that is written `<unk>`.

        Args:
            inputs: Texts, each with one `<unk>` where a word is wanted.

        Returns:
            For each text the words as `{"label": word, "score": probability}`, best first.

        Raises:
            DataError: A text has not exactly one place to fill.
        """
        answers = []
        for text in inputs:
            before, found, after = str(text).partition(processor.unk_token)
            if not found or processor.unk_token in after:
                raise DataError(f"the text must have one {processor.unk_token} where a word is wanted: {text!r}")
            parts = [processor(part, add_special_tokens=False)["input_ids"] for part in (before, after)]
            ids = torch.tensor([[*parts[0], processor.unk_token_id, *parts[1]]], dtype=torch.int64, device=model.device)
            with torch.inference_mode():
                chances = model(input_ids=ids).logits[0, len(parts[0])].float().softmax(-1)
            scores, words = chances.topk(min(top_k, len(chances)))
            named = processor.convert_ids_to_tokens(words.tolist())
            answers.append(
                [{"label": word, "score": score} for word, score in zip(named, scores.tolist(), strict=True)]
            )
        return answers


def word_windows(texts: Sequence[Sequence[int]], *, pad_token_id: int = 0) -> TensorTable:
    """A table that asks for every word of some texts once.

    Args:
        texts: Numbers of the words of each text.
        pad_token_id: The word between two texts.

    Returns:
        Batches of `input_ids`, `attention_mask` and `labels`, (B, 4 + 64 + 4) each.

    Raises:
        DataError: There is no word.
    """
    gap = np.full(MARGIN, pad_token_id, np.int32)
    pieces = [piece for text in texts if len(text) for piece in (np.asarray(text, np.int32), gap)]
    if not pieces:
        raise DataError("the texts hold no word")
    stream = np.concatenate(pieces)
    rows = -(-len(stream) // WINDOW)
    padded = np.full(MARGIN + rows * WINDOW + MARGIN, pad_token_id, np.int32)
    padded[MARGIN : MARGIN + len(stream)] = stream
    width = WINDOW + 2 * MARGIN
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[::WINDOW]  # (N, width)
    labels = np.where(windows == pad_token_id, IGNORED, windows)
    labels[:, :MARGIN] = labels[:, MARGIN + WINDOW :] = IGNORED
    kept = (labels != IGNORED).any(1)
    windows, labels = windows[kept], labels[kept]
    offsets = np.arange(len(windows) + 1, dtype=np.int64) * width
    return text_table(
        (windows.ravel(), offsets), pad_token_id=pad_token_id, labels=torch.from_numpy(labels.astype(np.int64))
    )


def _sums(predictions: Predictions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nats and number of the words that each row asks for, (N,) both."""
    asked = predictions.labels != IGNORED
    return np.where(asked, predictions.outputs, 0).sum(1, dtype=np.float64), asked.sum(1).astype(np.float64)
