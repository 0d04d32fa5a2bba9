"""Pooling to a grid: PyTorch's own adaptive pooling, in a graph too, whatever the size of the maps."""

from __future__ import annotations

import io

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional as F
from tsugiki.adaptive_pooling import AdaptivePooling, adaptive_pool


def test_outside_a_graph_it_is_pytorchs_own():
    maps = torch.randn(2, 3, 5, 8)
    assert torch.equal(adaptive_pool(maps, 3), F.adaptive_avg_pool2d(maps, 3))
    assert torch.equal(AdaptivePooling(4, "max")(maps), F.adaptive_max_pool2d(maps, 4))


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("bins", [1, 3, 7])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_exported_graph_pools_maps_of_other_sizes_too(pooling, bins):
    module = AdaptivePooling(bins, pooling)
    file = io.BytesIO()
    torch.onnx.export(
        module,
        (torch.randn(2, 3, 8, 8),),
        file,
        dynamo=False,
        input_names=["maps"],
        output_names=["pooled"],
        dynamic_axes={"maps": {0: "batch", 2: "height", 3: "width"}, "pooled": {0: "batch"}},
    )
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for shape in ((2, 3, 8, 8), (1, 3, 11, 5), (3, 3, 2, 16), (1, 3, 1, 1)):
        maps = torch.randn(shape)
        (pooled,) = session.run(None, {"maps": maps.numpy()})
        np.testing.assert_allclose(pooled, module(maps).numpy(), rtol=1e-5, atol=1e-6)
