"""The task of guessing the next token of a text, for any causal language model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.columns import TEXT_COLUMN, Role, read_texts
from tsugiki.errors import DataError
from tsugiki.metrics import Metric, score_metric
from tsugiki.predictions import Predictions
from tsugiki.progress import track
from tsugiki.tensor_table import IGNORED, TensorTable

from ..texts.text_task import TextTask
from .token_windows import CONTEXT, TokenWindows, window_table
from .whole_windows import learning_windows

if TYPE_CHECKING:
    from datasets import Dataset

ROLE = "text"
SAMPLES, SAMPLE_TOKENS = 3, 200  # that a card shows


class TextGeneration(TextTask):
    """Guess every token of some texts from all before it; scored by `perplexity` a token and `bits_per_character`, of
    which less is better.

    The texts are laid out in one stream with an end-of-text token between them, which is guessed like any other. A row
    asks for 128 tokens and shows the 128 before them. A token that the vocabulary has not is asked for as ``<unk>``, so
    figures compare only under one vocabulary. The role is `text`.
    """

    name: ClassVar[str] = "text-generation"
    roles: ClassVar[Mapping[str, Role]] = {ROLE: Role(TEXT_COLUMN, (ROLE,))}
    main_metric: ClassVar[str] = "perplexity"
    greater_is_better: ClassVar[bool] = False
    refined_pipeline_class = "tsugiki_seq2seq.language_models.continuation_pipeline:ContinuationPipeline"

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """The vocabulary's size and the special tokens' numbers; a text begins with the end of the one before."""
        fields = super().processor_fields(processor)
        return {**fields, "bos_token_id": fields["eos_token_id"]}

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Tokenise the texts and lay them out.

        Raises:
            DataError: There is no text.
        """
        return window_table(read_texts(dataset, columns[ROLE]), processor)

    def grouped_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str], groups: Tensor) -> TensorTable:
        """Windows of which none holds tokens of two groups; see `Task.grouped_rows`."""
        return window_table(read_texts(dataset, columns[ROLE]), processor, groups)

    def learning_rows(self, model: Any, table: TensorTable) -> TensorTable:
        """Windows in which every token is asked for, so that all that is read is learnt from."""
        return learning_windows(model, table)

    def predictions(self, model: Any, table: TensorTable, *, batch_size: int) -> Predictions:
        """Guess every token once.

        Returns:
            As `outputs` float32 (N, 3): nats, tokens and characters of each row; no labels.
        """
        transform = table.transform
        if not isinstance(transform, TokenWindows):
            raise DataError("a language model is measured on a table of token windows")
        found = []
        batches = table.batches(min(batch_size, 32), device=model.device)
        for batch in track(batches, "evaluate", total=-(-len(table) // min(batch_size, 32)), unit="batch"):
            labels = batch["labels"]
            asked = labels != IGNORED
            nats = token_nats(model, batch["input_ids"], first=CONTEXT)  # (B, WINDOW)
            characters = transform.characters.to(labels.device)[labels.clamp(min=0)] * asked
            asked = asked[:, CONTEXT:]
            found.append(torch.stack([(nats * asked).sum(1), asked.sum(1), characters.sum(1)], dim=1).float().cpu())
        logits = torch.cat(found).numpy()
        return Predictions(logits)

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """Nats a token of each row (N,); 0 where none was asked for."""
        nats, tokens = predictions.outputs[:, :2].astype(np.float64).T
        return nats / np.maximum(tokens, 1)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`perplexity` a token and `bits_per_character`, with bootstrap 95 % intervals over the rows.

        Only characters of the texts count as characters; an end of text is guessed all the same and its bits counted.
        """
        nats, tokens, characters = predictions.outputs.astype(np.float64).T

        def perplexity(rows: NDArray[np.int64]) -> float:
            return float(np.exp(nats[rows].sum() / tokens[rows].sum()))

        def bits(rows: NDArray[np.int64]) -> float:
            return float(nats[rows].sum() / math.log(2) / max(characters[rows].sum(), 1))

        return {
            name: score_metric(of, len(nats), n=count.sum(), seed=seed)
            for name, of, count in (("perplexity", perplexity, tokens), ("bits_per_character", bits, characters))
        }

    def samples(self, model: Any, processor: Any) -> list[str]:
        """Three texts of 200 tokens, drawn as the model's generation config says but never greedily.

        Where one text ends, the next begins in a new line.
        """
        drawn, end = [], processor.eos_token_id
        for seed in range(SAMPLES):
            torch.manual_seed(seed)
            never = len(processor)  # a token that is not drawn, so that no text ends the sample
            tokens = model.generate(do_sample=True, max_new_tokens=SAMPLE_TOKENS, eos_token_id=never)[0].tolist()
            ends = [place for place, token in enumerate([*tokens, end]) if token == end]
            starts = [0, *(place + 1 for place in ends)]
            texts = [tokens[start:stop] for start, stop in zip(starts, ends, strict=False)]
            drawn.append("\n".join(processor.decode(text, skip_special_tokens=True).strip() for text in texts if text))
        return drawn

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """The likeliest next tokens of each text; `tsugiki.pipeline` writes whole continuations.

        Args:
            inputs: Texts, which may be empty.

        Returns:
            For each text the tokens as `{"label": token, "score": probability}`, best first.
        """
        answers = []
        for text in inputs:
            ids = [processor.eos_token_id, *processor(str(text), add_special_tokens=False)["input_ids"]]
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([ids], device=model.device)).logits[0, -1]
            never = torch.tensor(model.generation_config.suppress_tokens or [], dtype=torch.long, device=logits.device)
            logits = logits.index_fill(0, never, -torch.inf)  # such as <unk>
            scores, tokens = logits.float().softmax(-1).topk(min(top_k, len(logits)))
            named = [processor.decode([token]) for token in tokens.tolist()]
            answers.append(
                [{"label": word, "score": score} for word, score in zip(named, scores.tolist(), strict=True)]
            )
        return answers


def token_nats(model: Any, input_ids: Tensor, *, first: int = 1) -> Tensor:
    """-ln P(token | all before it) of the tokens from place `first` on.

    Args:
        model: A causal language model.
        input_ids: (B, L).
        first: At least 1.

    Returns:
        float32 (B, L - first).
    """
    logits = model(input_ids=input_ids).logits[:, first - 1 : -1].float()
    chosen = logits.gather(2, input_ids[:, first:, None])[..., 0]
    return logits.logsumexp(-1) - chosen
