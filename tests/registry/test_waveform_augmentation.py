from __future__ import annotations

import pytest
import torch
from tsugiki.augmentation import Augmentation, counter_uniform
from tsugiki.augmentation_kinds import read_augmentation
from tsugiki.errors import OptionError
from tsugiki.tensor_table import TensorTable
from tsugiki.waveform_augmentation import WaveformAugmentation

EVERYTHING = WaveformAugmentation(shift=0.2, speed=0.1, gain=6, noise=0.1)


def waveforms(rows: int = 5, length: int = 200) -> torch.Tensor:
    return torch.randn(rows, length, generator=torch.Generator().manual_seed(0))


def augmented(augmentation, batch, rows=None, epoch=0, seed=0) -> torch.Tensor:
    rows = torch.arange(len(batch)) if rows is None else rows
    return augmentation({"input_values": batch}, rows=rows, epoch=epoch, seed=seed)["input_values"]


def test_draws_depend_on_seed_epoch_and_row_alone():
    batch = waveforms()
    expected = augmented(EVERYTHING, batch, epoch=3, seed=7)
    order = torch.tensor([4, 1, 3])
    assert torch.equal(augmented(EVERYTHING, batch[order], rows=order, epoch=3, seed=7), expected[order])
    assert not torch.equal(augmented(EVERYTHING, batch, epoch=4, seed=7), expected)
    assert not torch.equal(augmented(EVERYTHING, batch, epoch=3, seed=8), expected)


def test_rows_of_a_table_keep_their_draws_when_selected():
    table = TensorTable({"input_values": waveforms()}).with_augmentation(EVERYTHING, seed=1)
    together = table.batch(range(5))["input_values"]
    assert torch.equal(table.select([2, 4]).batch([1])["input_values"][0], together[4])


def test_shift_by_whole_samples_moves_and_leaves_silence():
    batch, length = waveforms(), 200
    moved = augmented(WaveformAugmentation(shift=0.25), batch)
    draws = (counter_uniform(torch.arange(5), 4, seed=0, epoch=0) * 2 - 1)[:, 0]
    for row in range(5):
        places = torch.arange(length, dtype=torch.float64) - float(draws[row]) * 0.25 * length
        before = places.floor().long()
        share = places - before
        padded = torch.nn.functional.pad(batch[row].double(), (length, length + 1))
        expected = padded[before + length] * (1 - share) + padded[before + length + 1] * share
        torch.testing.assert_close(moved[row].double(), expected, rtol=0, atol=2e-4)


def test_speed_scales_a_line_about_its_middle():
    line = torch.linspace(-1, 1, 201).expand(4, 201)
    played = augmented(WaveformAugmentation(speed=0.2), line)
    speeds = 1 + (counter_uniform(torch.arange(4), 4, seed=0, epoch=0) * 2 - 1)[:, 1:2] * 0.2
    torch.testing.assert_close(played[:, 40:160], (line * speeds)[:, 40:160], rtol=0, atol=1e-4)


def test_gain_stays_within_its_decibels():
    batch = waveforms(100)
    ratio = augmented(WaveformAugmentation(gain=6), batch).square().sum(1) / batch.square().sum(1)
    decibels = 10 * ratio.log10()
    assert decibels.abs().max() <= 6 + 1e-4
    assert decibels.std() == pytest.approx(12 / 12**0.5, rel=0.15)  # uniform from -6 to 6


def test_noise_has_the_root_mean_square_that_was_drawn():
    noise = augmented(WaveformAugmentation(noise=0.3), torch.zeros(50, 4000)).square().mean(1).sqrt()
    level = counter_uniform(torch.arange(50), 4, seed=0, epoch=0)[:, 3] * 0.3
    torch.testing.assert_close(noise, level, rtol=0.05, atol=1e-4)


def test_no_fields_change_nothing():
    assert torch.equal(augmented(WaveformAugmentation(), waveforms()), waveforms())


def test_kind_of_augmentation_follows_from_its_fields():
    assert read_augmentation({"shift": 0.1}) == WaveformAugmentation(shift=0.1)
    assert read_augmentation({"flip": True}) == Augmentation(flip=True)
    assert read_augmentation({}) is read_augmentation(None) is None
    assert EVERYTHING.to_dict() == {"shift": 0.2, "speed": 0.1, "gain": 6, "noise": 0.1}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shift": 0.1, "spede": 0.1}, "unknown field 'spede'. Did you mean 'speed'"),
        ({"shift": -0.1}, "must not be negative"),
        ({"speed": 1}, "must be below 1"),
        ({"noise": "much"}, "must be a number"),
    ],
)
def test_wrong_fields_are_refused(values, message):
    with pytest.raises(OptionError, match=message):
        read_augmentation(values)
