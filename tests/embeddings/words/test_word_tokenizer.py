from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import tsugiki
from datasets import Dataset
from transformers import AutoTokenizer
from tsugiki.errors import DataError, OptionError
from tsugiki_embeddings.words.word_tokenizer import (
    PAD,
    UNKNOWN,
    train_tokenizer,
    train_word_tokenizer,
    word_list,
    word_tokenizer,
)

TEXTS = ["The cat's mat.", "the dog, the cat's DOG", "a cat's well-worn mat: 1984"]


def test_words_are_numbered_by_falling_count_and_then_the_alphabet() -> None:
    words = word_list(train_word_tokenizer(TEXTS, min_count=1))
    counts = Counter(["the", "cat's", "mat", "the", "dog", "the", "cat's", "dog", "a", "cat's", "well", "worn", "mat"])
    assert words[:2] == ["<pad>", "<unk>"]
    assert words[2:] == sorted(counts, key=lambda word: (-counts[word], word))


def test_rare_words_and_those_beyond_the_limit_are_unknown() -> None:
    tokenizer = train_word_tokenizer(TEXTS, min_count=2)
    assert word_list(tokenizer)[2:] == ["cat's", "the", "dog", "mat"]
    assert tokenizer("the well dog")["input_ids"] == [3, UNKNOWN, 4]
    assert word_list(train_word_tokenizer(TEXTS, min_count=2, max_words=3))[2:] == ["cat's", "the", "dog"]


def test_typographic_apostrophes_composed_letters_and_case_are_one() -> None:
    tokenizer = word_tokenizer(["don't", "café"])
    assert tokenizer("Don\u2019t CAFE\u0301")["input_ids"] == [2, 3]
    assert word_tokenizer(["don't"], lowercase=False)("Don't don't")["input_ids"] == [UNKNOWN, 2]


def test_shorter_texts_of_a_batch_are_filled_up() -> None:
    tokenizer = word_tokenizer(["one", "two"])
    batch = tokenizer(["one two one", "two"], padding=True)
    assert batch["input_ids"] == [[2, 3, 2], [3, PAD, PAD]] and batch["attention_mask"][1] == [1, 0, 0]


def test_transformers_alone_loads_it_from_a_snapshot(tmp_path: Path) -> None:
    tokenizer = train_word_tokenizer(TEXTS, min_count=1)
    tokenizer.save_pretrained(tmp_path)
    tsugiki.create_model("word-vectors", "base", vocab_size=len(tokenizer)).save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == tokenizer.get_vocab()
    assert again("The cat's dog")["input_ids"] == tokenizer("The cat's dog")["input_ids"]
    assert tsugiki.load_processor(tmp_path)("mat")["input_ids"] == tokenizer("mat")["input_ids"]


def test_rows_without_a_text_are_passed_over() -> None:
    dataset = Dataset.from_dict({"line": ["one two", None, "two"]})
    assert word_list(train_tokenizer(dataset, {"text": "line"}, min_count=1))[2:] == ["two", "one"]


@pytest.mark.parametrize(("texts", "what"), [([], "no word"), (["... 12"], "no word"), (["one one"], "one word only")])
def test_a_corpus_without_two_words_is_refused(texts: list[str], what: str) -> None:
    with pytest.raises(DataError, match=what):
        train_word_tokenizer(texts, min_count=1)


def test_bad_options_and_words_that_stand_twice_are_refused() -> None:
    with pytest.raises(OptionError, match="at least 1"):
        train_word_tokenizer(TEXTS, min_count=0)
    with pytest.raises(DataError, match="'one' twice"):
        word_tokenizer(["one", "one"])
