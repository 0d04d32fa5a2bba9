"""The task of writing one text for another: translation, and whatever else is a text for a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.columns import TEXT_COLUMN, Role, read_column, refuse_missing
from tsugiki.errors import DataError
from tsugiki.metrics import Metric, score_metric, share_metric
from tsugiki.predictions import Predictions
from tsugiki.progress import track
from tsugiki.tensor_table import TensorTable

from ..texts.generating import best_texts, length_limit
from ..texts.sentence_pairs import ROW, PaddedPairs, check_lengths, encode, pair_table
from ..texts.text_task import TextTask

if TYPE_CHECKING:
    from datasets import Dataset

ROLES = ("source", "target")
BLEU_TOKENIZE = "13a"  # mteval's; a tokenizer's config may name another of sacrebleu's
ORDER = 4  # longest n-grams of BLEU
CHRF_ORDER = 6


class TextTranslation(TextTask):
    """Write a target text for a source text; scored by `bleu` (Papineni et al. 2002), `chrf` (Popovic 2015), both of
    them sacrebleu's, and `exact_match`.

    The roles are `source` and `target`. How the model searches (beam, length penalty) stands in its generation config.
    """

    name: ClassVar[str] = "text-translation"
    roles: ClassVar[Mapping[str, Role]] = {role: Role(TEXT_COLUMN, (role,)) for role in ROLES}
    main_metric: ClassVar[str] = "bleu"
    pipeline_tag: ClassVar[str | None] = "translation"
    pipeline_class: ClassVar[str | type | None] = (
        "tsugiki_seq2seq.translation.translation_pipeline:TextTranslationPipeline"
    )

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Tokenise the pairs.

        Returns:
            Batches of ``input_ids``, ``attention_mask`` and ``labels``.

        Raises:
            DataError: A source or target is empty.
        """
        sources, targets = ([text or "" for text in read_column(dataset, columns[role])] for role in ROLES)
        for role, texts in zip(ROLES, (sources, targets), strict=True):
            refuse_missing([row for row, text in enumerate(texts) if not text.strip()], len(texts), role, columns[role])
        return pair_table(sources, targets, processor)

    def predictions(self, model: Any, table: TensorTable, *, batch_size: int) -> Predictions:
        """Translate every row, and count what the scores are made of.

        Returns:
            As `outputs` the counts of each row (N, F), see `counts_of`; no labels.
        """
        transform = table.transform
        if not isinstance(transform, PaddedPairs):
            raise DataError("translation is measured on a table of sentence pairs")
        check_lengths(model, table.columns["length"].tolist(), "row")
        written = generate_texts(model, table, transform.tokenizer, batch_size=batch_size)
        references = [transform.references[row] for row in table.columns[ROW].tolist()]
        scheme = transform.tokenizer.init_kwargs.get("bleu_tokenize", BLEU_TOKENIZE)
        counts = counts_of(written, references, tokenize=scheme)
        return Predictions(counts)

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """Each row's own BLEU, smoothed (N,), between 0 and 1."""
        return np.array([bleu_of_counts(row, effective_order=True) for row in predictions.outputs]) / 100

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`bleu` and `chrf` of the corpus, 0 to 100 as usual, and the share of `exact_match`."""
        counts = predictions.outputs.astype(np.float64)
        figures = {}
        for name, score in (("bleu", bleu_of_counts), ("chrf", _chrf)):

            def of_rows(drawn: NDArray[np.int64], score: Any = score) -> float:
                return float(score(counts[drawn].sum(0)))

            figures[name] = score_metric(of_rows, len(counts), seed=seed)
        return {**figures, "exact_match": share_metric(counts[:, -1])}

    def signatures(self, processor: Any) -> dict[str, str]:
        """Those of sacrebleu, for BLEU and chrF with one reference."""
        from sacrebleu.metrics import BLEU, CHRF

        found = {}
        scheme = processor.init_kwargs.get("bleu_tokenize", BLEU_TOKENIZE)
        for name, metric in (("bleu", BLEU(tokenize=scheme)), ("chrf", CHRF())):
            metric.corpus_score(["a"], [["a"]])  # the number of references is part of it
            found[name] = str(metric.get_signature())
        return found

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """The best translations of each text.

        Args:
            inputs: Texts.
            top_k: How many translations; more than one are those a beam search of so many ends with.

        Returns:
            For each text the translations as `{"label": text, "score": P(text | source)}`, best first.

        Raises:
            DataError: A text is empty, or longer than the model reads.
        """
        sources = [encode_source(model, processor, text).to(model.device) for text in inputs]
        return [
            best_texts(model, processor, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, top_k=top_k)
            for ids in sources
        ]


def encode_source(model: Any, tokenizer: Any, text: Any) -> Tensor:
    """The tokens of a text to translate, int64 (1, S).

    Raises:
        DataError: It is no text, an empty one, or longer than the model reads.
    """
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"a text with at least one word is needed, not {text!r}")
    ids = torch.tensor(encode(tokenizer, [text]))
    check_lengths(model, [ids.shape[1]], called=None)
    return ids


def generate_texts(model: Any, table: TensorTable, tokenizer: Any, *, batch_size: int) -> list[str]:
    """What a model writes for each row of a table, searched as its generation config says.

    Rows of like length go together, so that little is computed on padding; the texts come back in the table's order.
    """
    order = table.columns["length"].argsort(stable=True).tolist()
    texts = [""] * len(order)
    for start in track(range(0, len(order), batch_size), "translate", unit="batch"):
        rows = order[start : start + batch_size]
        batch = table.batch(rows)
        batch.pop("labels", None)
        inputs = {name: value.to(model.device) for name, value in batch.items()}
        with torch.inference_mode():
            out = model.generate(**inputs, do_sample=False, **length_limit(model))
        for row, text in zip(rows, tokenizer.batch_decode(out, skip_special_tokens=True), strict=True):
            texts[row] = text
    return texts


def counts_of(
    written: Sequence[str], references: Sequence[str], *, tokenize: str = BLEU_TOKENIZE
) -> NDArray[np.float32]:
    """What BLEU, chrF and exact match are made of, for each row.

    Args:
        written: Hypotheses.
        references: One for each.
        tokenize: By sacrebleu's name.

    Returns:
        float32 (N, 4 + 4 + 2 + 18 + 1): n-grams of a row that the reference has, n-grams of it, its length and the
        reference's, for n-grams of characters how many it has, how many the reference has and how many they share, and
        1 where the texts are equal.
    """
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = BLEU(tokenize=tokenize, effective_order=True), CHRF()
    rows = []
    for text, reference in zip(written, references, strict=True):
        score = bleu.sentence_score(text, [reference])
        characters = chrf._extract_corpus_statistics([text], [[reference]])[0]  # its own bootstrap reads them too
        same = float(text.strip() == reference.strip())
        rows.append([*score.counts, *score.totals, score.sys_len, score.ref_len, *characters, same])
    return np.array(rows, np.float32).reshape(len(rows), 2 * ORDER + 2 + 3 * CHRF_ORDER + 1)


def bleu_of_counts(counts: NDArray[Any], *, effective_order: bool = False) -> float:
    """BLEU of summed counts (F,), 0 to 100, smoothed as sacrebleu's default."""
    from sacrebleu.metrics import BLEU

    numbers = [round(float(value)) for value in counts[: 2 * ORDER + 2]]
    correct, total, (written, reference) = numbers[:ORDER], numbers[ORDER : 2 * ORDER], numbers[2 * ORDER :]
    return float(
        BLEU.compute_bleu(
            correct, total, written, reference, smooth_method="exp", effective_order=effective_order
        ).score
    )


def _chrf(counts: NDArray[Any]) -> float:
    """chrF2 of summed counts (F,), 0 to 100."""
    from sacrebleu.metrics import CHRF

    start = 2 * ORDER + 2
    return float(CHRF()._compute_f_score([round(float(value)) for value in counts[start : start + 3 * CHRF_ORDER]]))
