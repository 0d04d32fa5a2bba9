"""Training of fastText vectors, which is gensim's: on the CPU, by skip-gram or CBOW with negative sampling.

With several workers gensim's threads write over each other in an order that nobody can repeat, so the default is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tsugiki.durations import Stopwatch
from tsugiki.errors import DataError, OptionError
from tsugiki.text_table import token_stream
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, whole

from ..vectors.fasttext import FastTextModel
from ..words.word_counts import word_counts
from ..words.word_tokenizer import SPECIAL, word_list
from .gensim_training import NumberedSentences


@dataclass(frozen=True)
class FastTextOptions(TrainerOptions):
    """How fastText vectors are trained.

    Attributes:
        skip_gram: CBOW otherwise.
        window: Words to each side at most.
        negative: Negatives a pair.
        epochs: Passes over the corpus.
        learning_rate: At the start; it falls linearly.
        sample: Words more frequent than this are thinned out.
        workers: Threads of gensim.
    """

    skip_gram: bool = True
    window: int = whole(5, least=1)
    negative: int = whole(5, least=1)
    epochs: int = whole(5, least=1)
    learning_rate: float = 0.025
    sample: float = 1e-4
    workers: int = whole(1, least=1)


def train_fasttext(model: FastTextModel, job: TrainingJob) -> FitResult:
    """Train the vectors of a model in place; the trainer of the family ``fasttext``, which cannot continue.

    Args:
        model: Its vocabulary is that of the corpus.
        job: Its rows are the corpus, a `tsugiki.text_table.text_table`, and its arguments those of `FastTextOptions`.
            Its processor is the tokenizer that made the corpus: n-grams take the letters of its words. Nothing is
            chosen, so nothing is validated.

    Raises:
        OptionError: An option is unknown or out of range, or the tokenizer is missing or another one.
        DataError: The corpus holds fewer than two words.
    """
    from gensim.models import FastText

    options = job.read_options(FastTextOptions)
    if job.processor is None:
        raise OptionError("fastText learns from the letters of words: give the tokenizer as processor=")
    words = word_list(job.processor)
    if len(words) != model.config.vocab_size:
        raise OptionError(f"the tokenizer has {len(words)} words and the model {model.config.vocab_size}; make it anew")
    tokens, offsets = token_stream(job.train)
    counts = word_counts(tokens, len(words))
    stopwatch = Stopwatch()
    trained = FastText(
        vector_size=model.config.hidden_size,
        window=options.window,
        negative=options.negative,
        sg=int(options.skip_gram),
        alpha=options.learning_rate,
        sample=options.sample,
        workers=options.workers,
        bucket=model.config.num_buckets,
        min_n=model.config.min_n,
        max_n=model.config.max_n,
        min_count=1,  # the tokenizer has chosen the words
        seed=job.seed,
    )
    trained.build_vocab_from_freq({words[number]: int(counts[number]) for number in np.flatnonzero(counts)})
    trained.train(NumberedSentences(tokens, offsets, words), total_examples=len(offsets) - 1, epochs=options.epochs)
    set_fasttext(model, trained.wv, words, counts)
    return FitResult(stopwatch.seconds, steps=options.epochs, processes=1)


@torch.no_grad()
def set_fasttext(
    model: FastTextModel, vectors: Any, words: Sequence[str], counts: NDArray[np.int64] | None = None
) -> None:
    """Put gensim's vectors into a model.

    Args:
        model: Of the same sizes.
        vectors: A gensim `FastTextKeyedVectors`.
        words: Every token of the tokenizer by number, the special ones first; words that gensim has not are made from
            their n-grams.
        counts: How often each occurred (V,).

    Raises:
        DataError: The sizes differ.
    """
    config = model.config
    sizes = (vectors.vector_size, vectors.bucket, vectors.min_n, vectors.max_n, len(words))
    if sizes != (config.hidden_size, config.num_buckets, config.min_n, config.max_n, config.vocab_size):
        raise DataError(f"the vectors have other sizes (width, buckets, n-grams, words: {sizes}) than the model")
    model.buckets.weight.copy_(torch.from_numpy(np.array(vectors.vectors_ngrams, np.float32)))
    rows = np.zeros((len(words), config.hidden_size), np.float32)
    for number in range(SPECIAL, len(words)):
        known = vectors.key_to_index.get(words[number])
        rows[number] = (
            vectors.vectors[known] if known is not None else model.vector(words[number]).float().cpu().numpy()
        )
    model.embeddings.weight.copy_(torch.from_numpy(rows))
    if counts is not None:
        model.counts.copy_(torch.from_numpy(np.asarray(counts, np.int64)))
