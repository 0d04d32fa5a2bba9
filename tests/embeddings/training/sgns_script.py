"""A small word2vec training, also the job of two processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tsugiki.text_table import text_table
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.processes import is_main_process
from tsugiki_embeddings.training.sgns import train_sgns
from tsugiki_embeddings.vectors.word_vectors_model import WordVectorsConfig, WordVectorsModel
from tsugiki_embeddings.words.word_tokenizer import SPECIAL

Corpus = tuple[NDArray[np.int32], NDArray[np.int64]]
Matrix = NDArray[np.float32]
Trainer = Callable[[WordVectorsModel, TrainingJob], FitResult]

TOPICS, WORDS_A_TOPIC = 4, 15
VOCAB_SIZE = SPECIAL + TOPICS * WORDS_A_TOPIC
DIMENSION = 12
OPTIONS: dict[str, Any] = {
    "seed": 3,
    "epochs": 2,
    "sample": 0.0,
    "block_words": 8,
    "shared_negatives": 8,
    "batch_words": 40,  # five blocks a step, which two processes cannot share evenly
}


def planted_corpus(sentences: int = 150) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Sentences whose words are all of one topic, with an unknown word here and there."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 20, sentences)
    topics = np.repeat(draw.integers(0, TOPICS, sentences), lengths)
    words = SPECIAL + topics * WORDS_A_TOPIC + draw.integers(0, WORDS_A_TOPIC, len(topics))
    words[draw.random(len(words)) < 0.02] = 1
    return words.astype(np.int32), np.concatenate([[0], lengths.cumsum()])


def train(method: Trainer, folder: Path, corpus: Corpus | None = None, **arguments: Any) -> tuple[Matrix, FitResult]:
    """The vectors (V, D) of a method on a corpus, by default the planted one, and the record of its training."""
    model = WordVectorsModel(WordVectorsConfig(vocab_size=VOCAB_SIZE, hidden_size=DIMENSION))
    result = method(model, TrainingJob(text_table(corpus or planted_corpus()), folder, arguments, progress=False))
    return model.embeddings.weight.detach().numpy(), result


def train_and_save(folder: Path) -> None:
    """Train with the options above, and leave vectors and figures."""
    matrix, result = train(train_sgns, folder / "run", **OPTIONS)
    if is_main_process():
        save_file({"matrix": matrix}, folder / "vectors.safetensors")
        record = {"processes": result.processes, "steps": result.steps, "history": result.history}
        (folder / "result.json").write_text(json.dumps(record))
