"""Perplexity of the neural language model for each of its three contexts, and how good the vectors are that it learns.

    python benchmarks/neural_lm.py [--rows 12000] [--words 6000] [--epochs 2] [--dimension 100]

A word of tsugiki/english_novels is predicted from the four before it, from four on either side, or from the one before
it. Perplexity is that of the first rows of the validation part, other books, under one vocabulary of the most frequent
words with `<unk>` for the rest. Then the vectors in E are compared with human judgements of similarity beside those of
word2vec (gensim's skip-gram with negative sampling) trained on the same words of the same rows for as many epochs.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from scipy.stats import spearmanr
from tsugiki.data.load_data import load_split
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_embeddings.training.neural_lm import CONTEXTS, NeuralLMConfig, NeuralLMForWordPrediction
from tsugiki_embeddings.training.word_prediction import WordPrediction
from tsugiki_embeddings.words.word_tokenizer import SPECIAL, train_word_tokenizer, word_list

DATA = "tsugiki/english_novels"
SETS = ("wordsim353", "simlex999", "men")
SHOWN_TITLES = {"last_4": "last 4 words", "around_4": "4 left + 4 right", "nearest_1": "nearest 1"}


def spread(data: Dataset, rows: int) -> Dataset:
    """So many rows at equal distances, so that all books are there; all of them for 0."""
    if not 0 < rows < len(data):
        return data
    return data.select(np.linspace(0, len(data) - 1, rows).astype(int))


def similarity(words: list[str], matrix: NDArray[np.floating]) -> dict[str, tuple[float, int]]:
    """Spearman correlation of cosines with human scores by data set, and the number of pairs that are known."""
    index = {word: row for row, word in enumerate(words) if row >= SPECIAL}
    unit = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    figures = {}
    for name in SETS:
        rows = [
            (index[row["word1"].lower()], index[row["word2"].lower()], row["score"])
            for row in load_split(f"tsugiki/{name}", "validation")
            if row["word1"].lower() in index and row["word2"].lower() in index
        ]
        first, second = unit[[row[0] for row in rows]], unit[[row[1] for row in rows]]
        figures[name] = (float(spearmanr((first * second).sum(1), [row[2] for row in rows]).statistic), len(rows))
    return figures


def skip_gram(sentences: list[list[int]], words: list[str], options: argparse.Namespace) -> NDArray[np.float32]:
    """Vectors of gensim's word2vec for the same vocabulary (V, D)."""
    from gensim.models import Word2Vec

    known = [[str(number) for number in sentence if number >= SPECIAL] for sentence in sentences]
    model = Word2Vec(
        known,
        vector_size=options.dimension,
        sg=1,
        negative=5,
        window=5,
        sample=1e-4,
        min_count=1,
        epochs=options.epochs,
        workers=1,
        seed=options.seed,
    )
    matrix = np.zeros((len(words), options.dimension), np.float32)
    for number in range(SPECIAL, len(words)):
        if str(number) in model.wv:
            matrix[number] = model.wv[str(number)]
    return matrix


def train_context(
    context: str, train: TensorTable, vocabulary: int, options: argparse.Namespace
) -> tuple[NeuralLMForWordPrediction, float]:
    """A model of one context and the seconds it took."""
    from transformers import set_seed

    set_seed(options.seed)
    model = NeuralLMForWordPrediction(
        NeuralLMConfig(
            vocab_size=vocabulary,
            hidden_size=options.dimension,
            intermediate_size=options.hidden,
            context=context,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        result = fit(
            model,
            TrainingJob(
                train,
                folder,
                {
                    "num_train_epochs": options.epochs,
                    "per_device_train_batch_size": options.batch,
                    "learning_rate": options.learning_rate,
                    "lr_scheduler_type": "cosine",
                    "warmup_steps": 50,
                    "optim": "adamw_torch_fused",
                    "seed": options.seed,
                },
                title=SHOWN_TITLES[context],
            ),
        )
    return model, result.seconds


def print_similarity(
    title: str, figures: dict[str, tuple[float, int]], perplexity: str = "", seconds: float = 0
) -> None:
    """One line of the table."""
    cells = "  ".join(f"{figures[name][0]:6.3f} ({figures[name][1]:4})" for name in SETS)
    print(f"{title:18} {perplexity:>22}  {cells}  {seconds:6.0f} s", flush=True)


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=12_000, help="paragraphs to train on; 0 for all")
    parser.add_argument("--validation-rows", type=int, default=1_500, help="paragraphs to measure on; 0 for all")
    parser.add_argument("--words", type=int, default=6_000, help="size of the vocabulary")
    parser.add_argument("--dimension", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=100, help="units of the hidden layer")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8, help="rows of 64 words")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    task = WordPrediction()
    data, held = load_split(DATA, "train"), load_split(DATA, "validation")
    data, held = spread(data, options.rows), spread(held, options.validation_rows)
    texts = data["text"][:]
    tokenizer = train_word_tokenizer(texts, min_count=2, max_words=options.words)
    words = word_list(tokenizer)
    sentences = tokenizer(texts, add_special_tokens=False)["input_ids"]
    train, validation = task.table(data, tokenizer), task.table(held, tokenizer)
    unknown = np.mean([number < SPECIAL for sentence in sentences for number in sentence])
    print(
        f"{len(texts):,} paragraphs, {sum(map(len, sentences)):,} words, {options.epochs} epochs, vocabulary "
        f"{len(words):,} ({100 * unknown:.1f} % unknown), {options.dimension} numbers a word"
    )
    heads = "  ".join(f"{name + ' (pairs)':>13}" for name in SETS)
    print(f"{'context':18} {'perplexity':>22}  {heads}")
    for context in CONTEXTS:
        model, seconds = train_context(context, train, len(words), options)
        metric = task.metrics(predict_table(model, validation, batch_size=options.batch, task=task))["perplexity"]
        shown = f"{metric.value:.1f} [{metric.low:.1f}, {metric.high:.1f}]"
        matrix = model.neural_lm.embeddings.weight.detach().cpu().numpy()
        print_similarity(SHOWN_TITLES[context], similarity(words, matrix), shown, seconds)
    started = time.perf_counter()
    matrix = skip_gram(sentences, words, options)
    print_similarity("word2vec (SGNS)", similarity(words, matrix), "", time.perf_counter() - started)


if __name__ == "__main__":
    main()
