"""Persons in novels: `tsugiki/novel_names`, made by rule from `tsugiki/english_novels`, and judged by reading.

- ``train`` and ``validation``: sentences of the training books, labelled by the rules of `weak_names`; the last
  book of every thirteen, in the order of their names, is kept for ``validation``.
- ``test``: 240 sentences of the other five books, the validation part of `tsugiki/english_novels`, drawn by
  `draw_sentences` and labelled by reading them (``novel_names_read.json``). One annotator, a language model, read each
  sentence once. No rule of `weak_names` labelled any of them; but the same annotator wrote the rules afterwards, and
  so knew the titles that occur here ("Farmer", "Mistress").

What counts as a name in ``test``: given and family names of persons, also of families in the plural, without titles
("Mr.", "Farmer", "old") and possessive endings. Gods, spirits, peoples, places, houses and ships named after persons,
and occupations used as a name ("Ayah") do not. A name that a line's end broke in the scan is one name with its hyphen.
"""

from __future__ import annotations

import json
import random
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tsugiki.data.load_data import load_split, made_dataset

from ..texts.text_words import DASHES, OPENING, split_sentences
from .weak_names import LABELS, find_names, is_capitalised, name_spans, span_tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset

SOURCE = "tsugiki/english_novels"
READ = "novel_names_read.json"
SEED = 0  # of all draws
EVERY = 13  # one book of so many is for validation
SENTENCES = {"train": 1600, "validation": 600}  # of each book
READ_SENTENCES = 240
SHORTEST, LONGEST = 4, 50  # words of a sentence
_NOT_BEFORE = OPENING | frozenset(".!?:")  # behind these a capital letter may be a sentence's first


@made_dataset("train", "validation", "test")
def make_novel_names(split: str) -> Dataset:
    """One split: `tokens`, their BIO `tags` (``O``, ``B-PER``, ``I-PER``), and the book's `author` and `title`."""
    from datasets import ClassLabel, Dataset, Features, List, Value

    features = Features(
        {
            "tokens": List(Value("string")),
            "tags": List(ClassLabel(names=LABELS)),
            "author": Value("string"),
            "title": Value("string"),
        }
    )
    rows = read_rows() if split == "test" else _weak_rows(split)
    columns = {name: [row[name] for row in rows] for name in features}
    return Dataset.from_dict(columns, features=features)


def read_rows() -> list[dict[str, Any]]:
    """The sentences labelled by reading."""
    text = files(__package__ or "tsugiki_seq2seq").joinpath(READ).read_text(encoding="utf-8")
    rows = []
    for row in json.loads(text)["sentences"]:
        tokens = row["words"].split(" ")
        tags = span_tags(len(tokens), [(start, end) for start, end in row["names"]])
        rows.append({"tokens": tokens, "tags": tags, "author": row["author"], "title": row["title"]})
    return rows


def _weak_rows(split: str) -> list[dict[str, Any]]:
    """Sentences of some training books, with labels by rule."""
    books: dict[tuple[str, str], list[str]] = {}
    data = load_split(SOURCE, "train")
    for text, author, title in zip(data["text"], data["author"], data["title"], strict=True):
        books.setdefault((author, title), []).append(text)
    rows = []
    for number, (author, title) in enumerate(sorted(books)):
        if (number % EVERY == EVERY - 1) != (split == "validation"):
            continue
        sentences = [sentence for text in books[author, title] for sentence in split_sentences(text)]
        names = find_names(sentences)
        kept = [sentence for sentence in sentences if is_candidate(sentence)]
        drawn = random.Random(f"{SEED} {author} {title}").sample(kept, min(SENTENCES[split], len(kept)))
        for sentence in drawn:
            tags = span_tags(len(sentence), name_spans(sentence, names))
            rows.append({"tokens": sentence, "tags": tags, "author": author, "title": title})
    return rows


def is_candidate(sentence: Sequence[str]) -> bool:
    """Whether a sentence may hold a name: one word at least has a capital letter that no sentence's begin explains.

    "I" does not count, nor a word behind a mark that may begin a sentence or a quotation, or behind a dash. Sentences
    of fewer than 4 or more than 50 words are left out, and headings that are all capital letters.
    """
    if not SHORTEST <= len(sentence) <= LONGEST:
        return False
    if all(word.isupper() for word in sentence if word.isalpha()):
        return False
    return any(
        is_capitalised(word) and before not in _NOT_BEFORE and not set(before) <= set(DASHES)
        for before, word in pairwise(sentence)
    )


def draw_sentences() -> list[dict[str, Any]]:
    """The sentences of ``test`` without their labels: drawn uniformly among all candidates of the five books."""
    data = load_split(SOURCE, "validation")
    found = [
        {"author": author, "title": title, "words": sentence}
        for text, author, title in zip(data["text"], data["author"], data["title"], strict=True)
        for sentence in split_sentences(text)
        if is_candidate(sentence)
    ]
    drawn = sorted(random.Random(SEED).sample(range(len(found)), READ_SENTENCES))
    return [found[place] for place in drawn]
