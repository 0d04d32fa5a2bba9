from __future__ import annotations

import numpy as np
import pytest
import torch
from tsugiki.tensor_table import TensorTable
from tsugiki.text_table import text_table, token_stream

TEXTS = [[5, 6, 7], [], [8], [9, 10]]


def test_a_batch_is_as_wide_as_its_longest_text() -> None:
    table = text_table(TEXTS, pad_token_id=3, labels=torch.tensor([0, 1, 0, 1]))
    batch = table.batch([2, 3])
    assert batch["input_ids"].tolist() == [[8, 3], [9, 10]]
    assert batch["attention_mask"].tolist() == [[1, 0], [1, 1]]
    assert batch["labels"].tolist() == [0, 1]
    assert batch["input_ids"].dtype == torch.int64


def test_empty_texts_are_padding_alone() -> None:
    batch = text_table(TEXTS).batch([1])
    assert batch["input_ids"].tolist() == [[0]] and batch["attention_mask"].tolist() == [[0]]
    assert text_table([[], []]).batch([0, 1])["input_ids"].tolist() == [[0], [0]]


def test_the_stream_of_tokens_can_be_had_back() -> None:
    tokens, offsets = token_stream(text_table(TEXTS))
    assert tokens.tolist() == [5, 6, 7, 8, 9, 10] and offsets.tolist() == [0, 3, 3, 4, 6]
    again = text_table((tokens, offsets))
    assert again.batch([0, 3])["input_ids"].tolist() == [[5, 6, 7], [9, 10, 0]]


@pytest.mark.parametrize("rows", [[3, 0], [1, 2], [2], [0, 1, 2, 3]])
def test_the_stream_of_selected_rows_is_theirs_in_their_order(rows: list[int]) -> None:
    tokens, offsets = token_stream(text_table(TEXTS).select(rows))
    assert np.split(tokens, offsets[1:-1])[0].tolist() == TEXTS[rows[0]]
    assert tokens.tolist() == [token for row in rows for token in TEXTS[row]]


def test_batches_in_order_and_single_batches_agree() -> None:
    table = text_table(TEXTS, labels=torch.arange(4))
    (whole,) = table.batches(4)
    assert torch.equal(whole["input_ids"], table.batch([0, 1, 2, 3])["input_ids"])


def test_another_table_has_no_stream() -> None:
    with pytest.raises(ValueError, match="holds no texts"):
        token_stream(TensorTable({"labels": torch.zeros(2)}))
