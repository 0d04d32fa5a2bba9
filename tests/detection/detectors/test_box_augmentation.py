"""Boxes move with what they are around, whatever is done to the picture."""

from __future__ import annotations

import pytest
import torch
from tsugiki.errors import OptionError
from tsugiki.tensor_table import TensorTable
from tsugiki_detection.detectors.box_augmentation import BoxAugmentation
from tsugiki_detection.detectors.box_labels import AREA, BOX, CLASS, is_object, padded

HEIGHT, WIDTH = 48, 64


def table(rows: int = 6) -> TensorTable:
    """Gray pictures with one white rectangle each, and its box."""
    pixels = torch.full((rows, 3, HEIGHT, WIDTH), 114, dtype=torch.uint8)
    labels = []
    for row in range(rows):
        left, top, wide, high = 16 + 2 * row, 12 + row, 20, 14
        pixels[row, :, top : top + high, left : left + wide] = 255
        label = torch.zeros(1, 8)
        centre = [(left + wide / 2) / WIDTH, (top + high / 2) / HEIGHT, wide / WIDTH, high / HEIGHT]
        label[0, BOX] = torch.tensor(centre)
        label[0, AREA] = wide * high
        labels.append(label)
    return TensorTable({"pixel_values": pixels, "labels": padded(labels, [HEIGHT * WIDTH] * rows)})


def white_box(picture: torch.Tensor) -> torch.Tensor:
    """Corners of what is white, in fractions (4,)."""
    places = (picture.float().mean(0) > 185).nonzero()
    (top, left), (bottom, right) = places.min(0).values.tolist(), (places.max(0).values + 1).tolist()
    return torch.tensor([left / WIDTH, top / HEIGHT, right / WIDTH, bottom / HEIGHT])


def corners(label: torch.Tensor) -> torch.Tensor:
    return torch.cat([label[1:3] - label[3:5] / 2, label[1:3] + label[3:5] / 2])


@pytest.mark.parametrize(
    "fields",
    [
        {"flip": True},
        {"turn_over": True},
        {"zoom": 0.4},
        {"translate": 0.1},
        {"zoom": 0.3, "translate": 0.1, "flip": True},
    ],
)
def test_the_box_is_where_the_rectangle_is(fields):
    rows = table().with_augmentation(BoxAugmentation(**fields), seed=1)
    moved = 0.0
    for epoch in range(6):
        rows.epoch = epoch
        batch = rows.batch(range(6))
        for picture, labels, before in zip(batch["pixel_values"], batch["labels"], table().labels, strict=True):
            torch.testing.assert_close(corners(labels[0]), white_box(picture), rtol=0, atol=1.2 / HEIGHT)
            moved = max(moved, float((labels[0, BOX] - before[0, BOX]).abs().max()))
    assert moved > 0.05


def test_what_has_left_the_frame_is_no_longer_asked_for():
    rows = table(1).with_augmentation(BoxAugmentation(translate=0.9), seed=3)
    gone = 0
    for epoch in range(40):
        rows.epoch = epoch
        labels = rows.batch([0])["labels"]
        gone += not bool(is_object(labels).any())
        kept = labels[is_object(labels)]
        assert (kept[:, AREA] >= 0.29 * 280).all()
    assert 0 < gone < 40


def test_a_mosaic_is_a_window_into_four_pictures():
    rows = table().with_augmentation(BoxAugmentation(mosaic=1.0), seed=0)
    seen = set()
    for epoch in range(8):
        rows.epoch = epoch
        batch = rows.batch(range(6))
        assert batch["pixel_values"].shape == (6, 3, HEIGHT, WIDTH)
        for picture, labels in zip(batch["pixel_values"], batch["labels"], strict=True):
            objects = labels[is_object(labels)]
            seen.add(len(objects))
            white = (picture[0] == 255).float()
            for one in objects:
                left, top, right, bottom = (corners(one) * torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])).round().int()
                assert white[top:bottom, left:right].mean() > 0.95
                white[top:bottom, left:right] = 0
            assert white.sum() < 0.3 * 280 * 4  # what is left are objects of which less than a third is seen
    assert max(seen) > 1


def test_without_mosaics_no_other_row_is_asked_for():
    assert BoxAugmentation().partners(torch.arange(3), count=6, epoch=0, seed=0) is None
    partners = BoxAugmentation(mosaic=0.5).partners(torch.arange(3), count=6, epoch=0, seed=0)
    assert partners.shape == (3, 3)
    assert ((partners >= 0) & (partners < 6)).all()


def test_draws_hang_on_seed_epoch_and_row_alone():
    augmentation = BoxAugmentation(flip=True, zoom=0.3, mosaic=0.5, brightness=0.2)
    rows = table().with_augmentation(augmentation, seed=5)
    whole = rows.batch(range(6))
    one = rows.batch([4])
    torch.testing.assert_close(whole["pixel_values"][4], one["pixel_values"][0])
    objects = whole["labels"][4][is_object(whole["labels"][4])]
    torch.testing.assert_close(objects, one["labels"][0][is_object(one["labels"][0])])
    rows.epoch = 1
    assert not torch.equal(rows.batch([4])["pixel_values"], one["pixel_values"])


def test_classes_stay_with_their_boxes():
    rows = table(2)
    rows.columns["labels"][1, 0, CLASS] = 3
    rows = rows.with_augmentation(BoxAugmentation(mosaic=1.0), seed=0)
    assert set(rows.batch([0, 1])["labels"][..., CLASS].unique().tolist()) <= {-100, 0, 3}


@pytest.mark.parametrize("fields", [{"mosaic": 1.5}, {"zoom": 1.0}, {"translate": -0.1}])
def test_what_is_out_of_range_is_refused(fields):
    with pytest.raises(OptionError):
        BoxAugmentation(**fields)
