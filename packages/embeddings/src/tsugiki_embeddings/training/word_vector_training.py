"""How word vectors are trained from a recipe: by the method that it names, over the corpus it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tsugiki.errors import OptionError, did_you_mean
from tsugiki.registry import import_string
from tsugiki.training.job import FitResult, TrainingJob

from ..vectors.word_vectors_model import WordVectorsModel

METHODS = {
    "sgns": "tsugiki_embeddings.training.sgns:train_sgns",
    "gensim": "tsugiki_embeddings.training.gensim_training:train_gensim",
    "glove": "tsugiki_embeddings.training.glove:train_glove",
    "debias": "tsugiki_embeddings.bias.debias:train_debiased",
}


def train_word_vectors(model: WordVectorsModel, job: TrainingJob) -> FitResult:
    """Train the vectors of a model in place; the trainer of the family ``word-vectors``.

    Args:
        model: Its vocabulary is that of the corpus.
        job: Its rows are the corpus, a `tsugiki.text_table.text_table`; its arguments are ``method``, one of `METHODS`,
            and the options of that method. Its processor is the tokenizer that made the corpus, for methods that look
            at the words themselves. Nothing is chosen, so nothing is validated.

    Raises:
        OptionError: The method is unknown, or an option of it is.
        DataError: The corpus holds fewer than two different words of the vocabulary.
    """
    options = dict(job.arguments)
    method = options.pop("method", "sgns")
    if method not in METHODS:
        raise OptionError(f"unknown method {method!r}, only {', '.join(METHODS)}.{did_you_mean(str(method), METHODS)}")
    train: Callable[[WordVectorsModel, TrainingJob], FitResult] = import_string(METHODS[method])
    return train(model, replace(job, arguments=options))
