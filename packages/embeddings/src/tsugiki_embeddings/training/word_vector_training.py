"""How word vectors are trained from a recipe: by the method that it names, over the corpus it names."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast
from tsugiki.errors import DataError, OptionError, did_you_mean
from tsugiki.registry import import_string
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable
from tsugiki.text_table import token_stream
from tsugiki.training.fit import FitResult
from tsugiki.training.gradient_free import HARNESS

from ..vectors.word_vectors_model import WordVectorsModel
from ..words.word_tokenizer import SPECIAL, word_list
from .trained_vectors import TrainedVectors

METHODS = {
    "sgns": "tsugiki_embeddings.training.sgns:train_sgns",
    "gensim": "tsugiki_embeddings.training.gensim_training:train_gensim",
    "glove": "tsugiki_embeddings.training.glove:train_glove",
    "debias": "tsugiki_embeddings.bias.debias:train_debiased",
}


def train_word_vectors(
    model: WordVectorsModel,
    train: TensorTable,
    *,
    output_dir: str | Path,
    arguments: Mapping[str, Any],
    validation: TensorTable | None = None,
    task: Task | None = None,
    progress: bool = True,
    title: str = "training",
    processor: PreTrainedTokenizerFast | None = None,
) -> FitResult:
    """Train the vectors of a model in place; the trainer of the family ``word-vectors``.

    Args:
        model: Its vocabulary is that of the corpus.
        train: The corpus, a `tsugiki.text_table.text_table`.
        output_dir: Folder of the run.
        arguments: ``method``, one of `METHODS`, and the options of that method by their own names.
        validation: Unused: nothing is chosen.
        task: Unused.
        progress: Show a progress bar.
        title: What the bar calls the run.
        processor: The tokenizer that made the corpus, for methods that look at the words themselves.

    Raises:
        OptionError: The method is unknown, or an option of it is.
        DataError: The corpus holds no word of the vocabulary.
    """
    options = {name: value for name, value in arguments.items() if name not in HARNESS}
    method = options.pop("method", "sgns")
    if method not in METHODS:
        raise OptionError(f"unknown method {method!r}, only {', '.join(METHODS)}.{did_you_mean(str(method), METHODS)}")
    tokens, offsets = token_stream(train)
    counts = np.bincount(tokens, minlength=model.config.vocab_size)
    counts[:SPECIAL] = 0
    if not counts.any():
        raise DataError("the corpus holds no word of the vocabulary")
    train_by_method: Callable[..., TrainedVectors] = import_string(METHODS[method])
    checked = _checked(train_by_method, options, method)
    if "words" in inspect.signature(train_by_method).parameters:
        if processor is None:
            raise OptionError(f"the method {method!r} looks at the words: give the tokenizer as processor=")
        checked["words"] = word_list(processor)
    started = time.perf_counter()
    trained = train_by_method(
        tokens,
        offsets,
        vocab_size=model.config.vocab_size,
        dimension=model.config.hidden_size,
        seed=int(arguments.get("seed", 0)),
        progress=progress,
        title=title,
        output_dir=Path(output_dir),
        **checked,
    )
    set_vectors(model, trained.matrix, counts)
    return FitResult(
        history=trained.history,
        seconds=time.perf_counter() - started,
        steps=trained.steps,
        processes=trained.processes,
        best_metric=None,
        precision=trained.precision,
        device=trained.device,
    )


@torch.no_grad()
def set_vectors(model: WordVectorsModel, matrix: np.ndarray, counts: np.ndarray | None = None) -> None:
    """Put a matrix (V, D) and counts (V,) into a model; the rows of padding and unknown words become zero."""
    model.embeddings.weight.copy_(torch.from_numpy(np.asarray(matrix, np.float32)))
    model.embeddings.weight[:SPECIAL] = 0
    if counts is not None:
        model.counts.copy_(torch.from_numpy(np.asarray(counts, np.int64)))


def _checked(function: Callable[..., Any], options: Mapping[str, Any], method: str) -> dict[str, Any]:
    """The options, none of which the method does not know.

    Raises:
        OptionError: Names the option and the nearest that exists.
    """
    given = {"vocab_size", "dimension", "seed", "progress", "title", "output_dir", "words"}
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in given]
    for name in options:
        if name not in names:
            raise OptionError(
                f"training option {name!r} is unknown to the method {method!r}; its options: {', '.join(names)}."
                f"{did_you_mean(name, names)}"
            )
    return dict(options)
