"""What a trained sequence model is worth on other data: fine-tuned, beside the same network from fresh weights.

    python benchmarks/finetune_sequences.py [--only NAME] [--steps 300] [--batch 32] [--rows 500]

Depth, steps and rates are those that a user gets who names none; `--steps` and `--batch` cut all trainings short alike.

Lines, each with the interval of the task's own metric on rows that took no part:

- `translate-500`, `translate-5000`: `translate-en-de-transformer` learns English to French from so many pairs of
  Multi30k. New tokens are learnt on top of its English and German ones.
- `language-model`: `lm-word-novels` learns from a thousand paragraphs of Wikipedia, whose authors it has not read; all
  authors of the novels that are kept from it have other books among those that it has read, and `lm-char-wagahai` was
  pre-trained on both authors of `tsugiki/aozora_ja`.
- `tagger`: `ner-bilstm`, which knows persons, learns from a hundred sentences whether a person has a man's or a woman's
  title; sentences of other books are measured. The tags are made by rule from `tsugiki/novel_names`.
- `captions`: `caption-flickr8k-mini` goes on with half of the pictures. It has read the other half (and this one)
  before; the pictures measured it has not.

Both get the same rows, the same steps and the best of three or four learning rates on the same validation rows. The
fresh network keeps what is new about the vocabulary, and an encoder that the base holds frozen.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tsugiki
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from datasets import List as ListOf
from tsugiki.data.load_data import load_split
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import task_of

SEED = 0
MEN = frozenset({"Mr.", "Sir", "Lord", "Captain", "Colonel", "Monsieur", "Master", "Uncle"})
WOMEN = frozenset({"Mrs.", "Miss", "Lady", "Madame", "Mademoiselle", "Aunt", "Madam"})
TAGS = ["O", "B-MAN", "I-MAN", "B-WOMAN", "I-WOMAN"]


@dataclass(frozen=True)
class Line:
    """A base, the data that it learns from, and how."""

    base: str
    data: Callable[[int], DatasetDict]
    columns: dict[str, str] = field(default_factory=dict)


def part(dataset: Dataset, rows: int) -> Dataset:
    """So many rows, drawn."""
    return dataset.shuffle(seed=SEED).select(range(min(rows, len(dataset)))).flatten_indices()


def french(pairs: int) -> Callable[[int], DatasetDict]:
    """English and French sentences of Multi30k."""

    def read(rows: int) -> DatasetDict:
        sizes = {"train": pairs, "validation": 200, "test": rows}
        whole = {split: load_split("tsugiki/multi30k", split).remove_columns("de") for split in sizes}
        return DatasetDict({split: part(whole[split], size) for split, size in sizes.items()})

    return read


def wikipedia(rows: int) -> DatasetDict:
    """Paragraphs of Wikipedia; those that are measured are of other articles."""
    train, other = (load_split("tsugiki/wikitext2_small", split) for split in ("train", "validation"))
    return DatasetDict(
        {
            "train": train.select(range(1000)),
            "validation": train.select(range(1000, 1200)),
            "test": other.select(range(min(rows, len(other)))),
        }
    )


def titled(split: str, rows: int) -> Dataset:
    """Sentences in which every person has a title, with the tags that the titles say."""
    found: dict[str, list[Any]] = {"tokens": [], "tags": []}
    source = load_split("tsugiki/novel_names", split).shuffle(seed=SEED)
    names = source.features["tags"].feature.names
    for row in source:
        tags = tags_of(row["tokens"], [names[tag] if isinstance(tag, int) else tag for tag in row["tags"]])
        if tags is not None:
            found["tokens"].append(row["tokens"])
            found["tags"].append(tags)
        if len(found["tags"]) == rows:
            break
    return Dataset.from_dict(
        found, features=Features({"tokens": ListOf(Value("string")), "tags": ListOf(ClassLabel(names=TAGS))})
    )


def tags_of(words: Sequence[str], tags: Sequence[str]) -> list[str] | None:
    """Tags by title; None where a person has none, or nobody occurs."""
    kind, made = "", []
    for number, tag in enumerate(tags):
        if tag.startswith("B-"):
            title = words[number - 1] if number else ""
            kind = "MAN" if title in MEN else "WOMAN" if title in WOMEN else ""
            if not kind:
                return None
        made.append("O" if tag == "O" else f"{tag[:2]}{kind}")
    return made if kind else None


def persons(rows: int) -> DatasetDict:
    """A hundred sentences to learn from; those that are measured are of other books."""
    return DatasetDict(
        {
            "train": titled("train", 130).select(range(100)),
            "validation": titled("train", 130).select(range(100, 130)),
            "test": titled("validation", rows),
        }
    )


def half_the_pictures(rows: int) -> DatasetDict:
    """Half of the training pictures; a part of the other half to choose on, the validation part to measure on."""
    train = load_split("tsugiki/flickr8k_mini", "train").shuffle(seed=SEED)
    half = len(train) // 2
    return DatasetDict(
        {
            "train": train.select(range(half)).flatten_indices(),
            "validation": train.select(range(half, half + 40)).flatten_indices(),
            "test": load_split("tsugiki/flickr8k_mini", "validation"),
        }
    )


FRENCH = {"source": "en", "target": "fr"}
LINES = {
    "tagger": Line("ner-bilstm", persons),
    "captions": Line("caption-flickr8k-mini", half_the_pictures),
    "translate-500": Line("translate-en-de-transformer", french(500), FRENCH),
    "translate-5000": Line("translate-en-de-transformer", french(5000), FRENCH),
    "language-model": Line("lm-word-novels", wikipedia),
}


def run(name: str, line: Line, *, rows: int, **arguments: int | None) -> str:
    """Fine-tune, train afresh, and the row of the table.

    Args:
        name: Of the line.
        line: The line.
        rows: To measure on, at most.
        **arguments: Of the training, by transformers' names; those that are None are left to it.
    """
    started = time.perf_counter()
    data = line.data(rows)
    with tempfile.TemporaryDirectory() as folder:
        result = tsugiki.finetune(
            line.base,
            data,
            output_dir=Path(folder) / name,
            columns=line.columns or None,
            compare_scratch=True,
            progress=False,
            **{argument: value for argument, value in arguments.items() if value is not None},
        )
    task = task_named(task_of(result.model))
    scratch = result.report.scratch_metrics
    assert scratch is not None
    print(result.report, flush=True)
    cells = [
        name,
        f"{len(data['train']):,} / {len(data['test']):,}",
        task.main_metric,
        str(result.metrics[task.main_metric]),
        str(scratch[task.main_metric]),
        str(result.depth),
        f"{time.perf_counter() - started:.0f} s",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=LINES, help="one line alone")
    parser.add_argument("--steps", type=int, help="of each training")
    parser.add_argument("--batch", type=int, help="rows of a step")
    parser.add_argument("--rows", type=int, default=500, help="to measure on, at most")
    options = parser.parse_args()
    lines = [options.only] if options.only else list(LINES)
    short = {"max_steps": options.steps, "per_device_train_batch_size": options.batch}
    rows = [run(name, LINES[name], rows=options.rows, **short) for name in lines]
    print("| line | rows learnt / measured | metric | fine-tuned | from scratch | depth | time |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
