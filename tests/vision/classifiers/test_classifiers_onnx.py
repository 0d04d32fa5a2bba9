"""Classifiers as ONNX files where their last maps are no multiple of the grid that the hidden layers see."""

from __future__ import annotations

import pytest
import torch
import tsugiki
from tsugiki.export.export_onnx import export_onnx


@pytest.mark.parametrize(
    ("family", "choices"),
    [
        ("vgg", {"depth": 11, "width_multiplier": 0.05, "hidden_sizes": (8,), "image_size": 70, "pooled_size": 7}),
        (
            "alexnet",
            {"channels": (4, 4, 4, 4, 4), "hidden_sizes": (8, 8), "image_size": 100, "pooled_size": 6},
        ),
    ],
)
def test_maps_of_any_size_become_the_grid(family, choices, tmp_path):
    torch.manual_seed(0)
    model = tsugiki.create_model(family, num_labels=3, **choices)
    export = export_onnx(model, tmp_path / "model.onnx", check=True)
    assert export.free_axes == ["height", "width"]
    assert export.max_difference < 1e-5
