"""Predictions of every shape: collected a batch at a time, selected, and kept without pickles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.predictions import PredictionParts, Predictions
from tsugiki.tensor_table import TensorTable


def boxes(count):
    draw = np.random.default_rng(count)
    return {"boxes": draw.uniform(size=(count, 4)).astype(np.float32), "scores": draw.uniform(size=count)}


ROWS = {
    "logits": (np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32), np.array([0, 4, 2])),
    "no labels": (np.eye(3), None),
    "texts": (["ein Satz", "", 'quotes " and \n lines, 猫'], ["a", "b", "c"]),
    "boxes": (
        [boxes(2), boxes(0), boxes(5)],
        [{"classes": np.arange(n)} for n in (1, 0, 3)],
    ),
    "alignments": ([[(0, 0), (1, 2)], [], [(3, 1)]], [[], [(0, 1)], []]),
    "ragged": ([np.arange(n, dtype=np.int16) for n in (4, 0, 1)], [np.zeros((n, 2), bool) for n in (1, 2, 3)]),
    "numbers": ([1, 2.5, float("nan")], [None, True, np.float32(0.1)]),
    "names": (np.array(["ab", "c", ""]), np.array([[True], [False], [True]])),
}


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, np.ndarray | np.generic):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other or (one != one and other != other)


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_what_is_kept_comes_back_as_it_was(rows, tmp_path):
    Predictions(*rows).save(tmp_path / "kept.npz")
    again = Predictions.load(tmp_path / "kept.npz")
    assert len(again) == 3
    assert_same(again.outputs, rows[0])
    assert_same(again.labels, rows[1])


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_are_selected_in_the_order_of_their_numbers(rows):
    picked = Predictions(*rows).select(np.array([2, 0]))
    assert len(picked) == 2
    for found, given in zip((picked.outputs, picked.labels), rows, strict=True):
        assert (found is None) == (given is None)
        if given is not None:
            assert_same(list(found), [given[2], given[0]])


def test_no_pickle_is_written_or_read(tmp_path):
    with pytest.raises(TypeError, match="predictions hold texts, numbers, arrays"):
        Predictions([object()]).save(tmp_path / "kept.npz")
    with pytest.raises(TypeError, match="predictions hold"):
        Predictions(np.array([{}, []], dtype=object)).save(tmp_path / "kept.npz")
    np.savez(tmp_path / "pickled.npz", layout=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        Predictions.load(tmp_path / "pickled.npz")


def test_as_many_labels_as_outputs():
    with pytest.raises(ValueError, match="3 outputs and 2 labels"):
        Predictions(np.zeros((3, 2)), np.zeros(2))


def test_batches_of_one_shape_become_an_array_and_others_a_list():
    same, ragged, half = PredictionParts(), PredictionParts(), PredictionParts()
    for rows in (2, 1):
        same.add(torch.ones(rows, 4))
        ragged.add(torch.ones(rows, rows))
        half.add([{"boxes": torch.ones(rows, 4, dtype=torch.bfloat16)}])
    assert same.joined().shape == (3, 4)
    assert [row.shape for row in ragged.joined()] == [(2,), (2,), (1,)]
    assert [row["boxes"].dtype for row in half.joined()] == [np.float32, np.float32]


def test_a_task_may_keep_a_list_of_rows_of_a_batch():
    class Boxes:
        def predictions(self, model, table, *, batch_size):
            return None

        def outputs(self, model, batch):
            return [{"boxes": torch.full((int(count), 4), 0.5)} for count in batch["count"]]

    table = TensorTable({"count": torch.tensor([3, 0, 1]), "labels": torch.tensor([1, 2, 3])})
    found = predict_table(nn.Linear(1, 1), table, batch_size=2, task=Boxes())
    assert [row["boxes"].shape for row in found.outputs] == [(3, 4), (0, 4), (1, 4)]
    assert found.labels.tolist() == [1, 2, 3]
    without = predict_table(nn.Linear(1, 1), TensorTable({"count": torch.tensor([1])}), task=Boxes())
    assert without.labels is None
