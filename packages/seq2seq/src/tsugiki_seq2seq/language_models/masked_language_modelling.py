"""The task of guessing masked tokens from both sides (Devlin et al. 2019), for any masked language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.columns import TEXT_COLUMN, Role, read_texts
from tsugiki.errors import DataError
from tsugiki.metrics import Metric, score_metric, share_metric
from tsugiki.predictions import Predictions
from tsugiki.progress import track
from tsugiki.tensor_table import IGNORED, TensorTable

from ..texts.sentence_pairs import check_lengths
from ..texts.text_task import TextTask
from .masked_windows import MaskedWindows, masked_table

if TYPE_CHECKING:
    from datasets import Dataset

ROLE = "text"
BATCH = 32  # rows whose logits are held at once


class FillMask(TextTask):
    """Guess masked tokens from the text around them; scored by `masked_perplexity`, of which less is better, and
    `accuracy`.

    The texts are laid out in one stream and cut into windows of 128 tokens. In each, 15 % of the tokens are asked for:
    of these 80 % are masked, 10 % replaced by another token and 10 % left as they are. In training they are other ones
    in every epoch, in evaluation always the same. `masked_perplexity` is e to the mean of -ln P(token) over the tokens
    that are asked for. It is no perplexity of the text: those tokens are guessed apart from each other, with what
    follows in view, so it does not compare with a language model's. The role is `text`.
    """

    name: ClassVar[str] = "fill-mask"
    roles: ClassVar[Mapping[str, Role]] = {ROLE: Role(TEXT_COLUMN, (ROLE,))}
    main_metric: ClassVar[str] = "masked_perplexity"
    greater_is_better: ClassVar[bool] = False

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Tokenise the texts and lay them out.

        Raises:
            DataError: The tokenizer has no mask token, or there is no text.
        """
        return masked_table(read_texts(dataset, columns[ROLE]), processor)

    def grouped_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str], groups: Tensor) -> TensorTable:
        """Windows of which none holds tokens of two groups; see `Task.grouped_rows`."""
        return masked_table(read_texts(dataset, columns[ROLE]), processor, groups)

    def predictions(self, model: Any, table: TensorTable, *, batch_size: int) -> Predictions:
        """Guess the masked tokens of every row.

        Returns:
            As `outputs` float32 (N, 3): nats, tokens asked for, and how many of them were guessed right; no labels.
        """
        if not isinstance(table.transform, MaskedWindows):
            raise DataError("a masked language model is measured on a table of masked windows")
        found = []
        batches = table.batches(min(batch_size, BATCH), device=model.device)
        for batch in track(batches, "evaluate", total=-(-len(table) // min(batch_size, BATCH)), unit="batch"):
            labels = batch.pop("labels")  # (B, L)
            asked = labels != IGNORED
            logits = model(**batch).logits[asked].float()  # (tokens asked for, V)
            row = asked.nonzero()[:, 0]
            nats = F.cross_entropy(logits, labels[asked], reduction="none")
            right = (logits.argmax(-1) == labels[asked]).float()
            values = torch.stack([nats, torch.ones_like(nats), right], dim=1)  # (tokens asked for, 3)
            found.append(values.new_zeros(len(labels), 3).index_add_(0, row, values).cpu())
        counts = torch.cat(found).numpy()
        return Predictions(counts)

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """Nats a token of each row (N,); 0 where none was asked for."""
        nats, tokens = predictions.outputs[:, :2].astype(np.float64).T
        return nats / np.maximum(tokens, 1)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`masked_perplexity` and `accuracy` of the tokens asked for, with bootstrap 95 % intervals over the rows."""
        nats, tokens, right = predictions.outputs.astype(np.float64).T

        def perplexity(rows: NDArray[np.int64]) -> float:
            return float(np.exp(nats[rows].sum() / max(tokens[rows].sum(), 1)))

        return {
            "masked_perplexity": score_metric(perplexity, len(nats), n=tokens.sum(), seed=seed),
            "accuracy": share_metric(right, tokens, seed=seed),
        }

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """The likeliest tokens for the mask of each text.

        Args:
            inputs: Texts with one mask token each, such as `"The <mask> was dark."`.

        Returns:
            For each text the tokens as `{"label": token, "score": probability}`, best first.

        Raises:
            DataError: A text has no mask, or several, or is longer than the model reads.
        """
        answers = []
        for text in inputs:
            ids = torch.tensor(processor([str(text)])["input_ids"], device=model.device)  # (1, L)
            places = (ids[0] == processor.mask_token_id).nonzero()
            if len(places) != 1:
                raise DataError(f"a text with one {processor.mask_token} is needed, not with {len(places)}: {text!r}")
            check_lengths(model, [ids.shape[1]], called=None)
            with torch.inference_mode():
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, int(places)]
            scores, tokens = logits.float().softmax(-1).topk(min(top_k, len(logits)))
            named = [processor.decode([token]) for token in tokens.tolist()]
            answers.append(
                [{"label": word, "score": score} for word, score in zip(named, scores.tolist(), strict=True)]
            )
        return answers
