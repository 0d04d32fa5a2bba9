"""Rows of tokens that come and go."""

import pytest
import torch
from tsugiki.token_rows import resized_rows


@pytest.mark.parametrize("values", [torch.arange(6).view(3, 2), torch.arange(3.0)])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_first_rows_are_kept_and_new_ones_filled(values, size):
    rows = resized_rows(values, size, fill=7)
    assert rows.dtype == values.dtype
    assert rows.shape == (size, *values.shape[1:])
    assert torch.equal(rows[:3], values[:size])
    assert (rows[3:] == 7).all()


def test_new_rows_may_be_the_mean_of_the_others():
    shares = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    assert torch.equal(resized_rows(shares, 3, shares.mean(0))[2], torch.tensor([0.75, 0.25]))
