"""Networks over words that start from named word vectors: their tokenizer and their training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from tsugiki.errors import DataError, OptionError
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, number

from ..words.word_tokenizer import SPECIAL, WORDS, train_tokenizer, word_list, word_tokenizer

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from ..vectors.word_vectors import WordVectors


@dataclass(frozen=True)
class VectorOptions(TrainerOptions):
    """What `train_from_vectors` takes besides the arguments of `fit`.

    Attributes:
        vectors: Name or folder of word vectors to start from.
        vector_length: The mean length they are scaled to; by default they stay as they are.
        embedding_learning_rate: Of the word vectors, where it is another than that of the rest.
    """

    vectors: str | None = None
    vector_length: float | None = number(None, above=0)
    embedding_learning_rate: float | None = number(None, least=0)


def train_tokenizer_with_vectors(
    dataset: Dataset,
    columns: Mapping[str, str],
    *,
    vectors: str | None = None,
    max_vector_words: int | None = None,
    lowercase: bool = True,
    pattern: str = WORDS,
    **options: Any,
) -> PreTrainedTokenizerFast:
    """Learn the vocabulary from training rows, and add that of named vectors, so that words unseen here have one too.

    Args:
        dataset: The training rows.
        columns: Columns by role; the words are those of the role ``text``.
        vectors: Name or folder of word vectors.
        max_vector_words: Only so many of their words are added, the first, which are the commonest.
        lowercase: Whether case is ignored.
        pattern: Regular expression of a word.
        **options: The other ones of `word_tokenizer.train_word_tokenizer`.

    Returns:
        A tokenizer with the words of the training rows first.

    Raises:
        OptionError: An option is out of range.
        DataError: There is no text.
    """
    if max_vector_words is not None and (vectors is None or max_vector_words < 1):
        raise OptionError(f"max_vector_words must be at least 1 and needs vectors, not {max_vector_words}")
    learnt = train_tokenizer(dataset, columns, lowercase=lowercase, pattern=pattern, **options)
    if vectors is None:
        return learnt
    from ..vectors.word_vectors import WordVectors

    own = word_list(learnt)[SPECIAL:]
    known = {*own, *word_list(learnt)[:SPECIAL]}
    added = [word for word in list(WordVectors.load(vectors).words)[:max_vector_words] if word not in known]
    return word_tokenizer([*own, *added], lowercase=lowercase, pattern=pattern)


def train_from_vectors(model: PreTrainedModel, job: TrainingJob) -> FitResult:
    """Train a network over words by gradient steps, its word vectors taken from named ones where it is told to.

    Args:
        model: Has a table of word vectors (``get_input_embeddings``).
        job: Its arguments are those of `VectorOptions` and of `fit`. Its processor, the model's tokenizer, says what
            words its numbers stand for; it is needed with ``vectors``.

    Raises:
        OptionError: An option is unknown or out of range, or the vectors have another size.
        DataError: The vectors know none of the model's words.
    """
    own, job = job.split_options(VectorOptions)
    if own.vectors is not None:
        from ..vectors.word_vectors import WordVectors

        if job.processor is None:
            raise OptionError("vectors are found by their words: give the model's tokenizer as processor=")
        named, words = WordVectors.load(own.vectors), word_list(job.processor)
        copy_vectors(model.get_input_embeddings(), words, named, length=own.vector_length)
    elif own.vector_length is not None:
        raise OptionError("vector_length scales named vectors; name them with vectors")
    rate = own.embedding_learning_rate
    return fit(model, job, parameter_groups=None if rate is None else _groups(model, job.arguments, rate))


@torch.no_grad()
def copy_vectors(
    embedding: nn.Module, words: Sequence[str], vectors: WordVectors, *, length: float | None = None
) -> int:
    """Give a model's words the vectors that others have learnt; words that those do not know keep their own.

    Args:
        embedding: The model's table, `nn.Embedding` (V, D).
        words: Its words, by number (V,).
        vectors: Where to take them from, (W, D).
        length: Scale the vectors to this mean length.

    Returns:
        How many words have got one.

    Raises:
        OptionError: The sizes D differ, or the length is not above 0.
        DataError: The vectors know none of the words.
    """
    assert isinstance(embedding, nn.Embedding)
    size = vectors.matrix.shape[1]
    if size != embedding.embedding_dim:
        raise OptionError(
            f"the vectors have {size} numbers a word and the model {embedding.embedding_dim}; set its hidden_size to "
            f"{size}"
        )
    if length is not None and length <= 0:
        raise OptionError(f"vector_length must be above 0, not {length}")
    pairs = [(number, vectors.index[word]) for number, word in enumerate(words) if word in vectors.index]
    if not pairs:
        raise DataError("the vectors know none of the model's words; are they of another language or case?")
    numbers, rows = zip(*pairs, strict=True)
    taken = torch.from_numpy(vectors.matrix[list(rows)].copy()).to(embedding.weight)  # (n, D)
    if length is not None:
        taken *= length / taken.norm(dim=1).mean()
    embedding.weight[list(numbers)] = taken
    return len(pairs)


def _groups(model: PreTrainedModel, options: Mapping[str, Any], rate: float) -> list[dict[str, Any]]:
    """Optimizer groups with a learning rate of their own for the word vectors, which are not decayed."""
    table: set[Tensor] = set(model.get_input_embeddings().parameters())
    rest = [one for one in model.parameters() if one.requires_grad and one not in table]
    trained = [one for one in table if one.requires_grad]
    groups: list[dict[str, Any]] = [{"params": rest}]
    if "learning_rate" in options:
        groups[0]["lr"] = options["learning_rate"]
    if trained:
        groups.append({"params": trained, "lr": rate, "weight_decay": 0.0})
    return groups
