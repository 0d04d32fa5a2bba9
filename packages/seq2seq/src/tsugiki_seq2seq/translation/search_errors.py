"""Whether the search or the model is at fault where a translation is wrong.

A search looks for the output y^ that the model holds most probable. Where the model gives the reference y* a higher
probability than the wrong output y^ that was found, P(y*|x) > P(y^|x), the search has missed it: a *search error*. Else
the model itself prefers the wrong text, and no search would have helped: a *model error* (Stahlberg and Byrne 2019, On
NMT search errors and model errors, section 2). A reference that the model holds less probable proves nothing about the
search, which may have missed other texts: the share of search errors is a lower bound of what the search misses.

A beam search ranks by log P(y|x) / |y|^alpha, where alpha is its length penalty and |y| counts the end token. Every
output is judged both ways, by the probability and by that score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from tsugiki.errors import DataError, OptionError
from tsugiki.metrics import Metric, counted_share
from tsugiki.predictions import Predictions
from tsugiki.progress import track

from ..texts.generating import length_limit, log_probabilities
from .open_translators import check_translator, encode_texts
from .translation import BLEU_TOKENIZE, TextTranslation, counts_of

Verdict = Literal["right", "search", "model"]
BATCH = 32  # sources searched at once
WIDER = 20  # beams of the second search
# Nats by which a reference must be ahead: sums of the same numbers in another order differ by less.
AHEAD = 1e-4


@dataclass(frozen=True)
class Written:
    """A target text, found by a search or given, and what the model holds of it.

    Attributes:
        text: Without special tokens.
        log_probability: ln P(y|x), the end token included.
        length: Tokens, the end token included.
        ended: Whether it has an end token; else a search was cut off at its greatest length.
    """

    text: str
    log_probability: float
    length: int
    ended: bool = True

    def score(self, length_penalty: float) -> float:
        """What a beam search ranks by: log P / length^alpha."""
        return self.log_probability / self.length**length_penalty


@dataclass(frozen=True)
class JudgedRow:
    """One source with its reference and what the searches wrote.

    Attributes:
        source: The source text.
        reference: y*.
        written: y^ of the search that is judged.
        wider: y^ of the wider search, where there was one.
    """

    source: str
    reference: Written
    written: Written
    wider: Written | None = None

    def verdict(self, length_penalty: float = 0.0) -> Verdict:
        """Who is at fault: by log P as it is, or with a length penalty by the score that a beam search ranks by."""
        if self.written.text.strip() == self.reference.text.strip():
            return "right"
        return "search" if is_ahead(self.reference, self.written, length_penalty) else "model"

    @property
    def mended(self) -> bool:
        """Whether the wider search found something at least as probable as the reference."""
        return self.wider is not None and not is_ahead(self.reference, self.wider)

    @property
    def mended_exactly(self) -> bool:
        """Whether the wider search found the reference itself."""
        return self.wider is not None and self.wider.text.strip() == self.reference.text.strip()


def is_ahead(first: Written, second: Written, length_penalty: float = 0.0) -> bool:
    """Whether the first text has the higher score, by more than rounding."""
    margin = AHEAD / first.length**length_penalty
    return first.score(length_penalty) - second.score(length_penalty) > margin


@dataclass(frozen=True)
class SearchErrors:
    """What an analysis found.

    Attributes:
        rows: Every source, in order.
        num_beams: Of the search that is judged; 1 is greedy.
        wider: Beams of the second search; 0 where there was none.
        length_penalty: Alpha of the score by which a search of several beams ranks.
        bleu: Of the search that is judged, 0 to 100.
        wider_bleu: Of the wider one.
    """

    rows: Sequence[JudgedRow]
    num_beams: int
    wider: int
    length_penalty: float
    bleu: Metric
    wider_bleu: Metric | None

    @property
    def ranked_by(self) -> float:
        """Alpha of the judged search; a greedy one has no use for it."""
        return self.length_penalty if self.num_beams > 1 else 0.0

    def of_kind(self, verdict: Verdict, *, by_score: bool = False) -> list[JudgedRow]:
        """The rows with a verdict, by probability or by the search's own score."""
        alpha = self.ranked_by if by_score else 0.0
        return [row for row in self.rows if row.verdict(alpha) == verdict]

    def share(self, verdict: Verdict, *, by_score: bool = False) -> Metric:
        """The share of a kind of error among the wrong outputs, with Wilson's interval."""
        wrong = len(self.rows) - len(self.of_kind("right"))
        return counted_share(len(self.of_kind(verdict, by_score=by_score)), wrong)

    def mended(self) -> Metric:
        """The share of the search errors of which the wider search finds something as probable as the reference."""
        errors = self.of_kind("search")
        return counted_share(sum(row.mended for row in errors), len(errors))

    def overlooked(self) -> Metric:
        """The share of all outputs than which the wider search finds a more probable text: search errors without a
        look at the reference."""
        found = sum(row.wider is not None and is_ahead(row.wider, row.written) for row in self.rows)
        return counted_share(found, len(self.rows))

    def figures(self) -> dict[str, float]:
        """The few numbers of the analysis by name, shares as fractions: what a card or a table shows."""
        figures: dict[str, float] = {
            "outputs": len(self.rows),
            "wrong": len(self.rows) - len(self.of_kind("right")),
            "cut_off": sum(not row.written.ended for row in self.rows),
            "search_errors": len(self.of_kind("search")),
            "model_errors": len(self.of_kind("model")),
            **_named("search_error_share", self.share("search")),
            **_named("model_error_share", self.share("model")),
            **_named("search_error_share_by_score", self.share("search", by_score=True)),
            **_named("model_error_share_by_score", self.share("model", by_score=True)),
            **_named("bleu", self.bleu),
        }
        if self.wider_bleu is not None:
            figures |= {
                **_named("mended_share", self.mended()),
                "mended_exactly": sum(row.mended_exactly for row in self.of_kind("search")),
                **_named("overlooked_share", self.overlooked()),
                **_named("wider_bleu", self.wider_bleu),
            }
        return figures

    def examples(self, verdict: Verdict, count: int = 3) -> list[JudgedRow]:
        """The clearest rows with a verdict: those where reference and output differ most in probability."""

        def distance(row: JudgedRow) -> float:
            return -abs(row.reference.log_probability - row.written.log_probability)

        return sorted(self.of_kind(verdict), key=distance)[:count]

    def to_dict(self, *, examples: int = 3) -> dict[str, Any]:
        """Plain data for JSON: options, `figures`, and some examples of each kind of error."""
        return {
            "num_beams": self.num_beams,
            "wider": self.wider,
            "length_penalty": self.length_penalty,
            "figures": self.figures(),
            "examples": {
                verdict: [asdict(row) for row in self.examples(verdict, examples)] for verdict in ("search", "model")
            },
        }


def _named(name: str, metric: Metric) -> dict[str, float]:
    return {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}


def analyse_search(
    model: Any,
    tokenizer: Any,
    sources: Sequence[str],
    references: Sequence[str],
    *,
    num_beams: int | None = None,
    wider: int = WIDER,
    batch_size: int = BATCH,
    seed: int = 0,
) -> SearchErrors:
    """Translate, and say of each wrong output whether the search or the model is at fault.

    Args:
        model: Any encoder-decoder of transformers that writes texts (``AutoModelForSeq2SeqLM``).
        tokenizer: Its tokenizer.
        sources: Texts to translate.
        references: The right translation of each.
        num_beams: Of the search to judge; by default as the model's generation config says. All other options of the
            search are the generation config's, but nothing is drawn at random.
        wider: Beams of the second search; 0 to go without.
        batch_size: Sources searched at once.
        seed: Of the bootstrap that gives BLEU its interval.

    Returns:
        The verdicts, in the order of the sources.

    Raises:
        OptionError: The model is no encoder-decoder, or a number of beams is out of range.
        DataError: There are no sources, an empty one, or as many references as sources are not given.
    """
    check_translator(model, "the model")
    beams = num_beams if num_beams is not None else model.generation_config.num_beams or 1
    if beams < 1 or (wider and wider <= beams):
        raise OptionError(f"num_beams must be at least 1 and wider be more, or 0 to go without; not {beams}, {wider}")
    check_pairs(sources, references)
    encoded = encode_texts(tokenizer, sources)
    targets = encode_texts(tokenizer, references, targets=True)
    given = [
        Written(text, found.log_probability, found.length)
        for text, found in zip(references, forced(model, tokenizer, encoded, targets, batch_size), strict=True)
    ]
    written = searched(model, tokenizer, encoded, beams, batch_size)
    second = searched(model, tokenizer, encoded, wider, max(1, batch_size * beams // wider)) if wider else None
    rows = [
        JudgedRow(source, reference, answer, None if second is None else second[row])
        for row, (source, reference, answer) in enumerate(zip(sources, given, written, strict=True))
    ]
    scheme = tokenizer.init_kwargs.get("bleu_tokenize", BLEU_TOKENIZE)

    def bleu(answers: Sequence[Written]) -> Metric:
        counts = counts_of([answer.text for answer in answers], references, tokenize=scheme)
        return TextTranslation().metrics(Predictions(counts), seed=seed)["bleu"]

    penalty = model.generation_config.length_penalty
    return SearchErrors(
        rows,
        beams,
        wider,
        1.0 if penalty is None else float(penalty),
        bleu(written),
        None if second is None else bleu(second),
    )


def check_pairs(sources: Sequence[str], references: Sequence[str]) -> None:
    """Refuse sources and references that are no pairs of texts.

    Raises:
        DataError: Says which.
    """
    if len(sources) != len(references):
        raise DataError(f"{len(sources)} sources and {len(references)} references; every source needs one reference")
    if not len(sources):
        raise DataError("the data has no rows")
    for side, texts in (("source", sources), ("reference", references)):
        if empty := [row for row, text in enumerate(texts) if not text.strip()]:
            raise DataError(f"the {side} of row {empty[0]} is empty; give texts with at least a word")


def searched(
    model: Any, tokenizer: Any, sources: Sequence[Sequence[int]], num_beams: int, batch_size: int = BATCH
) -> list[Written]:
    """What a search writes for each source, in order.

    Args:
        model: An encoder-decoder in eval mode.
        tokenizer: Its tokenizer.
        sources: Token numbers of each.
        num_beams: 1 for a greedy search.
        batch_size: Sources at once, those of like length together.
    """
    found: list[Written | None] = [None] * len(sources)
    for rows in track(_like_lengths([len(source) for source in sources], batch_size), "search", unit="batch"):
        inputs, mask = _padded(model, [sources[row] for row in rows])
        with torch.inference_mode():
            out = model.generate(
                input_ids=inputs, attention_mask=mask, num_beams=num_beams, do_sample=False, **length_limit(model)
            )
            answers = _written(model, tokenizer, inputs, mask, out)
        for row, answer in zip(rows, answers, strict=True):
            found[row] = answer
    return [answer for answer in found if answer is not None]


def forced(
    model: Any,
    tokenizer: Any,
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    batch_size: int = BATCH,
) -> list[Written]:
    """Given targets as the model holds them, each forced through it token by token.

    Args:
        model: An encoder-decoder in eval mode.
        tokenizer: Its tokenizer.
        sources: Token numbers of each source.
        targets: Token numbers of each target, the end token included.
        batch_size: Pairs at once.
    """
    start = model.config.decoder_start_token_id
    if start is None:
        start = model.generation_config.decoder_start_token_id
    if start is None:
        raise OptionError(
            f"the config of {type(model).__name__} names no decoder_start_token_id to begin a target with"
        )
    found: list[Written | None] = [None] * len(sources)
    pad = _pad(model)
    for rows in track(_like_lengths([len(target) for target in targets], batch_size), "score", unit="batch"):
        inputs, mask = _padded(model, [sources[row] for row in rows])
        longest = max(len(targets[row]) for row in rows)
        decoded = [[start, *targets[row], *[pad] * (longest - len(targets[row]))] for row in rows]
        with torch.inference_mode():
            answers = _written(model, tokenizer, inputs, mask, torch.tensor(decoded, device=inputs.device))
        for row, answer in zip(rows, answers, strict=True):
            found[row] = answer
    return [answer for answer in found if answer is not None]


def _like_lengths(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Row numbers in batches of like length."""
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _pad(model: Any) -> int:
    pad = model.config.pad_token_id
    return 0 if pad is None else int(pad)


def _padded(model: Any, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token numbers and their mask, (B, S) each."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[_pad(model)] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids.to(model.device), mask.to(model.device)


def _written(
    model: Any, tokenizer: Any, inputs: torch.Tensor, mask: torch.Tensor, decoded: torch.Tensor
) -> list[Written]:
    """Decoder tokens (B, 1 + T), the start token first, as texts with their probabilities."""
    nats = log_probabilities(model, decoded, input_ids=inputs, attention_mask=mask).tolist()
    ends = torch.as_tensor(model.generation_config.eos_token_id, device=decoded.device)
    ended = torch.isin(decoded[:, 1:], ends)  # (B, T)
    places = torch.arange(1, ended.shape[1] + 1, device=decoded.device)
    lengths = torch.where(ended, places, ended.shape[1]).amin(1).tolist()
    texts = tokenizer.batch_decode(decoded, skip_special_tokens=True)
    whole = ended.any(1).tolist()
    return [Written(*fields) for fields in zip(texts, nats, lengths, whole, strict=True)]
