"""Batches of texts of like length: every row once, little padding, the same order for the same seed and epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tsugiki import create_model
from tsugiki.errors import OptionError
from tsugiki.tensor_table import TensorTable
from tsugiki.text_table import text_table
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki.training.length_grouping import LengthGroupedRows, row_lengths

BATCH = 4


def texts(rows: int = 402) -> TensorTable:
    draw = np.random.default_rng(0)
    return text_table([[5] * length for length in draw.integers(1, 30, rows)])


def padding(table: TensorTable, order: list[int]) -> float:
    """Share of a pass that is computed on padding."""
    lengths = table.columns["length"][order]
    widths = torch.cat([batch.max().expand(len(batch)) for batch in lengths.split(BATCH)])
    return 1 - float(lengths.sum() / widths.sum())


def test_every_row_comes_once_and_little_is_padding():
    table = texts()
    order = list(LengthGroupedRows(table, BATCH, seed=0))
    assert sorted(order) == list(range(len(table)))
    assert padding(table, order) < 0.1 < 0.3 < padding(table, torch.randperm(len(table)).tolist())


def test_batches_come_in_no_order_of_length():
    table = texts(400)
    widths = [
        max(batch) for batch in table.columns["length"][list(LengthGroupedRows(table, BATCH, seed=0))].split(BATCH)
    ]
    steps = np.diff([int(width) for width in widths])
    assert (steps > 0).sum() > 30 and (steps < 0).sum() > 30


def test_the_order_is_a_function_of_seed_and_epoch():
    table = texts()
    first = list(LengthGroupedRows(table, BATCH, seed=0))
    torch.manual_seed(1)
    assert list(LengthGroupedRows(table, BATCH, seed=0)) == first
    assert list(LengthGroupedRows(table, BATCH, seed=1)) != first
    table.epoch = 1
    assert list(LengthGroupedRows(table, BATCH, seed=0)) != first


def test_rows_are_sorted_by_the_length_of_what_is_written_and_then_of_what_is_read():
    table = TensorTable({"length": torch.tensor([7, 1, 2, 8]), "target_length": torch.tensor([3, 9, 3, 8])})
    assert row_lengths(table).argsort().tolist() == [2, 0, 3, 1]
    assert row_lengths(TensorTable({"labels": torch.zeros(3)})) is None
    with pytest.raises(ValueError, match="no column of lengths"):
        LengthGroupedRows(TensorTable({"labels": torch.zeros(3)}), BATCH, seed=0)


def classifier():
    torch.manual_seed(0)
    return create_model("words", "text-classification", vocab_size=10, num_labels=2)


def test_training_reads_batches_of_like_length(tmp_path):
    table = texts(80)
    table.columns["labels"] = torch.arange(80) % 2
    model, seen = classifier(), []
    model.register_forward_pre_hook(lambda _, __, given: seen.append(given["attention_mask"].sum(1)), with_kwargs=True)
    arguments = {
        "num_train_epochs": 2,
        "per_device_train_batch_size": BATCH,
        "train_sampling_strategy": "group_by_length",
        "seed": 7,
    }
    fit(model, TrainingJob(table, tmp_path, arguments, progress=False))
    assert len(seen) == 40
    expected = []
    for epoch in (0, 1):
        table.epoch = epoch
        order = list(LengthGroupedRows(table, BATCH, seed=7))
        expected += list(table.columns["length"][order].split(BATCH))
    assert all(torch.equal(one, other) for one, other in zip(seen, expected, strict=True))


def test_rows_without_a_length_are_refused(tmp_path):
    table = TensorTable({"input_ids": torch.ones(8, 3, dtype=torch.long), "labels": torch.arange(8) % 2})
    with pytest.raises(OptionError, match="needs rows that have a length"):
        fit(
            classifier(),
            TrainingJob(
                table, tmp_path, {"max_steps": 1, "train_sampling_strategy": "group_by_length"}, progress=False
            ),
        )
