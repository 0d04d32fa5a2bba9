"""Networks over words that start from named word vectors: their tokenizer and their training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from tsugiki.errors import DataError, OptionError
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import FitResult, fit

from ..words.word_tokenizer import SPECIAL, WORDS, train_tokenizer, word_list, word_tokenizer

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from ..vectors.word_vectors import WordVectors

VECTORS = "vectors"
SCALE = "vector_length"
LEARNING_RATE = "embedding_learning_rate"
OWN_OPTIONS = (VECTORS, SCALE, LEARNING_RATE)


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


def train_from_vectors(
    model: PreTrainedModel,
    train: TensorTable,
    *,
    output_dir: str | Path,
    arguments: Mapping[str, Any],
    validation: TensorTable | None = None,
    task: Task | None = None,
    processor: PreTrainedTokenizerFast | None = None,
    progress: bool = True,
    title: str = "training",
) -> FitResult:
    """Train a network over words by gradient steps, its word vectors taken from named ones where it is told to.

    Args:
        model: Has a table of word vectors (``get_input_embeddings``).
        train: Training rows.
        output_dir: Folder of the run.
        arguments: As `tsugiki.training.fit` takes them, and besides: ``vectors``, the name or folder of word vectors to
            start from; ``vector_length``, the mean length they are scaled to, by default as they are;
            ``embedding_learning_rate``, of the word vectors where it is another than that of the rest.
        validation: Rows to validate on after each epoch.
        task: Scores the validation.
        processor: The model's tokenizer, which says what words its numbers stand for; needed with ``vectors``.
        progress: Show a progress bar.
        title: What the bar calls the run.

    Raises:
        OptionError: An option is unknown or out of range, or the vectors have another size.
        DataError: The vectors know none of the model's words.
    """
    options = {name: value for name, value in arguments.items() if name not in OWN_OPTIONS}
    name, length, rate = (arguments.get(option) for option in OWN_OPTIONS)
    if name is not None:
        from ..vectors.word_vectors import WordVectors

        if processor is None:
            raise OptionError("vectors are found by their words: give the model's tokenizer as processor=")
        copy_vectors(model.get_input_embeddings(), word_list(processor), WordVectors.load(name), length=length)
    elif length is not None:
        raise OptionError(f"{SCALE} scales named vectors; name them with {VECTORS}")
    groups = None if rate is None else _groups(model, options, rate)
    return fit(
        model,
        train,
        output_dir=output_dir,
        arguments=options,
        validation=validation,
        task=task,
        parameter_groups=groups,
        progress=progress,
        title=title,
    )


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
        raise OptionError(f"{SCALE} must be above 0, not {length}")
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
