"""Recurrent networks as ONNX files: every number of rows, length and padding, or refused."""

from __future__ import annotations

import pytest
import torch
from tsugiki.errors import ExportRefusedError
from tsugiki.export.export_onnx import export_onnx
from tsugiki_seq2seq.recurrent.recurrent import (
    RecurrentConfig,
    RecurrentForCausalLM,
    RecurrentForSequenceClassification,
    RecurrentForTokenClassification,
)
from tsugiki_seq2seq.recurrent.recurrent_layers import RecurrentStack

SIZES = {"vocab_size": 20, "hidden_size": 6, "initializer_range": 1.0}


def classifier(**choices):
    torch.manual_seed(0)
    return RecurrentForSequenceClassification(RecurrentConfig(**SIZES, **choices))


@pytest.mark.parametrize("cell_type", ["rnn", "gru", "lstm"])
def test_a_tagger_of_two_layers_that_reads_both_ways(cell_type, tmp_path):
    torch.manual_seed(0)
    config = RecurrentConfig(**SIZES, cell_type=cell_type, num_hidden_layers=2, bidirectional=True)
    export = export_onnx(RecurrentForTokenClassification(config), tmp_path / "model.onnx", check=True)
    assert export.inputs == ["input_ids", "attention_mask"]
    assert (export.free_axes, export.trials) == (["length"], 18)
    assert export.max_difference < 1e-5


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_a_classifier_of_texts(pooling, tmp_path):
    export = export_onnx(classifier(pooling=pooling, bidirectional=True), tmp_path / "model.onnx", check=True)
    assert export.max_difference < 1e-5


def test_a_language_model(tmp_path):
    torch.manual_seed(0)
    model = RecurrentForCausalLM(RecurrentConfig(**SIZES, tie_word_embeddings=True, embedding_size=5))
    assert export_onnx(model, tmp_path / "model.onnx", check=True).max_difference < 1e-5


@pytest.mark.parametrize("choices", [{"cell_type": "lstm-peephole"}, {"layer_norm": True}])
def test_cells_that_run_step_by_step_are_refused(choices, tmp_path):
    with pytest.raises(ExportRefusedError, match=r"cannot be exported to ONNX: .* computed step by step, and a graph"):
        export_onnx(classifier(**choices), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("cell_type", ["rnn", "gru", "lstm"])
def test_a_traced_stack_ends_in_the_state_of_the_packed_one(cell_type):
    """Of an LSTM the memory too, which no output shows."""
    torch.manual_seed(0)
    stack = RecurrentStack(cell_type, 3, 4, num_layers=2).eval()
    mask = torch.tensor([[1, 1, 0, 0, 0], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]])
    with torch.no_grad():
        traced = torch.jit.trace(stack, (torch.randn(3, 4, 3), torch.ones(3, 4, dtype=torch.int64)), strict=False)
        for values, inside in ((torch.randn(4, 5, 3), mask), (torch.randn(1, 2, 3), mask[:1, :2])):
            found, expected = traced(values, inside), stack(values, inside)
            torch.testing.assert_close(found, expected)
