"""One word in several corpora: its nearest neighbours in each tell what the word means there.

A corpus is a data set of texts, on which vectors are trained on the fly by gensim's skip-gram, or a checkpoint of word
vectors. Trained vectors can be kept in a folder, a snapshot each, under a name that follows from the data's content and
the settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tsugiki.errors import DataError, OptionError, UnknownNameError
from tsugiki.progress import progress_bar, track

if TYPE_CHECKING:
    from datasets import Dataset

    from ..vectors.word_vectors import WordVectors

CORPORA = {
    "novels": "tsugiki/english_novels",
    "newsgroups": "tsugiki/20_newsgroups",
    "reviews": "cornell-movie-review-data/rotten_tomatoes",
}
TRAINED = {"novels": "word2vec-novels"}  # checkpoints of vectors that were trained on one of these, by the same method
LONGEST = 10_000  # words of a text; gensim drops the rest of a longer one without a word


@dataclass(frozen=True)
class TrainingSettings:
    """How the vectors of a corpus are trained.

    Attributes:
        dimension: Numbers a word.
        window: Words to either side.
        negative: Negative samples a pair.
        epochs: Passes over the corpus.
        min_count: Rarer words are left out.
        sample: Words more frequent than this share are thinned out.
        seed: Of the training.
    """

    dimension: int = 100
    window: int = 5
    negative: int = 5
    epochs: int = 5
    min_count: int = 5
    sample: float = 1e-4
    seed: int = 0


@dataclass(frozen=True)
class Neighbors:
    """What a word is near to in one corpus.

    Attributes:
        corpus: The corpus.
        word: The word as the vocabulary has it.
        count: How often it occurs; None where nobody counted.
        words: The nearest words with their cosines, nearest first; None if the corpus has not got the word.
    """

    corpus: str
    word: str
    count: int | None
    words: list[tuple[str, float]] | None


def compare(words: Sequence[str], corpora: dict[str, WordVectors], *, top_k: int = 10) -> dict[str, list[Neighbors]]:
    """The nearest neighbours of words in each of several corpora.

    Args:
        words: The words.
        corpora: Word vectors by the name of their corpus.
        top_k: Neighbours in each.

    Returns:
        For each word one entry a corpus, in their order.

    Raises:
        OptionError: `top_k` is not at least 1, or there is no word or no corpus.
        DataError: No corpus has one of the words.
    """
    if top_k < 1:
        raise OptionError(f"top_k must be at least 1, not {top_k}")
    if not words or not corpora:
        raise OptionError("name at least one word and one corpus")
    table = {word: [_neighbors(name, vectors, word, top_k) for name, vectors in corpora.items()] for word in words}
    for word, entries in table.items():
        if all(entry.words is None for entry in entries):
            raise DataError(f"none of the corpora {', '.join(corpora)} has the word {word!r}")
    return table


def _neighbors(name: str, vectors: WordVectors, word: str, top_k: int) -> Neighbors:
    found = vectors.spelling(word)
    if found not in vectors.index:
        return Neighbors(name, word, 0 if vectors.counts is not None else None, None)
    count = None if vectors.counts is None else int(vectors.counts[vectors.index[found]])
    return Neighbors(name, found, count, vectors.most_similar(found, top_k=top_k))


def corpus_vectors(
    corpus: str,
    *,
    split: str | None = None,
    rows: int | None = None,
    settings: TrainingSettings | None = None,
    cache: str | Path | None = None,
) -> WordVectors:
    """The word vectors of a corpus: loaded if it is a checkpoint or `trained_vectors` knows one, else trained.

    Args:
        corpus: One of `CORPORA`, a checkpoint of word vectors, or a data set of texts (its id, folder or file).
        split: Part of the data; ``train`` where there is one by default.
        rows: Only so many texts, at equal distances.
        settings: Of the training; None takes what is trained already, and the defaults where nothing is.
        cache: Folder where trained vectors are looked up and kept.

    Raises:
        TsugikiError: It is neither a checkpoint nor data, or the data has no texts.
    """
    from ..vectors.word_vectors import WordVectors

    if corpus not in CORPORA and (checkpoint := _checkpoint(corpus)) is not None:
        return WordVectors.load(checkpoint)
    if split is None and rows is None and settings is None and (installed := trained_vectors(corpus)) is not None:
        return WordVectors.load(installed)
    from tsugiki.data.load_data import load_split, splits
    from tsugiki.fingerprint import content_fingerprint

    from .map_command import text_column

    data = CORPORA.get(corpus, corpus)
    names = splits(data)
    dataset = load_split(data, split or ("train" if "train" in names else None))
    column = text_column(dataset)
    dataset = dataset.select_columns([column])
    if rows is not None and rows < len(dataset):
        dataset = dataset.select(np.linspace(0, len(dataset) - 1, rows).astype(int))
    settings = settings or TrainingSettings()
    if cache is None:
        return train_on(dataset, column, settings)
    key = json.dumps([content_fingerprint(dataset), column, vars(settings)], sort_keys=True)
    folder = Path(cache, f"{Path(corpus).name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}")
    if (folder / "config.json").is_file():
        return WordVectors.load(folder)
    vectors = train_on(dataset, column, settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    vectors.save(folder)
    return vectors


def trained_vectors(corpus: str) -> str | None:
    """The name of an installed checkpoint whose vectors were trained on all of a corpus; None where there is none."""
    name = TRAINED.get(corpus)
    return name if name is not None and _checkpoint(name) is not None else None


def _checkpoint(name: str) -> Path | None:
    """The folder of an installed checkpoint, or the one that is named; None where there is no checkpoint."""
    from tsugiki.registry import registry

    if (Path(name) / "config.json").is_file():
        return Path(name)
    try:
        return registry().checkpoint(name).path
    except UnknownNameError:
        return None


class _Sentences:
    """Texts as lists of words, read again at every pass; `done` is told of each text."""

    def __init__(self, texts: Sequence[str | None], tokenizer: Any, done: Callable[[], object]) -> None:
        self.texts = texts
        self.normalize = tokenizer.backend_tokenizer.normalizer.normalize_str
        self.part = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str
        self.done = done

    def __iter__(self) -> Iterator[list[str]]:
        for text in self.texts:
            words = [word for word, _ in self.part(self.normalize(text or ""))]
            for first in range(0, len(words), LONGEST):
                yield words[first : first + LONGEST]
            self.done()


def train_on(dataset: Dataset, column: str, settings: TrainingSettings) -> WordVectors:
    """Train word vectors on a column of texts, by skip-gram with negative sampling, one worker, the same every time.

    Raises:
        DataError: There is no text, or fewer than two words are frequent enough.
    """
    from gensim.models import Word2Vec

    from ..vectors.word_vectors import WordVectors
    from ..words.word_tokenizer import SPECIAL, train_word_tokenizer, word_list

    texts = dataset.with_format(None)[column]
    tokenizer = train_word_tokenizer(
        (text or "" for text in track(texts, "count words", unit="text")), min_count=settings.min_count
    )
    model = Word2Vec(
        vector_size=settings.dimension,
        window=settings.window,
        negative=settings.negative,
        sg=1,
        sample=settings.sample,
        min_count=settings.min_count,
        workers=1,
        seed=settings.seed,
    )
    with progress_bar("read", len(texts), unit="text") as bar:
        model.build_vocab(_Sentences(texts, tokenizer, bar.update))
    with progress_bar("train", settings.epochs * len(texts), unit="text") as bar:
        sentences = _Sentences(texts, tokenizer, bar.update)
        model.train(sentences, total_examples=model.corpus_count, epochs=settings.epochs)
    words = word_list(tokenizer)[SPECIAL:]
    matrix = np.stack([model.wv[word] for word in words]).astype(np.float32)
    counts = np.array([model.wv.get_vecattr(word, "count") for word in words], np.int64)
    return WordVectors(words, matrix, counts)
