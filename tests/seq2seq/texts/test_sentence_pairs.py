from __future__ import annotations

import pytest
import torch
from tsugiki_seq2seq.texts.sentence_pairs import IGNORED, ROW, encode, pair_table

from ..tiny_translators import REFERENCES, SOURCES, tokenizer


def table(**options):
    return pair_table(SOURCES, REFERENCES, tokenizer(), **options)


def expected(text: str) -> list[int]:
    words = tokenizer()
    return [*(words.convert_tokens_to_ids(word) for word in text.split()), words.eos_token_id]


def test_batches_hold_the_tokens_and_are_as_wide_as_their_longest_row():
    batch = table().batch([3, 1, 2])
    for row, number in enumerate([3, 1, 2]):
        source, target = expected(SOURCES[number]), expected(REFERENCES[number])
        width, long = batch["input_ids"].shape[1] - len(source), batch["labels"].shape[1] - len(target)
        assert batch["input_ids"][row].tolist() == source + [0] * width
        assert batch["attention_mask"][row].tolist() == [1] * len(source) + [0] * width
        assert batch["labels"][row].tolist() == target + [IGNORED] * long
    assert batch["input_ids"].shape[1] == max(len(expected(SOURCES[number])) for number in (3, 1, 2))
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert all(value.dtype == torch.long for value in batch.values())


def test_selected_rows_know_their_references():
    pairs = table()
    picked = pairs.select([4, 0])
    assert picked.columns[ROW].tolist() == [4, 0]
    assert [picked.transform.references[row] for row in picked.columns[ROW].tolist()] == [REFERENCES[4], REFERENCES[0]]
    assert torch.equal(picked.batch([0])["labels"], pairs.batch([4])["labels"])


def test_long_texts_lose_their_end_and_keep_the_end_token():
    batch = table(max_length=3).batch([2])
    assert batch["input_ids"][0].tolist() == [*expected(SOURCES[2])[:2], 2]
    assert batch["labels"][0].tolist() == [*expected(REFERENCES[2])[:2], 2]


def test_an_empty_text_is_its_end():
    assert encode(tokenizer(), ["", "犬"]) == [[2], expected("犬")]
    assert encode(tokenizer(), []) == []
    batch = pair_table([""], [""], tokenizer()).batch([0])
    assert batch["input_ids"].tolist() == batch["labels"].tolist() == [[2]]


def test_every_source_needs_a_target():
    with pytest.raises(ValueError, match="5 sources and 4 targets"):
        pair_table(SOURCES, REFERENCES[:4], tokenizer())
