"""GloVe beside gensim's word2vec on one corpus: similarity and analogies, both judged by gensim.

    python benchmarks/glove_against_word2vec.py [--rows 40000] [--epochs 25] [--x-max 10] [--threads 2]

The same words, the same dimension; each method with its own customary options: GloVe with a window of 10 on both sides
and passes over the matrix, skip-gram with negative sampling with a window of 5 and passes over the corpus.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from gensim.models import KeyedVectors
from tsugiki_embeddings.training.gensim_training import train_gensim
from tsugiki_embeddings.training.glove import train_glove
from tsugiki_embeddings.words.word_tokenizer import SPECIAL, train_word_tokenizer, word_list
from word2vec_against_gensim import encoded, question_files, scores, texts_of, train_vectors


def main() -> None:
    """Train both, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="tsugiki/english_novels")
    parser.add_argument("--rows", type=int, help="take about so many texts from all over the corpus")
    parser.add_argument("--dimension", type=int, default=100)
    parser.add_argument("--min-count", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=25, help="of GloVe")
    parser.add_argument("--window", type=int, default=10, help="of GloVe")
    parser.add_argument("--x-max", type=float, default=10.0)
    parser.add_argument("--memory-limit", type=float, default=1024, help="megabytes, of GloVe")
    parser.add_argument("--word2vec-epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    texts = texts_of(options.data, options.rows)
    tokenizer = train_word_tokenizer(texts, min_count=options.min_count)
    words = word_list(tokenizer)
    tokens, offsets = encoded(texts, tokenizer)
    print(f"{len(texts):,} texts, {len(tokens):,} words, {len(words) - SPECIAL:,} different", flush=True)
    contenders = {
        "word2vec": (train_gensim, {"epochs": options.word2vec_epochs, "workers": options.threads}),
        "GloVe": (
            train_glove,
            {
                "epochs": options.epochs,
                "window": options.window,
                "x_max": options.x_max,
                "memory_limit": options.memory_limit,
                "counting_processes": options.threads,
            },
        ),
    }
    sizes = len(words), options.dimension
    with tempfile.TemporaryDirectory() as temporary:
        files = dict(question_files(Path(temporary)))
        figures = {}
        for name, (method, arguments) in contenders.items():
            matrix, result = train_vectors(method, (tokens, offsets), sizes, seed=options.seed, **arguments)
            vectors = KeyedVectors(options.dimension)
            vectors.add_vectors(words[SPECIAL:], matrix[SPECIAL:])
            figures[name] = scores(vectors, files)
            print(f"{name}: {result.seconds:.1f} s on {result.device}", flush=True)
    print(f"\n{'':24}" + "".join(f"{name:>12}" for name in contenders))
    for figure, (_, count) in figures["GloVe"].items():
        print(f"{f'{figure} ({count:,})':24}" + "".join(f"{figures[name][figure][0]:12.3f}" for name in contenders))


if __name__ == "__main__":
    main()
