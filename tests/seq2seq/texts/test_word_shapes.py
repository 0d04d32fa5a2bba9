from __future__ import annotations

import re

import pytest
from transformers import AutoTokenizer
from tsugiki.errors import DataError, OptionError
from tsugiki_seq2seq.texts.text_words import split_sentences, split_words
from tsugiki_seq2seq.texts.word_shapes import SHAPES, learn_word_shapes, shape_of, trie_pattern

TEXT = (
    "Mr. Darcy didn't look at J. Smith's hat in 1815; \"Elinor,\" said Mary-Ann, quickly running home. THE END of "
    "Mr Knightley--the O'Briens' horses, 'tis walked, St. Ives and A. B. Long"
)


def test_words_keep_titles_and_lose_possessives():
    assert split_words("Mr. Darcy's hat--don't!") == ["Mr.", "Darcy", "'s", "hat", "--", "don't", "!"]
    assert split_words("J. Smith, aged 3,000.") == ["J.", "Smith", ",", "aged", "3,000", "."]


def test_sentences_end_before_capitals_and_behind_closing_quotes():
    text = '"Come!" said Mr. Darcy. "No." She left... and came. He stayed'
    assert [" ".join(sentence) for sentence in split_sentences(text)] == [
        '" Come ! " said Mr. Darcy .',
        '" No . "',
        "She left . . . and came .",
        "He stayed",
    ]


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("Elinor", "<Xxx>"),
        ("O'Brien", "<Xxx>"),
        ("A", "<Xxx>"),
        ("LONDON", "<XX>"),
        ("walking", "<xx-ing>"),
        ("walked", "<xx-ed>"),
        ("badly", "<xx-ly>"),
        ("hats", "<xx-s>"),
        ("hat", "<xx>"),
        ("J.", "<X.>"),
        ("1,815", "<9>"),
        ("!", None),
        ("Mr.", None),
        ("'s", None),
    ],
)
def test_shapes(word, shape):
    assert shape_of(word) == shape


def known_or_shape(word: str, vocabulary: dict[str, int]) -> str:
    if word in vocabulary and word not in SHAPES and shape_of(word) not in ("<9>", "<X.>"):
        return word
    return shape_of(word) or "<unk>"


@pytest.mark.parametrize("keep", range(5))
def test_a_text_becomes_its_known_words_and_the_shapes_of_the_others(keep):
    words = split_words(TEXT)
    tokenizer = learn_word_shapes([words[keep::5], ["said", "the", "Mr.", "."]], min_count=1)
    vocabulary = tokenizer.get_vocab()
    wanted = [known_or_shape(word, vocabulary) for word in words]
    assert tokenizer.convert_ids_to_tokens(tokenizer(TEXT)["input_ids"]) == wanted
    alone = tokenizer(words, is_split_into_words=True)
    assert alone.word_ids() == list(range(len(words)))
    assert tokenizer.convert_ids_to_tokens(alone["input_ids"]) == wanted


def test_offsets_point_into_the_given_text():
    tokenizer = learn_word_shapes([["said", "."]], min_count=1)
    encoded = tokenizer("said Elinor Dashwood's dog.", return_offsets_mapping=True)
    found = ["said Elinor Dashwood's dog."[start:end] for start, end in encoded["offset_mapping"]]
    assert found == ["said", "Elinor", "Dashwood", "'s", "dog", "."]


def test_a_word_of_one_book_alone_is_known_by_its_shape():
    sentences = [["Emma", "smiled"], ["Emma", "said"], ["Jane", "said"], ["She", "said"]]
    tokenizer = learn_word_shapes(sentences, min_count=2, groups=["a", "a", "b", "b"], min_groups=2)
    assert tokenizer.tokenize("Emma said") == ["<Xxx>", "said"]


def test_auto_tokenizer_loads_it(tmp_path):
    tokenizer = learn_word_shapes([split_words(TEXT)], min_count=1)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = TEXT.replace("Darcy", "Wickham")
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert "<Xxx>" in again.tokenize(text)


def test_a_trie_matches_its_words_alone():
    words = ["a", "an", "and", "band", "ban", "o'clock"]
    pattern = re.compile(trie_pattern(words))
    assert [word for word in [*words, "b", "ba", "bands", "o", "clock", ""] if pattern.fullmatch(word)] == words


def test_bad_options_are_refused():
    with pytest.raises(OptionError, match="vocab_size"):
        learn_word_shapes([["a"]], vocab_size=5)
    with pytest.raises(DataError, match="no words"):
        learn_word_shapes([["a"]], min_count=2)
