from __future__ import annotations

import numpy as np
import pytest
import torch
from tsugiki.augmentation_kinds import read_augmentation
from tsugiki.errors import OptionError
from tsugiki.tensor_table import TensorTable
from tsugiki_detection.segmentation.segmentation_augmentation import SegmentationAugmentation

from .conftest import disc

EVERYTHING = SegmentationAugmentation(
    flip=True, flip_vertical=True, turn=True, scale=0.3, elastic=2.0, brightness=0.2, contrast=0.2
)


def table(rows: int = 12, side: int = 32, width: int | None = None) -> TensorTable:
    """Discs at different places; a pixel of one is 200 bright, and 20 without."""
    masks = torch.stack([torch.from_numpy(disc(side, x=9 + row, y=22 - row, radius=7)) for row in range(rows)])
    masks = masks[:, :, :width].byte()
    pixels = (masks * 180 + 20)[:, None].repeat(1, 3, 1, 1)
    return TensorTable({"pixel_values": pixels, "labels": masks})


def augmented(augmentation: SegmentationAugmentation, data: TensorTable, *, epoch: int = 0) -> dict:
    changed = data.with_augmentation(augmentation, seed=5)
    changed.epoch = epoch
    return changed.batch(range(len(data)))


def test_a_row_looks_the_same_in_any_batch_and_order():
    changed = table().with_augmentation(EVERYTHING, seed=5)
    changed.epoch = 3
    whole = changed.batch(range(12))
    few = changed.batch([7, 2])
    for name in ("pixel_values", "labels"):
        assert torch.allclose(few[name], whole[name][[7, 2]])
    half = changed.select([1, 3, 5, 7])
    half.epoch = 3
    assert torch.equal(half.batch([3])["labels"][0], whole["labels"][7])


def test_epochs_and_rows_differ():
    data = table()
    first, second = augmented(EVERYTHING, data), augmented(EVERYTHING, data, epoch=1)
    assert not torch.equal(first["labels"], second["labels"])


@pytest.mark.parametrize("field", ["flip", "flip_vertical", "turn"])
def test_masks_are_mirrored_and_turned_exactly_as_their_pictures(field):
    data = table()
    found = augmented(SegmentationAugmentation(**{field: True}), data)
    assert torch.equal(found["pixel_values"], (found["labels"] * 180 + 20)[:, None].repeat(1, 3, 1, 1))
    moved = (found["labels"] != data.labels).flatten(1).any(1)
    assert moved.any() and not moved.all()


def test_turns_are_by_each_multiple_of_90_degrees_and_by_180_where_sides_differ():
    data = table(rows=12)
    many = TensorTable({name: column[:1].repeat(64, *[1] * (column.ndim - 1)) for name, column in data.columns.items()})
    found = augmented(SegmentationAugmentation(turn=True), many)["labels"]
    turned = [many.labels[0].rot90(number) for number in range(4)]
    counts = [sum(torch.equal(one, expected) for one in found) for expected in turned]
    assert sum(counts) == 64 and min(counts) >= 6
    oblong = table(width=20)
    found = augmented(SegmentationAugmentation(turn=True), oblong)["labels"]
    plain = oblong.labels
    assert all(torch.equal(a, b) or torch.equal(a, b.rot90(2)) for a, b in zip(found, plain, strict=True))


@pytest.mark.parametrize("fields", [{"scale": 0.4}, {"elastic": 3.0}])
def test_masks_follow_their_pictures_by_the_nearest_pixel(fields):
    data = table()
    found = augmented(SegmentationAugmentation(**fields), data)
    assert found["labels"].dtype == torch.uint8
    assert set(found["labels"].unique().tolist()) == {0, 1}
    seen = found["pixel_values"][:, 0] > 110
    assert (seen == found["labels"].bool()).float().mean() > 0.98
    assert (found["labels"] != data.labels).flatten(1).any(1).float().mean() > 0.9


@pytest.mark.parametrize("fields", [{}, {"elastic": 1e-9}])
def test_windows_are_seen_at_random_places_in_picture_and_mask_alike(fields):
    numbers = torch.arange(32 * 32).view(32, 32) % 251
    many = numbers.byte()[None].repeat(40, 1, 1)
    data = TensorTable({"pixel_values": many[:, None], "labels": many})
    found = augmented(SegmentationAugmentation(crop=12, **fields), data)
    assert found["pixel_values"].shape == (40, 1, 12, 12) and found["labels"].shape == (40, 12, 12)
    assert torch.allclose(found["pixel_values"][:, 0].float(), found["labels"].float(), atol=1e-2)
    corners = found["labels"][:, 0, 0].long()
    assert len(set(corners.tolist())) > 25
    windows = numbers.unfold(0, 12, 1).unfold(1, 12, 1).reshape(-1, 12, 12)
    assert all((windows == one.long()).flatten(1).all(1).any() for one in found["labels"])
    whole = augmented(SegmentationAugmentation(crop=50), data)
    assert torch.equal(whole["labels"], data.labels)


def test_enlarging_and_shrinking_are_alike_likely_and_elastic_displacements_have_their_size():
    data = table()
    rows = torch.arange(2000)
    pixels = torch.zeros(2000, 1, 4, 4)
    from tsugiki.counter_random import counter_uniform

    def uniform(stream: int, draws: int) -> torch.Tensor:
        return counter_uniform(rows, draws, seed=0, epoch=0, stream=stream)

    grid = SegmentationAugmentation(scale=0.5)._places(pixels, uniform)
    factors = (grid[:, 0, 1, 0] - grid[:, 0, 0, 0]) / 0.5
    assert factors.min() > 1 / 1.5 - 1e-4 and factors.max() < 1.5 + 1e-4
    assert abs((factors > 1).float().mean() - 0.5) < 0.05
    moved = SegmentationAugmentation(elastic=3.0)._displacements(uniform, 32, 32) * 16
    assert np.allclose(moved[:, [0, 0, -1], [0, -1, 0]].std(), 3.0, rtol=0.05)  # at the corners, which are knots
    assert (
        augmented(SegmentationAugmentation(scale=0.5), data)["pixel_values"].shape == data.columns["pixel_values"].shape
    )


def test_pixels_without_a_class_stay_so():
    data = table()
    data.columns["labels"][data.labels == 1] = 255
    found = augmented(EVERYTHING, data)["labels"]
    assert set(found.unique().tolist()) == {0, 255}


def numbered(rows: int = 16, side: int = 32) -> TensorTable:
    """Two discs in each picture, numbered beyond 16 bits, as those of a class 2 are."""
    labels = torch.zeros(rows, side, side, dtype=torch.int32)
    for row in range(rows):
        labels[row][torch.from_numpy(disc(side, x=7, y=6 + row, radius=5))] = 2 * 2**16 + 300
        labels[row][torch.from_numpy(disc(side, x=24, y=24 - row, radius=6))] = 7
    return TensorTable({"pixel_values": ((labels > 0) * 180 + 20).byte()[:, None], "labels": labels})


def test_objects_keep_their_numbers_and_mirrored_pixels_ask_for_nothing():
    data = numbered()
    found = augmented(SegmentationAugmentation(scale=0.6, flip=True, turn=True), data)
    assert found["labels"].dtype == torch.int32
    assert set(found["labels"].unique().tolist()) == {-100, 0, 7, 2 * 2**16 + 300}
    known = found["labels"] != -100
    seen = found["pixel_values"][:, 0] > 110
    assert (seen == (found["labels"] > 0))[known].float().mean() > 0.98
    for row in found["labels"]:
        missing = (row == -100).all(0)  # the whole height of columns, and so of rows: a frame about the picture
        inner = (row != -100).nonzero()
        if len(inner) and not missing.all():
            top, left = inner.amin(0)
            bottom, right = inner.amax(0)
            window = row[top : bottom + 1, left : right + 1]
            assert (row == -100).sum() - (window == -100).sum() == row.numel() - window.numel()


def test_objects_of_which_a_window_leaves_little_ask_for_nothing():
    data = numbered()
    found = augmented(SegmentationAugmentation(crop=14), data)["labels"]
    plain = data.labels
    several = {"kept": 0, "gone": 0}
    for row, label in zip(found, plain, strict=True):
        windows = label.unfold(0, 14, 1).unfold(1, 14, 1).reshape(-1, 14, 14)
        (place,) = ((windows == row) | (row == -100)).flatten(1).all(1).nonzero()[:1, 0].tolist()
        for number in windows[place].unique().tolist():
            share = (windows[place] == number).sum() / (label == number).sum()
            gone = (row[windows[place] == number] == -100).all().item()
            assert number == 0 or gone == (share < 0.3)
            several["gone" if gone else "kept"] += number != 0
    assert min(several.values()) > 2


def test_an_enlarged_object_is_as_large_a_share_as_before():
    labels = torch.zeros(64, 32, 32, dtype=torch.int32)
    labels[:, 10:22, 10:22] = 1
    data = TensorTable({"pixel_values": (labels * 200).byte()[:, None], "labels": labels})
    found = augmented(SegmentationAugmentation(scale=0.9), data)["labels"]
    whole = found[(found == 1).any(2).any(1)]
    assert len(whole) > 60  # shrunk to a quarter it is all there; enlarged, most of it


def test_it_is_read_by_its_kind():
    found = read_augmentation({"kind": "segmentation", "flip": True, "elastic": 4})
    assert found == SegmentationAugmentation(flip=True, elastic=4)
    assert found.to_dict() == {"kind": "segmentation", "flip": True, "elastic": 4}
    with pytest.raises(OptionError, match="unknown field 'elastc'"):
        read_augmentation({"kind": "segmentation", "elastc": 4})
