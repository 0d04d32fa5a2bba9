from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tsugiki_vision.classifiers.pyramid_pooling import PyramidPooling, pyramid_bins


def by_hand(maps: np.ndarray, levels: tuple[int, ...], reduce) -> np.ndarray:
    """The bins of the paper's appendix A, one by one."""
    height, width = maps.shape[2:]
    values = []
    for n in levels:
        for channel in range(maps.shape[1]):
            for i in range(n):
                for j in range(n):
                    rows = slice(math.floor(i * height / n), math.ceil((i + 1) * height / n))
                    columns = slice(math.floor(j * width / n), math.ceil((j + 1) * width / n))
                    values.append(reduce(maps[:, channel, rows, columns], axis=(1, 2)))
    return np.stack(values, axis=1)


@pytest.mark.parametrize("shape", [(13, 13), (10, 7), (5, 8), (2, 3), (1, 1)])
@pytest.mark.parametrize(("pooling", "reduce"), [("max", np.max), ("average", np.mean)])
def test_pools_the_bins_of_appendix_a(shape, pooling, reduce):
    maps = torch.randn(2, 3, *shape)
    found = PyramidPooling((6, 3, 2, 1), pooling)(maps)
    np.testing.assert_allclose(found.numpy(), by_hand(maps.numpy(), (6, 3, 2, 1), reduce), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [13, 10])  # conv5 of the paper at 224 and at 180 pixels
def test_bins_are_the_sliding_windows_of_section_2_3(size):
    """Windows of ceil(a / n) with stride floor(a / n)."""
    maps = torch.randn(1, 4, size, size)
    windows = [F.max_pool2d(maps, math.ceil(size / n), size // n).flatten(1) for n in (3, 2, 1)]
    assert torch.equal(PyramidPooling((3, 2, 1))(maps), torch.cat(windows, dim=1))


def test_length_is_the_bins_times_the_channels_at_any_size():
    pooling = PyramidPooling((4, 2, 1))
    assert pyramid_bins((4, 2, 1)) == 21
    assert {pooling(torch.randn(2, 5, height, width)).shape for height in (1, 4, 9) for width in (2, 7, 12)} == {
        (2, 105)
    }
