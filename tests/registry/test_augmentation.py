"""Augmentation is a pure function of (seed, epoch, row)."""

from __future__ import annotations

import pytest
import torch
from tsugiki.augmentation import Augmentation, counter_uniform
from tsugiki.errors import OptionError
from tsugiki.tensor_table import TensorTable

EVERYTHING = Augmentation(
    flip=True, pad_crop=2, degrees=10, translate=0.1, scale=0.1, shear=5, brightness=0.2, contrast=0.2, cutout=3
)


def pictures(rows: int = 12, channels: int = 3, side: int = 16) -> TensorTable:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (rows, channels, side, side), dtype=torch.uint8, generator=generator)
    return TensorTable({"pixel_values": pixels, "labels": torch.arange(rows)})


def test_uniform_numbers_are_uniform_and_independent_of_their_company():
    numbers = counter_uniform(torch.arange(20_000), 4, seed=3, epoch=2)
    assert numbers.shape == (20_000, 4)
    assert 0 <= numbers.min() < 0.001 and 0.999 < numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.005 and abs(numbers.var() - 1 / 12) < 0.002
    assert torch.corrcoef(numbers.T).fill_diagonal_(0).abs().max() < 0.03
    alone = counter_uniform(torch.tensor([777]), 4, seed=3, epoch=2)
    assert torch.equal(alone[0], numbers[777])


@pytest.mark.parametrize("change", [{"seed": 4}, {"epoch": 3}, {"stream": 1}])
def test_seed_epoch_and_stream_each_change_the_numbers(change):
    key = {"seed": 3, "epoch": 2, "stream": 0}
    rows = torch.arange(64)
    assert not torch.equal(counter_uniform(rows, 2, **key), counter_uniform(rows, 2, **{**key, **change}))


def test_splitmix64_matches_a_plain_integer_reference():
    def reference(state: int) -> int:
        mask = (1 << 64) - 1
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        return state ^ (state >> 31)

    from tsugiki.counter_random import _splitmix64

    values = [0, 1, 2**63 - 1, 123456789123456789, -5, -(2**63)]
    expected = [reference(value % 2**64) for value in values]
    assert [value % 2**64 for value in _splitmix64(torch.tensor(values)).tolist()] == expected


def test_a_row_looks_the_same_in_any_batch_order_and_process():
    table = pictures().with_augmentation(EVERYTHING, seed=5)
    table.epoch = 3
    whole = table.batch(range(12))["pixel_values"]
    assert torch.allclose(table.batch([7, 2])["pixel_values"], whole[[7, 2]])
    half = table.select([1, 3, 5, 7])
    half.epoch = 3
    assert torch.allclose(half.batch([3])["pixel_values"][0], whole[7])


def test_epochs_differ_and_a_table_without_augmentation_does_not():
    table = pictures().with_augmentation(EVERYTHING, seed=5)
    first = table.batch(range(12))["pixel_values"]
    table.epoch = 1
    assert not torch.equal(table.batch(range(12))["pixel_values"], first)
    plain = table.with_augmentation(None)
    assert torch.equal(plain.batch(range(12))["pixel_values"], table.columns["pixel_values"])


def test_crop_and_flip_equal_padding_slicing_and_mirroring():
    table = pictures().with_augmentation(Augmentation(flip=True, pad_crop=2), seed=1)
    draws = counter_uniform(torch.arange(12), 3, seed=1, epoch=0)
    padded = torch.nn.functional.pad(table.columns["pixel_values"], (2, 2, 2, 2))
    result = table.batch(range(12))["pixel_values"]
    for row, (y, x, mirror) in enumerate(draws.tolist()):
        top, left = int(y * 5), int(x * 5)
        window = padded[row, :, top : top + 16, left : left + 16]
        assert torch.equal(result[row], window.flip(-1) if mirror < 0.5 else window)


def test_flip_alone_mirrors_about_half_of_the_pictures():
    table = pictures(rows=2000, channels=1, side=4).with_augmentation(Augmentation(flip=True))
    result, raw = table.batch(range(2000))["pixel_values"], table.columns["pixel_values"]
    mirrored = (result == raw.flip(-1)).flatten(1).all(1)
    assert (mirrored | (result == raw).flatten(1).all(1)).all()
    assert 900 < int(mirrored.sum()) < 1100


def test_a_rotation_by_ninety_degrees_is_rot90():
    pixels = torch.rand(1, 1, 9, 9) * 255
    draws = torch.tensor([[1.0, 0, 0, 0, 0]])
    turned = Augmentation(degrees=90)._affine(pixels, draws)
    assert torch.allclose(turned, pixels.rot90(1, (2, 3)), atol=1e-3) or torch.allclose(
        turned, pixels.rot90(-1, (2, 3)), atol=1e-3
    )


def test_light_stays_in_range_and_cutout_blanks_a_square():
    lit = pictures().with_augmentation(Augmentation(brightness=0.9, contrast=0.9)).batch(range(12))["pixel_values"]
    assert lit.min() >= 0 and lit.max() <= 255
    table = TensorTable({"pixel_values": torch.full((50, 3, 16, 16), 9, dtype=torch.uint8), "labels": torch.zeros(50)})
    blanked = (table.with_augmentation(Augmentation(cutout=6)).batch(range(50))["pixel_values"] == 0).sum((1, 2, 3))
    assert blanked.max() == 3 * 36 and blanked.min() >= 3 * 9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flp": True}, "unknown field 'flp'. Did you mean 'flip'"),
        ({"degrees": -1}, "must not be negative"),
        ({"scale": 1.5}, "must be below 1"),
        ({"cutout": "big"}, "must be a number"),
        ({"degrees": float("nan")}, "must not be negative"),
    ],
)
def test_wrong_fields_are_refused(values, message):
    with pytest.raises(OptionError, match=message):
        Augmentation.from_dict(values)


def test_round_trip_and_nothing():
    assert Augmentation.from_dict(None) is None and Augmentation.from_dict({}) is None
    assert Augmentation.from_dict(EVERYTHING.to_dict()) == EVERYTHING
