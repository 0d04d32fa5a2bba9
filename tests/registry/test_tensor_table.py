"""Tensor tables: batches by one indexing."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader
from tsugiki.tensor_table import TensorTable


def table() -> TensorTable:
    return TensorTable({"pixel_values": torch.arange(40.0).view(10, 4), "labels": torch.arange(10)})


def test_a_data_loader_fetches_whole_batches():
    loader = DataLoader(table(), batch_size=4, collate_fn=lambda batch: batch)
    batches = list(loader)
    assert [len(batch["labels"]) for batch in batches] == [4, 4, 2]
    assert torch.equal(torch.cat([batch["pixel_values"] for batch in batches]), table().columns["pixel_values"])


def test_batches_in_order_equal_indexed_batches():
    rows = table()
    parts = list(rows.batches(3))
    assert torch.equal(torch.cat([part["labels"] for part in parts]), rows.labels)
    assert torch.equal(rows.batch([3, 4, 5])["pixel_values"], parts[1]["pixel_values"])


def test_transform_is_applied_everywhere():
    rows = TensorTable(table().columns, transform=lambda batch: {**batch, "pixel_values": batch["pixel_values"] + 1})
    assert torch.equal(rows.batch([0])["pixel_values"], torch.tensor([[1.0, 2, 3, 4]]))
    assert torch.equal(next(rows.batches(1))["pixel_values"], torch.tensor([[1.0, 2, 3, 4]]))
    assert torch.equal(rows.select([5])[0]["pixel_values"], torch.tensor([21.0, 22, 23, 24]))


def test_selected_rows_keep_their_ids():
    assert table().select([8, 1]).select([1]).row_ids.tolist() == [1]


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="share their first dimension"):
        TensorTable({"a": torch.zeros(2), "b": torch.zeros(3)})


@pytest.mark.parametrize(("side", "rows"), [(28, 256), (32, 256), (64, 64), (224, 5), (2000, 1)])
def test_large_rows_go_a_few_at_a_time_through_a_network_on_a_cpu(side, rows):
    table = TensorTable({"pixel_values": torch.zeros(1, 3, side, side), "labels": torch.zeros(1, dtype=torch.long)})
    assert table.rows_of_pass(256, "cpu") == rows
    assert table.rows_of_pass(256, "cuda:0") == 256
    assert table.rows_of_pass(2, torch.device("cpu")) == min(2, rows)


class Beside:
    """Lays a partner's number beside each row that has one, and counts the rows that it changes."""

    def __init__(self, partners: list[list[int]]) -> None:
        self.wanted, self.changed = torch.tensor(partners), 0

    def __call__(self, batch, *, rows, epoch, seed):
        self.changed += len(rows)
        return {name: column if isinstance(column, list) else column + 100 for name, column in batch.items()}

    def partners(self, rows, *, count, epoch, seed):
        return self.wanted[rows]

    def join(self, batch, partners, *, rows, epoch, seed, classes):
        return {**batch, "beside": torch.stack([one["x"] for one in partners], 1), "texts": [o["t"] for o in partners]}


def test_rows_without_a_partner_cost_nothing_and_are_filled_with_their_own():
    augmentation = Beside([[1, -1], [-1, -1], [0, -1]])
    columns = {"x": torch.arange(3), "t": ["a", "b", "c"]}
    batch = TensorTable(columns, augmentation=augmentation).batch([0, 1, 2])
    assert batch["beside"].tolist() == [[101, 100], [101, 101], [100, 102]]
    assert batch["texts"] == [["b", "b", "a"], ["a", "b", "c"]]
    assert augmentation.changed == 3 + 2
