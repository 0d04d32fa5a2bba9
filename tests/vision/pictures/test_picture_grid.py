from __future__ import annotations

import numpy as np
import pytest
import torch
from tsugiki_vision.pictures.picture_grid import picture_grid


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_pictures_lie_in_rows_from_left_to_right(channels, mode):
    pictures = torch.rand(5, channels, 60, 64)
    grid = picture_grid(pictures, columns=3)
    assert grid.mode == mode
    assert grid.size == (3 * 66 + 2, 2 * 62 + 2)
    pixels = np.asarray(grid).reshape(126, 200, channels)
    expected = (pictures * 255).round().byte().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(pixels[2:62, 2:66], expected[0])
    np.testing.assert_array_equal(pixels[64:124, 68:132], expected[4])


def test_small_pictures_are_enlarged_by_whole_pixels():
    grid = np.asarray(picture_grid(torch.ones(4, 1, 28, 28)))
    assert grid.shape == (124, 124)  # (2 * 30 + 2) * 2
    assert (grid[4:60, 4:60] == 255).all()


def test_values_beyond_white_are_cut_off():
    assert (np.asarray(picture_grid(torch.full((1, 1, 60, 60), 1.5)))[2:62, 2:62] == 255).all()
