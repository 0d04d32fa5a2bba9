"""The task of answering in a dialogue: HRED, VHRED, and flat encoder-decoders to compare them with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tsugiki.answers import Answers
from tsugiki.columns import TEXT_LIST_COLUMN, Role
from tsugiki.errors import DataError, OptionError
from tsugiki.metrics import Kind, Metric, score_metric
from tsugiki.predictions import Predictions
from tsugiki.progress import track
from tsugiki.tensor_table import Batch, TensorTable

from ..texts.generating import best_texts
from ..texts.sentence_pairs import IGNORED
from ..texts.text_task import TextTask
from .dialogue_tables import (
    COUNT,
    ROLE,
    USUAL_COLUMNS,
    FlatResponses,
    WholeDialogues,
    column_dialogues,
    dialogue_table,
    encode_dialogues,
    split_dialogue,
)

if TYPE_CHECKING:
    from datasets import Dataset

BATCH = 8  # dialogues that are measured together
COUNTS = 4  # of a row: nats of reconstruction and of KL, tokens, responses
ACTIVE = 0.01  # variance of a unit's posterior mean above which it is active (Burda et al. 2016, appendix C)


class Dialogue(TextTask):
    """Write the next utterance of a dialogue. Every utterance but a dialogue's first is guessed, its end included.

    A model without a latent variable is scored by `perplexity` a token and `reconstruction`, nats an utterance. The
    perplexity of one with a latent variable is not known; it is scored by `perplexity_bound`, exp of the negative ELBO
    a token, which is no smaller, and by the bound's parts, `reconstruction` and `kl`, nats an utterance. Of its
    `active_units` the posterior's mean varies over the data by more than 0.01 (Burda, Grosse and Salakhutdinov 2016).
    It may do so because the prior's does; of `active_units_beyond_prior` the difference of the two varies so much.

    The role is `dialog`, a column of lists of texts.

    Args:
        flat_context: For a flat encoder-decoder: how many utterances before a response its source is made of.
    """

    name: ClassVar[str] = "dialogue"
    roles: ClassVar[Mapping[str, Role]] = {ROLE: Role(TEXT_LIST_COLUMN, USUAL_COLUMNS)}
    main_metric: ClassVar[str] = "perplexity"
    greater_is_better: ClassVar[bool] = False
    pipeline_tag: ClassVar[str | None] = "text-generation"
    pipeline_class = "tsugiki_seq2seq.dialogue.dialogue_pipeline:DialoguePipeline"

    def __init__(self, *, flat_context: int | None = None) -> None:
        if flat_context is not None and flat_context < 1:
            raise OptionError(f"flat_context must be at least 1, not {flat_context}")
        self.flat_context = flat_context

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """The vocabulary's size and the special tokens' numbers."""
        fields = super().processor_fields(processor)
        if self.flat_context is None:
            fields["unk_token_id"] = processor.unk_token_id
        return fields

    def vocabulary_texts(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """All utterances."""
        return [text for dialogue in column_dialogues(dataset, columns[ROLE]) for text in dialogue]

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Tokenise the dialogues, a row each.

        Returns:
            Batches of ``input_ids``, ``attention_mask`` and ``labels``, as `WholeDialogues` makes them, or for a flat
            encoder-decoder `FlatResponses`. Utterances of more than 64 tokens lose their end.

        Raises:
            DataError: A dialogue has fewer than two utterances.
        """
        dialogues = column_dialogues(dataset, columns[ROLE])
        return dialogue_table(dialogues, processor, flat_context=self.flat_context)

    def predictions(self, model: Any, table: TensorTable, *, batch_size: int) -> Predictions:
        """Guess every response once.

        Returns:
            As `outputs` what `metrics` is made of, a row a dialogue (N, 4 + 4 Z): nats of reconstruction and of KL,
            tokens and responses; and for Z latent numbers the sums over the responses of the posterior's mean, of its
            square, of its distance from the prior's mean and of that one's square. No labels.
        """
        transform = table.transform
        if not isinstance(transform, (WholeDialogues, FlatResponses)):
            raise DataError("a model of dialogues is measured on a table of dialogues")
        rows = []
        size = min(batch_size, BATCH)
        starts = track(range(0, len(table), size), "evaluate", unit="batch")
        for start, batch in zip(starts, table.batches(size, device=model.device), strict=True):
            if isinstance(transform, FlatResponses):
                count = table.columns[COUNT][start : start + size].to(model.device)
                rows.append(_flat_sums(model, batch, transform.dialogue_of(count)).cpu())
            else:
                rows.append(_dialogue_sums(model, batch).cpu())
        logits = torch.cat(rows).numpy()
        return Predictions(logits)

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """Nats of each dialogue (N,), of the KL too."""
        return predictions.outputs[:, :2].astype(np.float64).sum(1)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """The figures named above, with bootstrap 95 % intervals over the dialogues."""
        sums = predictions.outputs.astype(np.float64)
        tokens, responses = (int(sums[:, column].sum()) for column in (2, 3))

        def figure(of: Callable[[NDArray[np.float64]], float], n: int, kind: Kind = "score") -> Metric:
            return score_metric(lambda rows: of(sums[rows].sum(0)), len(sums), n=n, kind=kind, seed=seed)

        has_latent = sums.shape[1] > COUNTS
        figures = {
            "perplexity_bound" if has_latent else "perplexity": figure(
                lambda total: float(np.exp((total[0] + total[1]) / total[2])), tokens
            ),
            "reconstruction": figure(lambda total: float(total[0] / total[3]), responses),
        }
        if has_latent:
            figures |= {
                "kl": figure(lambda total: float(total[1] / total[3]), responses),
                "active_units": figure(lambda total: _active_units(total, 0), responses, "count"),
                "active_units_beyond_prior": figure(lambda total: _active_units(total, 1), responses, "count"),
            }
        return figures

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """The best responses to each dialogue.

        Args:
            inputs: Dialogues: lists of utterances, or texts with ``||`` between the utterances.
            top_k: How many responses; more than one are those a beam search of so many ends with.

        Returns:
            For each dialogue the responses as `{"label": text, "score": probability}`, best first; where there is a
            latent variable, the probability is that at the prior's mean.

        Raises:
            DataError: A dialogue is none, or has an empty utterance.
        """
        answers = []
        for dialogue in [split_dialogue(given) for given in inputs]:
            tokens = encode_dialogues([dialogue], processor)
            encoded = {name: column.to(model.device) for name, column in tokens.items()}
            answers.append(best_texts(model, processor, encoded, top_k=top_k))
        return answers


def _dialogue_sums(model: Any, batch: Batch) -> Tensor:
    """A hierarchical model's sums over the responses of each dialogue (B, 4 + 4 Z)."""
    out = model(**batch)
    asked = batch["labels"] != IGNORED  # (B, U, L)
    nats = out.reconstruction.float().sum(1)
    divergence = torch.zeros_like(nats) if out.kl is None else out.kl.float().sum(1)
    sums = [torch.stack([nats, divergence, asked.sum((1, 2)), asked.any(2).sum(1)], dim=1)]
    if out.posterior_mean is not None:
        mean, distance = out.posterior_mean.float(), (out.posterior_mean - out.prior_mean).float()  # (B, U, Z)
        sums += [value.sum(1) for value in (mean, mean.square(), distance, distance.square())]
    return torch.cat(sums, dim=1)


def _flat_sums(model: Any, batch: Batch, dialogue: Tensor) -> Tensor:
    """A flat encoder-decoder's sums over the responses of each dialogue (B, 4).

    Args:
        model: It.
        batch: As `FlatResponses` makes it, R rows.
        dialogue: Which dialogue each response belongs to (R,).
    """
    labels = batch["labels"]
    logits = model(**batch).logits.float()
    nats = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none").sum(1)
    each = torch.stack([nats, torch.zeros_like(nats), (labels != IGNORED).sum(1), torch.ones_like(nats)], dim=1)
    return each.new_zeros(int(dialogue[-1]) + 1, COUNTS).index_add(0, dialogue, each)


def _active_units(total: NDArray[np.float64], which: int) -> float:
    """How many latent numbers vary by more than `ACTIVE` over the responses.

    Args:
        total: What `Dialogue.predictions` gives, summed over the dialogues (4 + 4 Z,).
        which: 0 for the posterior's means, 1 for their distances from the prior's.
    """
    first, square = total[COUNTS:].reshape(2, 2, -1)[which] / total[3]  # (Z,) each
    return float((square - first**2 > ACTIVE).sum())
