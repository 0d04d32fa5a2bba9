"""word2vec through gensim: skip-gram or CBOW, with hierarchical softmax or negative sampling, on the CPU.

`sgns` trains skip-gram with negative sampling and is reproducible with any number of threads; this is for what only
gensim has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from gensim.models import Word2Vec
from gensim.models.callbacks import CallbackAny2Vec
from numpy.typing import NDArray
from tqdm.auto import tqdm
from tsugiki.durations import Stopwatch
from tsugiki.errors import OptionError
from tsugiki.text_table import token_stream
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, number, whole
from tsugiki.training.processes import is_main_process

from ..vectors.word_vectors_model import WordVectorsModel
from ..words.word_counts import word_counts
from ..words.word_tokenizer import SPECIAL

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


@dataclass(frozen=True)
class GensimOptions(TrainerOptions):
    """Options of the method ``gensim``, by the names of `gensim.models.Word2Vec`.

    Attributes:
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
        workers: Threads of gensim; with more than one, which race, the same seed gives other vectors every time.
    """

    owner: ClassVar[str] = "the method 'gensim'"

    sg: int = whole(1, least=0)
    hs: int = whole(0, least=0)
    negative: int = whole(5, least=0)
    window: int = whole(5, least=1)
    epochs: int = whole(5, least=1)
    alpha: float = 0.025
    min_alpha: float = 1e-4
    sample: float = number(1e-4, least=0)
    ns_exponent: float = 0.75
    cbow_mean: int = whole(1, least=0)
    shrink_windows: bool = True
    workers: int = whole(1, least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hs and not self.negative:
            raise OptionError("word2vec needs hierarchical softmax or negative sampling: hs=1, or a negative above 0")


def train_gensim(model: WordVectorsModel, job: TrainingJob) -> FitResult:
    """Train word vectors with `gensim.models.Word2Vec`, which cannot continue in the middle.

    Args:
        model: Gets the input vectors, zero for words that do not occur; its vocabulary is that of the corpus.
        job: Its rows are the corpus, a `tsugiki.text_table.text_table`, and its arguments those of `GensimOptions`.

    Returns:
        The history names the epochs without a loss: gensim's sum of it loses most of its digits on a large corpus.

    Raises:
        DataError: The corpus has fewer than two different words, or a number beyond the vocabulary.
        OptionError: An option is unknown or out of range, or there is neither hierarchical softmax nor a negative.
    """
    options, stopwatch = job.read_options(GensimOptions), Stopwatch()
    tokens, offsets = token_stream(job.train)
    vocab_size, dimension = model.config.vocab_size, model.config.hidden_size
    counts = word_counts(tokens, vocab_size)
    names = [str(number) for number in range(vocab_size)]
    chosen = asdict(options)
    epochs = chosen.pop("epochs")
    trained = Word2Vec(
        vector_size=dimension,
        seed=job.seed,
        min_count=1,  # the tokenizer has left rare words out
        max_final_vocab=None,
        **chosen,
    )
    trained.build_vocab_from_freq({names[number]: int(counts[number]) for number in np.flatnonzero(counts)})
    hidden = not (job.progress and is_main_process())
    with tqdm(total=epochs, desc=job.title, unit="epoch", dynamic_ncols=True, disable=hidden) as bar:
        kept_words, _ = trained.train(
            NumberedSentences(tokens, offsets, names),
            total_words=int(counts.sum()),
            epochs=epochs,
            start_alpha=options.alpha,
            end_alpha=options.min_alpha,
            callbacks=[_Progress(bar)],
        )
    matrix = np.zeros((vocab_size, dimension), np.float32)
    matrix[[int(name) for name in trained.wv.index_to_key]] = trained.wv.vectors
    model.set_vectors(matrix, counts)
    return FitResult(
        seconds=stopwatch.seconds,
        history=[{"epoch": float(epoch + 1)} for epoch in range(epochs)],
        steps=int(kept_words),  # each is a centre whose pairs gensim trains on
        processes=1,
    )
