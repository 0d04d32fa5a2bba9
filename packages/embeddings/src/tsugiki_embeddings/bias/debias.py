"""Hard debiasing of word vectors: neutralise and equalise (Bolukbasi et al. 2016, section 6).

Words that should have no gender lose their part along the gender direction. Pairs such as (brother, sister) are set to
differ along it alone, so that every neutral word is equally far from both. Gonen and Goldberg 2019 showed that this
hides bias more than it removes it: words that were biased alike stay neighbours.
`tsugiki_embeddings.bias.bias` measures both.

Which words have a gender by definition is known for those of a list. Words that are held out are judged by a linear
SVM that learnt from the list on all other words (as in section 7 of the paper), so that a figure on them says how the
method does on words that nobody wrote down.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from tsugiki.durations import Stopwatch
from tsugiki.errors import DataError, OptionError
from tsugiki.text_table import token_stream
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions

from ..vectors.word_vectors_model import WordVectorsModel
from ..words.word_counts import word_counts
from ..words.word_tokenizer import SPECIAL, word_list
from .bias import gender_direction
from .bias_lists import BiasLists, known_pairs, known_words

if TYPE_CHECKING:
    from ..vectors.word_vectors import WordVectors

SMALLEST_ROW = 1e-12  # a word's length once its gender is taken away; below, nothing is left to point anywhere


@dataclass(frozen=True)
class DebiasedVectors:
    """Debiased vectors and what was done to get them.

    Attributes:
        matrix: float32 (V, D), rows of length 1.
        direction: The gender direction float64 (D,), of length 1.
        gender_specific: The words that were left as they were, or only equalised.
        equalized: The pairs that were set to differ in gender alone.
        held_out: The words that were judged by the classifier.
    """

    matrix: NDArray[np.float32]
    direction: NDArray[np.float64]
    gender_specific: frozenset[str]
    equalized: list[tuple[str, str]]
    held_out: list[str]


@dataclass(frozen=True)
class DebiasOptions(TrainerOptions):
    """Options of the method ``debias``.

    Attributes:
        vectors: Name or folder of the word vectors that are debiased.
    """

    owner: ClassVar[str] = "the method 'debias'"

    vectors: str = ""


def train_debiased(model: WordVectorsModel, job: TrainingJob) -> FitResult:
    """Debias named word vectors by the lists of Bolukbasi et al. 2016; the method ``debias`` of a recipe.

    Args:
        model: Of the vocabulary and width of the named vectors.
        job: Its rows are the corpus, of which the words are counted and nothing is learnt; its arguments are those of
            `DebiasOptions`, and its seed that of the classifier which judges held-out words: the professions of the
            lists. Its processor is the tokenizer that made the corpus.

    Raises:
        DataError: The lists are missing, or the vectors are of another vocabulary or width.
        OptionError: An option is unknown, or the vectors or the processor are missing.
    """
    from ..vectors.word_vectors import WordVectors

    options, stopwatch = job.read_options(DebiasOptions), Stopwatch()
    if not options.vectors:
        raise OptionError("the method 'debias' debiases named word vectors; name them with vectors")
    if job.processor is None:
        raise OptionError("the method 'debias' looks at the words: give the tokenizer as processor=")
    named, words = WordVectors.load(options.vectors), word_list(job.processor)[SPECIAL:]
    dimension = model.config.hidden_size
    if list(named.words) != list(words) or named.matrix.shape[1] != dimension:
        raise DataError(
            f"{options.vectors} holds {len(named.words):,} words of {named.matrix.shape[1]} numbers, not the "
            f"{len(words):,} words of this corpus at {dimension}; give the recipe the same corpus and options"
        )
    matrix = np.zeros((len(words) + SPECIAL, dimension), np.float32)
    matrix[SPECIAL:] = debias(named, BiasLists.load(), seed=job.seed).matrix
    model.set_vectors(matrix, word_counts(token_stream(job.train)[0], model.config.vocab_size))
    return FitResult(stopwatch.seconds)


def debias(
    vectors: WordVectors,
    lists: BiasLists,
    *,
    definitional: Sequence[tuple[str, str]] | None = None,
    held_out: Sequence[str] | None = None,
    seed: int = 0,
) -> DebiasedVectors:
    """Debias word vectors, keeping some words out of everything that is fitted.

    Args:
        vectors: The word vectors.
        lists: Pairs and words.
        definitional: Pairs that define the direction; by default all of the lists.
        held_out: Words whose gender is judged by a classifier that has not seen them; by default the professions.
        seed: Of the classifier.

    Raises:
        DataError: The vocabulary has no pair that defines gender, or too few gender-specific words to learn from.
    """
    held = known_words(vectors.index, lists.professions if held_out is None else held_out)
    direction = gender_direction(vectors, lists.definitional if definitional is None else definitional).vector
    specific = gender_specific_words(vectors, lists.gender_specific, held_out=held, seed=seed)
    pairs = _separate_pairs(known_pairs(vectors.index, lists.equalize), held)
    left_alone = specific | {word for pair in pairs for word in pair}
    neutral = np.array([word not in left_alone for word in vectors.words])
    rows = np.array([[vectors.index[word] for word in pair] for pair in pairs], dtype=np.int64).reshape(-1, 2)
    matrix = equalize(neutralize(vectors.matrix, direction, neutral), direction, rows)
    return DebiasedVectors(matrix.astype(np.float32), direction, frozenset(left_alone), pairs, held)


def _separate_pairs(pairs: Sequence[tuple[str, str]], held_out: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs without held-out words; of those that share a word the first, for a word has one place only."""
    taken, kept = set(held_out), []
    for pair in pairs:
        if not taken & set(pair):
            taken.update(pair)
            kept.append(pair)
    return kept


def gender_specific_words(
    vectors: WordVectors, listed: Collection[str], *, held_out: Sequence[str] = (), seed: int = 0
) -> frozenset[str]:
    """Words with a gender by definition: those listed, and of the held-out words those that a linear SVM finds.

    Args:
        vectors: The word vectors.
        listed: Words known to be gender-specific; what the list says of held-out words is not looked at.
        held_out: Words that the SVM neither learns from nor is told about.
        seed: Of the SVM.

    Raises:
        DataError: The vocabulary has fewer than two words that are listed and not held out, or no others.
    """
    held = known_words(vectors.index, held_out)
    specific = set(known_words(vectors.index, listed)) - set(held)
    if not held:
        return frozenset(specific)
    from sklearn.svm import LinearSVC

    apart = set(held)
    seen = [row for row, word in enumerate(vectors.words) if word not in apart]
    labels = np.array([vectors.words[row] in specific for row in seen])
    if labels.sum() < 2 or labels.all():
        raise DataError(
            f"the vocabulary has {int(labels.sum())} words that are listed as gender-specific, and "
            f"{int((~labels).sum())} others; two of the one and one of the other are needed to learn from"
        )
    unit = _unit(vectors.matrix.astype(np.float64))
    classifier = LinearSVC(C=1.0, random_state=seed, max_iter=10_000).fit(unit[seen], labels)
    answers = classifier.predict(unit[[vectors.index[word] for word in held]])
    return frozenset(specific | {word for word, answer in zip(held, answers, strict=True) if answer})


def neutralize(
    matrix: NDArray[np.floating], direction: NDArray[np.floating], neutral: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Take the part along a direction away from some rows.

    Args:
        matrix: (V, D).
        direction: (D,), of length 1.
        neutral: Which rows (V,).

    Returns:
        (V, D), every row of length 1; a row that pointed along the direction and nowhere else becomes 0.
    """
    rows = _unit(matrix.astype(np.float64))
    axis = direction.astype(np.float64)
    rows[neutral] -= np.outer(rows[neutral] @ axis, axis)
    return _unit(rows)


def equalize(
    matrix: NDArray[np.floating], direction: NDArray[np.floating], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Set the words of each pair to differ along a direction alone, at the same distance from its zero.

    Args:
        matrix: (V, D), rows of length 1.
        direction: (D,), of length 1.
        pairs: Row numbers (P, 2), no row in two pairs.

    Returns:
        (V, D): what a pair has in common is the mean without its part along the direction; along it the two lie at plus
        and minus what makes their length 1, each on its own side.
    """
    rows = matrix.astype(np.float64).copy()
    axis = direction.astype(np.float64)
    for first, second in pairs:
        middle = (rows[first] + rows[second]) / 2
        common = middle - (middle @ axis) * axis
        height = np.sqrt(max(0.0, 1.0 - float(common @ common)))
        side = 1.0 if (rows[first] - rows[second]) @ axis >= 0 else -1.0
        rows[first], rows[second] = common + side * height * axis, common - side * height * axis
    return rows


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length 1; what is next to nothing becomes 0."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > SMALLEST_ROW, rows / np.maximum(lengths, SMALLEST_ROW), 0.0)
