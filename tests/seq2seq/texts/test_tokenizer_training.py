from __future__ import annotations

import json
from collections import Counter

import pytest
from datasets import Dataset
from transformers import AutoTokenizer
from tsugiki.errors import DataError, OptionError
from tsugiki_seq2seq.texts.special_tokens import END, PAD, SPECIAL_TOKENS, START, UNKNOWN
from tsugiki_seq2seq.texts.tokenizer_training import KINDS, learn_tokenizer, train_tokenizer

TEXTS = [
    "the lowest tower is lower than the newest one .",
    "he walked slowly , and she walked slower still .",
    "彼 は 走 っ た 。",
    "雨 の 中 を 彼 は 走 っ た 。",
] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_known_texts_come_back_as_they_were(kind):
    tokenizer = learn_tokenizer(TEXTS, kind=kind, vocab_size=120)
    for text in TEXTS[:4]:
        ids = tokenizer(text)["input_ids"]
        assert UNKNOWN not in ids
        assert tokenizer.decode([*ids, END, PAD], skip_special_tokens=True) == text


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_stand_first_and_none_is_added(kind):
    tokenizer = learn_tokenizer(TEXTS, kind=kind, vocab_size=120)
    assert tokenizer.convert_ids_to_tokens([PAD, START, END, UNKNOWN]) == SPECIAL_TOKENS
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id) == (PAD, START)
    assert (tokenizer.eos_token_id, tokenizer.unk_token_id) == (END, UNKNOWN)
    assert tokenizer("")["input_ids"] == []
    assert not {PAD, START, END} & set(tokenizer(TEXTS[0])["input_ids"])


@pytest.mark.parametrize("kind", KINDS)
def test_learning_is_the_same_every_time_and_survives_the_disk(tmp_path, kind):
    first = learn_tokenizer(TEXTS, kind=kind, vocab_size=100)
    again = learn_tokenizer(iter(TEXTS), kind=kind, vocab_size=100)
    assert json.loads(first.backend_tokenizer.to_str()) == json.loads(again.backend_tokenizer.to_str())
    first.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.get_vocab() == first.get_vocab()
    assert loaded(TEXTS)["input_ids"] == first(TEXTS)["input_ids"]


@pytest.mark.parametrize("kind", ["word", "character"])
def test_words_and_characters_are_those_counted_often_enough(kind):
    tokenizer = learn_tokenizer(TEXTS, kind=kind, min_count=6)
    counts = Counter(part for text in TEXTS for part in (text.split() if kind == "word" else text))
    expected = {part for part, count in counts.items() if count >= 6}
    assert set(tokenizer.get_vocab()) == {*SPECIAL_TOKENS, *expected}


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_characters_become_the_unknown_token(kind):
    tokenizer = learn_tokenizer(TEXTS, kind=kind, vocab_size=120)
    assert UNKNOWN in tokenizer("ξ")["input_ids"]


def test_bpe_joins_the_most_frequent_pair_first():
    """Sennrich, Haddow and Birch 2016, figure 1: of low, lower, newest and widest, e s is joined first, then es t."""
    words = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    tokenizer = learn_tokenizer(words, kind="bpe", vocab_size=4 + 12 + 2)
    assert {"es", "est"} <= set(tokenizer.get_vocab())


def test_a_vocabulary_is_as_large_as_asked_at_most():
    assert len(learn_tokenizer(TEXTS, kind="bpe", vocab_size=60)) == 60
    assert len(learn_tokenizer(TEXTS, kind="word", vocab_size=10)) == 10


def test_case_is_ignored_where_asked():
    tokenizer = learn_tokenizer(["Ab aB"], kind="word", lowercase=True)
    assert tokenizer("AB")["input_ids"] == tokenizer("ab")["input_ids"] != [UNKNOWN]


def test_one_vocabulary_for_all_roles_and_what_bleu_needs_to_know(tmp_path):
    data = Dataset.from_dict({"translation": [{"ja": "犬 。", "en": "a dog ."}], "note": ["unused"]})
    tokenizer = train_tokenizer(
        data, {"source": "translation.ja", "target": "translation.en"}, kind="word", bleu_tokenize="none"
    )
    assert set(tokenizer.get_vocab()) == {*SPECIAL_TOKENS, "犬", "。", "a", "dog", "."}
    tokenizer.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).init_kwargs["bleu_tokenize"] == "none"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "bpee"}, "Did you mean 'bpe'"),
        ({"vocab_size": 4}, "above 4"),
        ({"min_count": 0}, "min_count at least 1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        learn_tokenizer(TEXTS, **options)


@pytest.mark.parametrize("kind", ["bpe", "word", "character"])
def test_empty_texts_are_refused(kind):
    with pytest.raises(DataError, match="nothing to learn"):
        learn_tokenizer(["", ""], kind=kind)
