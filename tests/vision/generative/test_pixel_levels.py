from __future__ import annotations

import pytest
import torch
from tsugiki_vision.generative.pixel_levels import (
    picture_normal,
    picture_uniform,
    rounding_draws,
    to_levels,
    unit_pixels,
)


def pictures(count: int = 6, side: int = 9) -> torch.Tensor:
    return torch.randint(0, 256, (count, 1, side, side), generator=torch.Generator().manual_seed(0)) / 255


def test_whole_numbers_and_floats_are_the_same_pixels():
    whole = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    torch.testing.assert_close(unit_pixels(whole), whole.float() / 255)
    assert unit_pixels(torch.tensor([-1.0, 2.0])).tolist() == [0, 1]


def test_two_nearest_levels_part_at_half_brightness():
    pixels = torch.tensor([0, 127, 128, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    draws = rounding_draws(unit_pixels(pixels), "nearest", False)
    assert to_levels(pixels, 2, draws).flatten().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("rounding", ["nearest", "sampled"])
def test_pixels_on_a_level_stay_there(rounding):
    for levels in (2, 4, 16):
        pixels = torch.arange(levels).float().view(1, 1, 1, levels) / (levels - 1)
        for training in (False, True):
            draws = rounding_draws(pixels, rounding, training).clamp(max=0.999)
            assert to_levels(pixels, levels, draws).flatten().tolist() == list(range(levels))


def test_sampled_levels_have_the_gray_value_as_their_mean():
    gray = torch.full((400, 1, 20, 20), 0.3)
    gray[:, :, 0] = torch.linspace(0, 1, 400)[:, None, None]  # no two pictures alike
    levels = to_levels(gray, 2, rounding_draws(gray, "sampled", False))
    # 152,000 draws: the standard error is 0.0012
    assert levels[:, :, 1:].float().mean().item() == pytest.approx(0.3, abs=0.005)


def test_draws_follow_the_picture_whatever_its_batch():
    batch = pictures()
    alone = torch.cat([rounding_draws(one[None], "sampled", False) for one in batch])
    assert torch.equal(rounding_draws(batch, "sampled", False), alone)
    assert torch.equal(rounding_draws(batch.flip(0), "sampled", False), alone.flip(0))
    assert not torch.equal(alone[0], alone[1])


def test_draws_are_fresh_in_training():
    batch = pictures()
    assert not torch.equal(rounding_draws(batch, "sampled", True), rounding_draws(batch, "sampled", True))


def test_streams_are_apart_and_normal_numbers_are_normal():
    batch = pictures(50)
    assert not torch.equal(picture_uniform(batch, 5, 0), picture_uniform(batch, 5, 1))
    normal = picture_normal(batch, 2000, 1).double()
    assert torch.isfinite(normal).all()
    # 100,000 draws: standard errors 0.003, 0.0045 and 0.015
    assert normal.mean().item() == pytest.approx(0, abs=0.015)
    assert normal.var().item() == pytest.approx(1, abs=0.02)
    assert (normal**4).mean().item() == pytest.approx(3, abs=0.1)
