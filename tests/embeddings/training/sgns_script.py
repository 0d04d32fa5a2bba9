"""A small word2vec training: ``python sgns_script.py FOLDER``; also the job of the test with two processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tsugiki.training.fit import is_main_process
from tsugiki_embeddings.training.sgns import train_sgns
from tsugiki_embeddings.words.word_tokenizer import SPECIAL

TOPICS, WORDS_A_TOPIC = 4, 15
VOCAB_SIZE = SPECIAL + TOPICS * WORDS_A_TOPIC
OPTIONS: dict[str, Any] = {
    "vocab_size": VOCAB_SIZE,
    "dimension": 12,
    "seed": 3,
    "epochs": 2,
    "sample": 0.0,
    "block_words": 8,
    "shared_negatives": 8,
    "batch_words": 40,  # five blocks a step, which two processes cannot share evenly
    "progress": False,
}


def planted_corpus(sentences: int = 150) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Sentences whose words are all of one topic, with an unknown word here and there."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 20, sentences)
    topics = np.repeat(draw.integers(0, TOPICS, sentences), lengths)
    words = SPECIAL + topics * WORDS_A_TOPIC + draw.integers(0, WORDS_A_TOPIC, len(topics))
    words[draw.random(len(words)) < 0.02] = 1
    return words.astype(np.int32), np.concatenate([[0], lengths.cumsum()])


def main() -> None:
    folder = Path(sys.argv[1])
    result = train_sgns(*planted_corpus(), output_dir=folder / "run", **OPTIONS)
    if is_main_process():
        save_file({"matrix": result.matrix}, folder / "vectors.safetensors")
        record = {"processes": result.processes, "steps": result.steps, "history": result.history}
        (folder / "result.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
