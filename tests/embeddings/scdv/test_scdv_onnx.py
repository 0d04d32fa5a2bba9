"""Document vectors as ONNX files."""

from __future__ import annotations

import pytest
import torch
import tsugiki
from tsugiki.export.export_onnx import export_onnx


@pytest.mark.parametrize("sublinear_tf", [False, True])
def test_any_number_of_documents_of_any_length(sublinear_tf, tmp_path):
    torch.manual_seed(0)
    model = tsugiki.create_model(
        "scdv", num_labels=3, vocab_size=6, hidden_size=4, num_clusters=2, sublinear_tf=sublinear_tf
    )
    export = export_onnx(model, tmp_path / "model.onnx", check=True)
    assert (export.free_axes, export.trials) == (["length"], 18)
    assert export.max_difference < 1e-5
