"""Word vectors measured on themselves: similarity judgements and analogies, all in one call.

Training scripts and benchmarks compare methods by these figures. Cards measure the same through a recipe's
``evaluations``, with the same tasks.
"""

from __future__ import annotations

from collections.abc import Iterable

from tsugiki.cli.output import print_table
from tsugiki.data.load_data import load_split
from tsugiki.errors import OptionError, did_you_mean
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.evaluation.records import named_metrics
from tsugiki.metrics import Metric

from ..vectors.word_vectors import WordVectors

SETS = {
    "wordsim353": ("tsugiki/wordsim353", "word-similarity"),
    "simlex999": ("tsugiki/simlex999", "word-similarity"),
    "men": ("tsugiki/men", "word-similarity"),
    "analogies": ("tsugiki/google_analogies", "word-analogy"),
}
SPLIT = "validation"


def evaluate_vectors(vectors: WordVectors, sets: Iterable[str] = tuple(SETS)) -> dict[str, Metric]:
    """Measure word vectors.

    Args:
        vectors: The vectors, their words by falling frequency.
        sets: Names of `SETS`.

    Returns:
        ``spearman_<set>`` and ``coverage_<set>``, ``analogy_accuracy`` and ``analogy_coverage``, with 95 %
        intervals.

    Raises:
        OptionError: A set is unknown.
        DataError: A data set is missing, or the vocabulary has next to none of its words.
    """
    model, tokenizer = vectors.to_model()
    found: dict[str, Metric] = {}
    for name in sets:
        if name not in SETS:
            raise OptionError(f"unknown evaluation {name!r}, only {', '.join(SETS)}.{did_you_mean(name, SETS)}")
        data, task_name = SETS[name]
        task = task_named(task_name)
        table = task.table(load_split(data, SPLIT), tokenizer)
        metrics = task.metrics(predict_table(model, table, task=task))
        found |= named_metrics(metrics, name if task_name == "word-similarity" else None)
    return found


def print_evaluation(vectors: WordVectors, title: str = "", sets: Iterable[str] = tuple(SETS)) -> dict[str, Metric]:
    """Measure word vectors and print a table of the figures; takes and returns what `evaluate_vectors` does."""
    found = evaluate_vectors(vectors, sets)
    if title:
        print(title)
    rows = []
    for name, metric in found.items():
        if "coverage" not in name:
            share = found[name.replace("spearman", "coverage").replace("accuracy", "coverage")].value
            rows.append(
                (name, f"{metric.value:.3f}", f"{metric.low:.3f} to {metric.high:.3f}", f"{metric.n:,}", f"{share:.1%}")
            )
    print_table(("figure", "value", "95 %", "questions", "known"), rows, right=("value", "questions", "known"))
    return found
