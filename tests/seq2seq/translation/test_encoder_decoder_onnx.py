"""Encoder-decoders as ONNX files: sources and targets of any length, or refused."""

from __future__ import annotations

import pytest
import torch
from tsugiki.errors import ExportRefusedError
from tsugiki.export.export_onnx import export_onnx
from tsugiki_seq2seq.translation.encoder_decoder import RecurrentForConditionalGeneration, RecurrentSeq2SeqConfig


def translator(**choices):
    torch.manual_seed(0)
    config = RecurrentSeq2SeqConfig(vocab_size=20, hidden_size=6, initializer_range=1.0, **choices)
    return RecurrentForConditionalGeneration(config)


@pytest.mark.parametrize(("cell_type", "attention"), [("gru", "none"), ("lstm", "luong-dot"), ("rnn", "luong-concat")])
def test_sources_and_targets_of_any_length(cell_type, attention, tmp_path):
    model = translator(cell_type=cell_type, attention=attention, decoder_layers=2)
    export = export_onnx(model, tmp_path / "model.onnx", check=True)
    assert export.inputs == ["input_ids", "attention_mask", "decoder_input_ids"]
    assert export.free_axes == ["length", "target_length"]
    assert export.max_difference < 1e-5


@pytest.mark.parametrize("choices", [{"attention": "bahdanau"}, {"attention": "luong-dot", "input_feeding": True}])
def test_attention_that_hangs_on_the_step_before_is_refused(choices, tmp_path):
    with pytest.raises(ExportRefusedError, match="what a step attends to hangs on the step before"):
        export_onnx(translator(**choices), tmp_path / "model.onnx")
