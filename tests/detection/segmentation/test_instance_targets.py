"""Labels and loss of instance segmentation, against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, Sequence, Value
from PIL import Image as Pillow
from tsugiki.errors import DataError
from tsugiki_detection.segmentation.instance_image_processor import InstanceImageProcessor
from tsugiki_detection.segmentation.instance_labels import (
    LABEL_DIVISOR,
    class_numbers,
    decode_objects,
    object_names,
    object_numbers,
)
from tsugiki_detection.segmentation.instance_targets import center_targets, instance_loss
from tsugiki_detection.segmentation.masks import MaskColumn
from tsugiki_detection.segmentation.segmentation_loss import segmentation_loss

from .conftest import SIDE, picture_of, two_discs, with_masks, with_objects

WEIGHTS = {"dice_weight": 1.0, "center_spread": 0.5, "center_weight": 2.0, "offset_weight": 0.1}


def test_a_number_says_object_and_class():
    labels = torch.tensor([0, 3, 2 * LABEL_DIVISOR + 1, -100], dtype=torch.int32)
    assert object_numbers(labels).tolist() == [0, 3, 1, 0]
    assert class_numbers(labels, 5).tolist() == [5, 0, 2, -100]
    highest = torch.tensor(254 * LABEL_DIVISOR - 1, dtype=torch.int32)
    assert highest.float().int() == highest


def test_heat_and_offsets_are_those_by_hand():
    labels = torch.zeros(2, 6, 7, dtype=torch.int32)
    labels[0, 1:4, 1:3] = LABEL_DIVISOR + 2
    labels[0, 1:5, 3:6] = 1
    labels[1, 5, 6] = 1
    heat, offsets = center_targets(labels, 0.7)
    for picture, value in ((0, LABEL_DIVISOR + 2), (0, 1), (1, 1)):
        places = np.argwhere(labels[picture].numpy() == value)
        center = places.mean(0)
        for row, column in places:
            away = center - (row, column)
            assert offsets[picture, :, row, column].tolist() == pytest.approx(away.tolist(), abs=1e-6)
            variance = 0.7**2 * len(places) / np.pi
            assert heat[picture, row, column] == pytest.approx(np.exp(-(away**2).sum() / 2 / variance), rel=1e-5)
    assert not heat[labels == 0].any() and not offsets.movedim(1, -1)[labels == 0].any()


def test_the_loss_is_the_mean_of_what_pictures_lose():
    torch.manual_seed(0)
    labels = torch.stack([torch.from_numpy(two_discs(shift).astype(np.int32)) for shift in range(3)])
    labels[1] = 0
    labels[2, :4] = -100
    logits, centers, offsets = torch.randn(3, 2, SIDE, SIDE), torch.randn(3, SIDE, SIDE), torch.randn(3, 2, SIDE, SIDE)
    together = instance_loss(logits, centers, offsets, labels, **WEIGHTS)
    alone = [
        instance_loss(*(one[None] for one in row), **WEIGHTS)
        for row in zip(logits, centers, offsets, labels, strict=True)
    ]
    assert together == pytest.approx(sum(alone) / 3)
    heat, moved = center_targets(labels[2:], 0.5)
    known, inside = labels[2] != -100, labels[2] > 0
    share = centers[2].sigmoid()
    entropy = -(torch.xlogy(heat[0], share / heat[0]) + torch.xlogy(1 - heat[0], (1 - share) / (1 - heat[0])))
    entropy = entropy.nan_to_num()  # where the heat is 1
    expected = segmentation_loss(logits[2:], class_numbers(labels[2:], 1), 1.0)
    expected += 2 * entropy[known].mean() + 0.1 * (offsets[2] - moved[0]).abs().sum(0)[inside].mean()
    assert alone[2] == pytest.approx(float(expected), rel=1e-3)


def test_a_perfect_answer_loses_nothing_and_pixels_without_label_have_no_gradient():
    labels = torch.from_numpy(two_discs(1).astype(np.int32))[None]
    heat, offsets = center_targets(labels, 0.5)
    logits = 50.0 * torch.stack([(labels > 0).float(), (labels == 0).float()], 1)
    assert instance_loss(logits, torch.logit(heat, eps=1e-7), offsets, labels, **WEIGHTS) < 1e-4
    labels[:, :6] = -100
    maps = [torch.randn(1, *shape, SIDE, SIDE, requires_grad=True) for shape in ((2,), (), (2,))]
    instance_loss(*maps, labels, **WEIGHTS).backward()
    assert all(not one.grad[..., :6, :].any() and one.grad.any() for one in maps)


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="labels must be"):
        instance_loss(
            torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4), torch.zeros(1, 2, 4, 4), torch.zeros(1, 4), **WEIGHTS
        )


def processor(side: int = SIDE) -> InstanceImageProcessor:
    return InstanceImageProcessor(size={"height": side, "width": side}, image_mean=[0.5], image_std=[0.5])


def test_objects_are_read_with_their_classes(nuclei):
    data = with_objects([two_discs(0), two_discs(1)], [[1, 0], [0, 1]], ["round", "long"])
    masks = MaskColumn(data, "mask", "objects")
    assert object_names(masks) == ["round", "long"]
    labels = decode_objects(masks, ["long", "other", "round"], "image", processor())
    assert labels.dtype == torch.int32
    expected = np.array([0, 1, 2 * LABEL_DIVISOR + 2])[two_discs(0)]
    assert np.array_equal(labels[0].numpy(), expected)
    with pytest.raises(DataError, match=r"'long' of column 'objects' is unknown"):
        decode_objects(masks, ["round"], "image", processor())
    alone = MaskColumn(nuclei, "mask")
    assert object_names(alone) == ["object"]
    assert np.array_equal(decode_objects(alone, ["object"], "image", processor())[2].numpy(), two_discs(2))


def test_numbers_of_16_bits_are_whole_in_a_picture_of_another_size():
    numbers = (np.arange(400).reshape(20, 20) * 150 + 7).astype(np.uint16)  # up to 59,857
    rows = {"image": [picture_of(numbers)], "mask": [Pillow.fromarray(numbers)]}
    data = Dataset.from_dict(rows, features=Features({"image": Image(), "mask": Image()}))
    labels = decode_objects(MaskColumn(data, "mask"), ["object"], "image", processor(10))
    assert np.isin(labels[0].numpy(), numbers).all()
    assert labels.shape == (1, 10, 10) and len(labels.unique()) == 100


def test_crowds_and_objects_without_category_ask_for_nothing():
    kind = {"category": Sequence(ClassLabel(names=["a"])), "iscrowd": Sequence(Value("bool"))}
    mask = two_discs(0)
    mask[0, 0] = 3
    rows = {
        "image": [picture_of(mask)],
        "mask": [Pillow.fromarray(mask)],
        "objects": [{"category": [0, 0, None], "iscrowd": [True, False, False]}],
    }
    data = Dataset.from_dict(rows, features=Features({"image": Image(), "mask": Image(), "objects": kind}))
    labels = decode_objects(MaskColumn(data, "mask", "objects"), ["a"], "image", processor())[0].numpy()
    assert np.array_equal(labels, np.array([0, -100, 2, -100])[mask])


def test_a_number_without_an_object_and_a_mask_of_another_size_are_named():
    data = with_objects([two_discs(0)], [[0]], ["a"])
    with pytest.raises(
        DataError, match="row 0: the mask in column 'mask' holds the number 2, and column 'objects' has 1"
    ):
        decode_objects(MaskColumn(data, "mask", "objects"), ["a"], "image", processor())
    plain = with_masks([Pillow.fromarray(two_discs(0))]).remove_columns("image")
    plain = plain.add_column("image", [{"bytes": _png(two_discs(0)[:20]), "path": None}]).cast_column("image", Image())
    with pytest.raises(DataError, match="24 x 24 pixels, and its picture 24 x 20"):
        decode_objects(MaskColumn(plain, "mask"), ["object"], "image", processor())


def _png(mask: np.ndarray) -> bytes:
    from tsugiki_detection.annotations.label_images import png_of_numbers

    return png_of_numbers(mask)
