from __future__ import annotations

import pytest
import torch
from scipy import stats
from tsugiki.augmentation import Augmentation
from tsugiki.errors import OptionError
from tsugiki.mixup import draw_partners, mix
from tsugiki.tensor_table import TensorTable


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0])
def test_shares_follow_the_beta_distribution(alpha):
    _, shares = draw_partners(torch.arange(5000), 100, alpha, seed=3, epoch=1)
    assert stats.kstest(shares.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_partners_are_spread_over_all_rows():
    partners, _ = draw_partners(torch.arange(5000), 10, 1.0, seed=3, epoch=1)
    assert stats.chisquare(torch.bincount(partners, minlength=10).numpy()).pvalue > 1e-3


def test_mixes_pictures_and_labels_by_the_same_share():
    one = {"pixel_values": torch.full((2, 1, 2, 2), 200, dtype=torch.uint8), "labels": torch.tensor([0, 2])}
    other = {"pixel_values": torch.zeros(2, 1, 2, 2, dtype=torch.uint8), "labels": torch.tensor([1, 2])}
    mixed = mix(one, other, torch.tensor([0.25, 0.5]), 3)
    assert mixed["pixel_values"][:, 0, 0, 0].tolist() == [50, 100]
    assert mixed["labels"].tolist() == [[0.25, 0.75, 0], [0, 0, 1]]


def table(**fields):
    pixels = torch.randint(0, 256, (30, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    columns = {"pixel_values": pixels, "labels": torch.arange(30) % 5}
    return TensorTable(columns).with_augmentation(Augmentation(mixup=0.5, **fields), seed=7)


def test_a_row_is_mixed_alike_in_any_batch():
    rows = table(flip=True, pad_crop=1)
    together = rows.batch([4, 9, 20])
    alone = rows.batch([9])
    assert torch.equal(together["pixel_values"][1], alone["pixel_values"][0])
    assert torch.equal(together["labels"][1], alone["labels"][0])
    assert together["labels"].shape == (3, 5)


def test_another_epoch_mixes_otherwise():
    rows = table()
    first = rows.batch(range(30))["labels"]
    rows.epoch = 1
    assert not torch.equal(rows.batch(range(30))["labels"], first)


def test_a_selection_knows_all_classes():
    assert table().select([0, 5]).batch([0])["labels"].shape == (1, 5)


def test_evaluation_batches_are_not_mixed():
    assert next(table().batches(4))["labels"].dtype == torch.int64


def test_alpha_above_one_is_refused():
    with pytest.raises(OptionError, match="mixup = 2 must be at most 1"):
        Augmentation(mixup=2)


def test_saturation_moves_colours_about_their_gray():
    batch = {"pixel_values": torch.tensor([90.0, 120.0, 150.0]).view(1, 3, 1, 1)}
    changed = Augmentation(saturation=0.5)(batch, rows=torch.tensor([5]), epoch=0, seed=0)["pixel_values"].flatten()
    assert changed.mean().item() == pytest.approx(120, abs=1e-3)
    factor = (changed[2] - 120) / 30
    assert 0.5 <= factor <= 1.5
    assert factor != 1
    torch.testing.assert_close(changed[0], 120 - 30 * factor)
