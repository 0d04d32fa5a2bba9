"""One sentence in several spellings: the same tokens in training and in use, and lines where they are kept."""

from __future__ import annotations

import unicodedata

import pytest
import tsugiki
from tsugiki_seq2seq.tagging.token_classification import end_of_letter
from tsugiki_seq2seq.texts.sentence_pairs import pair_table
from tsugiki_seq2seq.texts.tokenizer_training import KINDS, learn_tokenizer
from tsugiki_seq2seq.texts.word_shapes import learn_word_shapes

TEXTS = ["a caf\u00e9 in the park .", "the park is a caf\u00e9 ."] * 3


def spellings(text: str) -> list[str]:
    return [
        text,
        unicodedata.normalize("NFD", text),
        text.replace(" ", "\u00a0"),
        text.replace(" ", "\u3000"),
        "\ufeff" + text.replace(" ", "  "),
        f" {text}\r\n",
        text.replace(" ", "\n", 1),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_all_spellings_are_the_same_tokens_in_training_and_in_use(kind):
    learnt = learn_tokenizer(TEXTS, kind=kind, vocab_size=60)
    ids = learnt(spellings(TEXTS[0]), add_special_tokens=False)["input_ids"]
    assert ids == [ids[0]] * len(ids) and learnt.unk_token_id not in ids[0]
    for number in range(1, len(spellings(""))):
        other = learn_tokenizer([spellings(text)[number] for text in TEXTS], kind=kind, vocab_size=60)
        assert other.get_vocab() == learnt.get_vocab()


def test_the_words_of_a_tagger_keep_their_places_in_the_given_text():
    tokenizer = learn_word_shapes([["a", "caf\u00e9", "here"]] * 3)
    text = "\ufeffa\u00a0cafe\u0301  here"
    encoded = tokenizer(text, return_offsets_mapping=True)
    assert encoded["input_ids"] == tokenizer("a caf\u00e9 here")["input_ids"]
    places = [(start, end_of_letter(text, end)) for start, end in encoded["offset_mapping"]]
    assert [text[start:end] for start, end in places] == ["a", "cafe\u0301", "here"]


def test_references_are_compared_as_they_are_read():
    tokenizer = learn_tokenizer(TEXTS, vocab_size=60)
    table = pair_table(TEXTS[:1], [spellings(TEXTS[1])[4]], tokenizer)
    assert table.transform.references == TEXTS[1:2]


@pytest.mark.parametrize("kind", ["character", "bpe"])
def test_the_ends_of_lines_are_tokens_where_they_are_kept(kind):
    verse = ["roses are red\nviolets are blue\n"] * 3
    kept = learn_tokenizer(verse, kind=kind, vocab_size=60, keep_lines=True)
    ids = kept([verse[0], verse[0].replace("\n", "\r\n"), verse[0].replace("\n", " \u2028")])["input_ids"]
    assert ids == [ids[0]] * 3 and kept.unk_token_id not in ids[0]
    assert kept.decode(ids[0]) == verse[0]
    dropped = learn_tokenizer(verse, kind=kind, vocab_size=60)
    assert dropped.decode(dropped(verse[0])["input_ids"]) == "roses are red violets are blue"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("translate-en-de-transformer", "A man sits on a bench in a park."),
        ("translate-ja-en-transformer", "\u5f7c \u306f \u8d70 \u3063 \u305f \u3002"),
        ("waka-seq2seq", "\u3081\u3050\u308a\u3042\u3072\u3066 \u898b\u3057\u3084\u305d\u308c\u3068\u3082"),
    ],
)
def test_published_tokenizers_read_every_spelling_as_one(name, text):
    ids = tsugiki.load_processor(name)(spellings(text), add_special_tokens=False)["input_ids"]
    assert ids == [ids[0]] * len(ids)
