from __future__ import annotations

import pytest
import torch
from tsugiki_vision.style.total_variation import total_variation_of


def test_counts_every_pair_of_neighbours_once():
    pictures = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    for row, found in enumerate(total_variation_of(pictures).tolist()):
        expected = 0.0
        for channel in range(3):
            for y in range(4):
                for x in range(5):
                    here = pictures[row, channel, y, x]
                    if y + 1 < 4:
                        expected += float((pictures[row, channel, y + 1, x] - here).abs())
                    if x + 1 < 5:
                        expected += float((pictures[row, channel, y, x + 1] - here).abs())
        assert found == pytest.approx(expected)


def test_plain_pictures_have_none():
    assert total_variation_of(torch.full((2, 3, 4, 4), 0.7)).tolist() == [0, 0]
