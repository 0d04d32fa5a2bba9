from __future__ import annotations

import pytest
from tsugiki.data.load_data import load_split, splits
from tsugiki_seq2seq.tagging.novel_names import SOURCE, draw_sentences, is_candidate, read_rows
from tsugiki_seq2seq.tagging.token_classification import entities
from tsugiki_seq2seq.tagging.weak_names import LABELS, find_names, name_spans, span_tags, titled_spans
from tsugiki_seq2seq.texts.text_words import split_sentences

BOOK = """Mr. Darcy came to Netherfield. Mr. Darcy bowed. Darcy was proud, and Netherfield was cold. "Come," said Lizzy.
"No," said Lizzy Bennet. Then Lizzy laughed in London. Mr. Bennet read; Mrs. Bennet slept at Longbourn.
Miss Young was young. Miss Young left. Young men danced, for young men do. The Lord Mayor of London saw Lady Catherine.
Lady Catherine frowned behind Darcy House. He loved old Fitzwilliam Darcy. MR. DARCY AGAIN. It was He."""


def labelled(text: str, book: str = BOOK) -> list[str]:
    sentences = list(split_sentences(book))
    names = find_names(sentences)
    words = next(split_sentences(text))
    return [" ".join(words[start:end]) for start, end in name_spans(words, names)]


def test_names_stand_behind_titles_and_come_back():
    assert labelled("Darcy met Lady Catherine and Mrs. Bennet") == ["Darcy", "Catherine", "Bennet"]


def test_who_speaks_is_a_name():
    assert labelled("Then Lizzy left Netherfield for London") == ["Lizzy"]


def test_a_first_name_joins_a_known_one():
    assert labelled("He loved Fitzwilliam Darcy") == ["Fitzwilliam Darcy"]


def test_a_common_word_is_a_name_behind_a_title_only():
    assert labelled("Miss Young danced") == ["Young"]
    assert labelled("The Young danced") == []


def test_ranks_places_and_houses_are_no_names():
    assert labelled("The Lord Mayor saw Darcy House in London") == []


def test_headings_are_read_too():
    assert labelled("MR DARCY AGAIN") == ["DARCY"]


def test_titles_take_names_up_to_what_is_none():
    words = ["Captain", "Frederick", "Wentworth", "and", "Sir", "Walter"]
    assert titled_spans(words) == [(1, 3), (5, 6)]


def test_tags_and_spans_say_the_same():
    spans = [(0, 2), (2, 3), (5, 6)]
    assert [(start, end) for _, start, end in entities(span_tags(7, spans))] == spans


def test_candidates_have_a_capital_letter_that_needs_a_reason():
    assert is_candidate(["Then", "she", "saw", "Emma", "."])
    assert not is_candidate(["Then", "I", "saw", "him", ",", "and", "I'll", "go", "."])
    assert not is_candidate(["He", "said", ",", '"', "Come", "here", ".", '"'])
    assert not is_candidate(["THE", "END", "OF", "IT"])
    assert not is_candidate(["See", "Emma"])


def test_at_least_200_sentences_were_read():
    rows = read_rows()
    assert len(rows) == 240
    assert len({row["title"] for row in rows}) == 5
    names = [" ".join(row["tokens"][start:end]) for row in rows for _, start, end in entities(row["tags"])]
    assert len(names) == 258
    assert all(name[0].isupper() for name in names)
    assert all(len(row["tags"]) == len(row["tokens"]) and set(row["tags"]) <= set(LABELS) for row in rows)


@pytest.mark.data(SOURCE)
def test_the_read_sentences_are_those_drawn():
    drawn = draw_sentences()
    read = read_rows()
    assert [row["words"] for row in drawn] == [row["tokens"] for row in read]
    assert [(row["author"], row["title"]) for row in drawn] == [(row["author"], row["title"]) for row in read]


def test_the_data_set_is_found_by_its_name():
    assert splits("tsugiki/novel_names") == ["train", "validation", "test"]
    data = load_split("tsugiki/novel_names", "test")
    assert data.features["tags"].feature.names == LABELS
    assert data[8]["tokens"][:3] == ['"', "Mrs.", "Morrison"]
    assert data[8]["tags"][:3] == [0, 0, 1]


def test_weak_labels_are_made_of_training_books(tmp_path, monkeypatch):
    from datasets import Dataset

    folder = tmp_path / "tsugiki" / "english_novels" / "data"
    folder.mkdir(parents=True)
    rows = [
        {"text": paragraph, "author": f"A{number:02}", "title": f"T{number:02}", "year": 1850}
        for number in range(13)
        for paragraph in BOOK.split("\n")
    ]
    Dataset.from_list(rows).to_parquet(folder / "train-00000-of-00001.parquet")
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path))
    train, validation = (load_split("tsugiki/novel_names", split) for split in ("train", "validation"))
    assert set(validation["title"]) == {"T12"}
    assert len(set(train["title"])) == 12
    found: set[str] = set()
    for row in validation:
        found |= {word for word, tag in zip(row["tokens"], row["tags"], strict=True) if tag}
    assert {"Darcy", "Lizzy", "Bennet", "Catherine"} <= found
    assert not found & {"Netherfield", "London", "Mayor", "Mr.", "Longbourn"}
