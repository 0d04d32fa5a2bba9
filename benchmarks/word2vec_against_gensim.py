"""word2vec by matrix products against gensim: speed and accuracy on one corpus, in one run.

    python benchmarks/word2vec_against_gensim.py [--rows 40000] [--threads 2] [--device cuda] [--ours-only]

Skip-gram with negative sampling in both, with the same options. Words per second are those of the corpus before
thinning, times the epochs, over the wall time of the whole training with its vocabulary tables. Both sets of vectors
are judged by gensim's own `KeyedVectors.evaluate_word_pairs` and `evaluate_word_analogies`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gensim.models import KeyedVectors
from numpy.typing import NDArray
from tsugiki.data.load_data import load_split
from tsugiki.text_table import text_table
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki_embeddings.training.gensim_training import train_gensim
from tsugiki_embeddings.training.sgns import train_sgns
from tsugiki_embeddings.vectors.word_vectors_model import WordVectorsConfig, WordVectorsModel
from tsugiki_embeddings.words.word_tokenizer import SPECIAL, train_word_tokenizer, word_list

SIMILARITY = {"WordSim-353": "tsugiki/wordsim353", "SimLex-999": "tsugiki/simlex999", "MEN": "tsugiki/men"}
ANALOGIES = "tsugiki/google_analogies"
RUN_OF_ROWS = 200  # a part of the corpus is made of runs of rows from all over it
ENCODED_AT_ONCE = 1000


def texts_of(data: str, rows: int | None) -> list[str]:
    """The texts of a data set, or about `rows` of them, from all over it."""
    texts = load_split(data, "train")["text"][:]
    if rows is None or rows >= len(texts):
        return texts
    every = max(1, round(len(texts) / rows))
    return [text for number, text in enumerate(texts) if (number // RUN_OF_ROWS) % every == 0]


def encoded(texts: list[str], tokenizer: Any) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """All words as numbers (T,), and where each text begins (N + 1,)."""
    parts: list[NDArray[np.int32]] = []
    for start in range(0, len(texts), ENCODED_AT_ONCE):
        chunk = tokenizer(texts[start : start + ENCODED_AT_ONCE], add_special_tokens=False)["input_ids"]
        parts += [np.array(numbers, np.int32) for numbers in chunk]
    return np.concatenate(parts), np.concatenate([[0], np.cumsum([len(part) for part in parts])])


def question_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The evaluation sets in gensim's formats: tab-separated pairs, and analogies in sections."""
    for name, data in SIMILARITY.items():
        rows = load_split(data, "validation")
        lines = [f"{a}\t{b}\t{score}" for a, b, score in zip(rows["word1"], rows["word2"], rows["score"], strict=True)]
        file = folder / f"{name}.tsv"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield name, file
    rows = load_split(ANALOGIES, "validation")
    sections: dict[str, list[str]] = {}
    for category, *words in zip(
        *(rows[name] for name in ("category", "word1", "word2", "word3", "word4")), strict=True
    ):
        sections.setdefault(f": {category}", []).append(" ".join(words))
    file = folder / "analogies.txt"
    file.write_text("\n".join("\n".join([title, *lines]) for title, lines in sections.items()) + "\n", encoding="utf-8")
    yield "analogies", file


def scores(vectors: KeyedVectors, files: dict[str, Path]) -> dict[str, tuple[float, int]]:
    """Spearman and accuracy with how many pairs and questions they are measured on."""
    found: dict[str, tuple[float, int]] = {}
    for name in SIMILARITY:
        total = sum(1 for _ in files[name].open(encoding="utf-8"))
        _, spearman, unknown = vectors.evaluate_word_pairs(str(files[name]), case_insensitive=True)
        found[name] = float(spearman[0]), round(total * (1 - unknown / 100))
    accuracy, sections = vectors.evaluate_word_analogies(
        str(files["analogies"]), restrict_vocab=30_000, case_insensitive=True
    )
    found["analogies"] = (
        accuracy,
        sum(len(section[kind]) for section in sections[:-1] for kind in ("correct", "incorrect")),
    )
    return found


def train_vectors(
    method: Callable[[WordVectorsModel, TrainingJob], FitResult],
    corpus: tuple[NDArray[np.int32], NDArray[np.int64]],
    sizes: tuple[int, int],
    **arguments: Any,
) -> tuple[NDArray[np.float32], FitResult]:
    """Vectors (V, D) of the sizes (V, D) by one method, and the record of its training."""
    model = WordVectorsModel(WordVectorsConfig(vocab_size=sizes[0], hidden_size=sizes[1]))
    with tempfile.TemporaryDirectory() as folder:
        result = method(model, TrainingJob(text_table(corpus), Path(folder), arguments, title=method.__name__))
    return model.embeddings.weight.detach().numpy(), result


def main() -> None:
    """Train both, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="tsugiki/english_novels")
    parser.add_argument("--rows", type=int, help="take about so many texts from all over the corpus")
    parser.add_argument("--dimension", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--negatives", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--sample", type=float, default=1e-4)
    parser.add_argument("--min-count", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of gensim, and of torch on the CPU")
    parser.add_argument(
        "--workers", type=int, default=0, help="threads that prepare our steps ahead, besides --threads"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="ours; gensim has the CPU only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ours-only", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this machine has none")
    torch.set_num_threads(options.threads)

    texts = texts_of(options.data, options.rows)
    tokenizer = train_word_tokenizer(texts, min_count=options.min_count)
    words = word_list(tokenizer)
    tokens, offsets = encoded(texts, tokenizer)
    print(
        f"{options.data}: {len(texts):,} texts, {len(tokens):,} words, {len(words) - SPECIAL:,} different", flush=True
    )

    shared = {
        "window": options.window,
        "sample": options.sample,
        "epochs": options.epochs,
        "seed": options.seed,
    }
    contenders: dict[str, tuple[Any, dict[str, Any]]] = {}
    if not options.ours_only:
        contenders["gensim"] = train_gensim, {"negative": options.negatives, "workers": options.threads}
    own = {"negatives": options.negatives, "workers": options.workers, "device": options.device}
    contenders["tsugiki"] = train_sgns, own
    with tempfile.TemporaryDirectory() as temporary:
        files = dict(question_files(Path(temporary)))
        speeds: dict[str, float] = {}
        figures: dict[str, dict[str, tuple[float, int]]] = {}
        for name, (method, arguments) in contenders.items():
            matrix, result = train_vectors(
                method, (tokens, offsets), (len(words), options.dimension), **shared, **arguments
            )
            speeds[name] = len(tokens) * options.epochs / result.seconds
            vectors = KeyedVectors(options.dimension)
            vectors.add_vectors(words[SPECIAL:], matrix[SPECIAL:])
            figures[name] = scores(vectors, files)
            print(f"{name}: {result.seconds:.1f} s, {speeds[name]:,.0f} words/s on {result.device}", flush=True)

    print(f"\n{'':24}" + "".join(f"{name:>12}" for name in contenders))
    print(f"{'words/s':24}" + "".join(f"{speeds[name]:12,.0f}" for name in contenders))
    for figure, (_, count) in figures["tsugiki"].items():
        row = "".join(f"{figures[name][figure][0]:12.3f}" for name in contenders)
        print(f"{f'{figure} ({count:,})':24}{row}")
    if not options.ours_only:
        print(f"\ntsugiki at {speeds['tsugiki'] / speeds['gensim']:.2f} x gensim's words/s")


if __name__ == "__main__":
    main()
