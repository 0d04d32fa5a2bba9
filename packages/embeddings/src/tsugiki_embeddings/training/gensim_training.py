"""word2vec through gensim: skip-gram or CBOW, with hierarchical softmax or negative sampling, on the CPU.

`sgns` trains skip-gram with negative sampling and is reproducible with any number of threads; this is for what only
gensim has.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from gensim.models import Word2Vec
from gensim.models.callbacks import CallbackAny2Vec
from numpy.typing import NDArray
from tqdm.auto import tqdm
from tsugiki.errors import DataError, OptionError
from tsugiki.training.fit import is_main_process

from ..words.word_tokenizer import SPECIAL
from .trained_vectors import TrainedVectors

LONGEST_SENTENCE = 10_000  # gensim drops what a sentence has beyond


class NumberedSentences:
    """A corpus as gensim reads it: lists of strings, made one text at a time.

    Args:
        tokens: Numbers of words, int32 (T,).
        offsets: Where each text begins, and the end, int64 (N + 1,).
        names: What each number is called, by number; special tokens are left out.
    """

    def __init__(self, tokens: NDArray[np.int32], offsets: NDArray[np.int64], names: list[str]) -> None:
        self.tokens = tokens
        self.offsets = offsets
        self.names = names

    def __iter__(self) -> Iterator[list[str]]:
        for start, end in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True):
            numbers = self.tokens[start:end]
            numbers = numbers[numbers >= SPECIAL]
            for first in range(0, len(numbers), LONGEST_SENTENCE):
                yield [self.names[number] for number in numbers[first : first + LONGEST_SENTENCE].tolist()]


class _Progress(CallbackAny2Vec):
    """Move a bar on after each epoch."""

    def __init__(self, bar: tqdm) -> None:
        self.bar = bar

    def on_epoch_end(self, model: Word2Vec) -> None:
        self.bar.update()


def train_gensim(
    tokens: NDArray[np.int32],
    offsets: NDArray[np.int64],
    *,
    vocab_size: int,
    dimension: int,
    seed: int,
    output_dir: str | Path | None = None,
    progress: bool = True,
    title: str = "training",
    sg: int = 1,
    hs: int = 0,
    negative: int = 5,
    window: int = 5,
    epochs: int = 5,
    alpha: float = 0.025,
    min_alpha: float = 1e-4,
    sample: float = 1e-4,
    ns_exponent: float = 0.75,
    cbow_mean: int = 1,
    shrink_windows: bool = True,
    workers: int = 1,
) -> TrainedVectors:
    """Train word vectors with `gensim.models.Word2Vec`; the options have its names.

    Args:
        tokens: Numbers of words of the whole corpus, int32 (T,); 0 and 1 (padding, unknown) are left out.
        offsets: Where each text begins, and the end, int64 (N + 1,).
        vocab_size: V, with the two special tokens.
        dimension: D, gensim's ``vector_size``.
        seed: The same seed gives the same vectors with one worker; with more, gensim's threads race.
        output_dir: Unused: gensim cannot continue in the middle, so nothing is left there.
        progress: Show a progress bar.
        title: What the bar calls the run.
        sg: 1 for skip-gram, 0 for CBOW.
        hs: 1 for hierarchical softmax.
        negative: Negatives a pair; 0 for none, with ``hs=1``.
        window: Words to each side at most.
        epochs: Passes over the corpus.
        alpha: Learning rate at the start; it falls linearly.
        min_alpha: Learning rate at the end.
        sample: Threshold of subsampling; 0 keeps every word.
        ns_exponent: Power of the counts that negatives are drawn by.
        cbow_mean: 1 to take the mean of the context in CBOW, 0 for its sum.
        shrink_windows: Draw the window of each word from 1 to `window`.
        workers: Threads of gensim.

    Returns:
        The input vectors; rows of words that do not occur are zero. The history names the epochs without a loss:
        gensim's sum of it loses most of its digits on a corpus of this size.

    Raises:
        DataError: The corpus has fewer than two different words, or a number beyond the vocabulary.
        OptionError: An option is out of range, or there is neither hierarchical softmax nor a negative.
    """
    if not hs and not negative:
        raise OptionError("word2vec needs hierarchical softmax or negative sampling: hs=1, or a negative above 0")
    least: dict[str, tuple[float, float]] = {
        "dimension": (dimension, 1),
        "epochs": (epochs, 1),
        "window": (window, 1),
        "workers": (workers, 1),
        "negative": (negative, 0),
        "sample": (sample, 0),
    }
    for name, (value, bound) in least.items():
        if value < bound:
            raise OptionError(f"{name} must be at least {bound}, not {value}")
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocab_size:
        raise DataError(
            f"the corpus holds the number {int(tokens.max())}, and the vocabulary has {vocab_size:,} words; tokenise "
            "it with the tokenizer of the model"
        )
    counts = np.bincount(tokens, minlength=vocab_size)
    counts[:SPECIAL] = 0
    occurring = np.flatnonzero(counts)
    if len(occurring) < 2:
        raise DataError(
            f"the corpus holds {len(occurring)} word{'s' * (len(occurring) != 1)} of the vocabulary; vectors need at "
            "least two different ones"
        )
    names = [str(number) for number in range(vocab_size)]
    model = Word2Vec(
        vector_size=dimension,
        sg=sg,
        hs=hs,
        negative=negative,
        window=window,
        alpha=alpha,
        min_alpha=min_alpha,
        sample=sample,
        ns_exponent=ns_exponent,
        cbow_mean=cbow_mean,
        shrink_windows=shrink_windows,
        seed=seed,
        workers=workers,
        min_count=1,  # the tokenizer has left rare words out
        max_final_vocab=None,
    )
    model.build_vocab_from_freq({names[number]: int(counts[number]) for number in occurring})
    bar = tqdm(total=epochs, desc=title, unit="epoch", dynamic_ncols=True, disable=not (progress and is_main_process()))
    with bar:
        kept_words, _ = model.train(
            NumberedSentences(tokens, offsets, names),
            total_words=int(counts.sum()),
            epochs=epochs,
            start_alpha=alpha,
            end_alpha=min_alpha,
            callbacks=[_Progress(bar)],
        )
    matrix = np.zeros((vocab_size, dimension), np.float32)
    matrix[[int(name) for name in model.wv.index_to_key]] = model.wv.vectors
    return TrainedVectors(
        matrix=matrix,
        history=[{"epoch": float(epoch + 1)} for epoch in range(epochs)],
        steps=int(kept_words),  # each is a centre whose pairs gensim trains on
    )
