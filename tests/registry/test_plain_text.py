"""What reads the same has one spelling, in Python and as the steps of a tokenizer alike."""

from __future__ import annotations

import json
import random
import unicodedata
from pathlib import Path

import pytest
from tokenizers import normalizers
from tsugiki.plain_text import plain_text, plain_text_steps

STEPS = normalizers.Sequence(plain_text_steps())
SIGNS = "ab \t\n\r\u00a0\u3000\ufeff\u200b\u00ade\u0301\u0323\u3099か\x1c\x85\u2028\u202f"


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9 au lait",
        "cafe\u0301 au lait",
        "  caf\u00e9\u00a0au\u3000lait\r\n",
        "\ufeffcaf\u00e9 au  lait",
        "caf\u00e9\u2028au\tlait\u200b",
        "ca\u00adf\u00e9 au lait",
    ],
)
def test_spellings_of_one_sentence_are_one_text(text):
    assert plain_text(text) == STEPS.normalize_str(text) == "caf\u00e9 au lait"


def test_the_steps_of_a_tokenizer_do_the_same_to_every_sign_and_to_any_mixture():
    known = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000 and unicodedata.name(chr(code), "")]
    assert [sign for sign in known if STEPS.normalize_str(f"a{sign}b") != plain_text(f"a{sign}b")] == []
    draw = random.Random(0)
    for _ in range(2000):
        text = "".join(draw.choices(SIGNS, k=draw.randint(0, 12)))
        plain = plain_text(text)
        assert STEPS.normalize_str(text) == plain == plain_text(plain)


def test_a_text_that_is_plain_already_stays():
    for text in ("", "a", "10/10 \U0001f469\u200d\U0001f680", "don\u2019t", "名前はまだ無い。"):
        assert plain_text(text) == text


def test_the_ends_of_lines_are_kept_where_they_are_part_of_the_text():
    steps = normalizers.Sequence(plain_text_steps(keep_lines=True))
    assert steps.normalize_str(" one\u00a0 two \r\n\u2028 thre\u0301e  \n") == "one two\n\nthr\u00e9e\n"


def test_every_tokenizer_that_comes_with_a_plugin_begins_with_these_steps():
    steps = json.loads(STEPS.__getstate__())["normalizers"]
    found = list(Path(__file__).parents[2].glob("packages/*/src/*/pretrained/*/tokenizer.json"))
    assert len(found) > 15
    for file in found:
        normalizer = json.loads(file.read_text(encoding="utf-8"))["normalizer"]
        assert normalizer["normalizers"][: len(steps)] == steps, file
