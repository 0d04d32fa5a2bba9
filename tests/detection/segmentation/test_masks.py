from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow
from tsugiki.errors import DataError
from tsugiki_detection.segmentation.masks import MaskColumn, decode_masks
from tsugiki_detection.segmentation.semantic_image_processor import SemanticImageProcessor

from .conftest import SIDE, disc, two_discs, with_masks, with_objects

PROCESSOR = SemanticImageProcessor(size={"height": SIDE, "width": SIDE})


def of_values(*values: int, kind: type = np.uint8) -> Pillow.Image:
    """A mask that holds these numbers in rows."""
    mask = np.zeros((SIDE, SIDE), dtype=kind)
    for row, value in enumerate(values):
        mask[row] = value
    return Pillow.fromarray(mask)


def read(data, names=None, objects=None, processor=PROCESSOR) -> tuple[list[str], np.ndarray]:
    column = MaskColumn(data, "mask", objects)
    names = column.names() if names is None else names
    return names, decode_masks(column, names, "image", processor).numpy()


def test_numbers_of_objects_become_the_classes_of_the_objects():
    data = with_objects([two_discs(0), two_discs(1)], [[1, 0], [0, 0]], ["cell", "nucleus"])
    names, labels = read(data, objects="objects")
    assert names == ["background", "cell", "nucleus"]
    assert np.array_equal(labels[0], np.array([0, 2, 1])[two_discs(0)])
    assert np.array_equal(labels[1], np.minimum(two_discs(1), 1))


def test_a_models_order_of_the_classes_counts():
    data = with_objects([two_discs(0)], [[0, 1]], ["cell", "nucleus"])
    _, labels = read(data, ["nucleus", "cell", "background"], objects="objects")
    assert np.array_equal(labels[0], np.array([2, 1, 0])[two_discs(0)])
    with pytest.raises(DataError, match="'cell' of column 'objects' is unknown to the model"):
        read(data, ["background", "nucleus"], objects="objects")


@pytest.mark.parametrize("white", [1, 255])
def test_masks_of_two_numbers_are_background_and_object(white):
    mask = disc()
    names, labels = read(with_masks([Pillow.fromarray((mask * white).astype(np.uint8))]))
    assert names == ["background", "object"]
    assert np.array_equal(labels[0], mask)


def test_black_and_white_are_the_two_classes_of_a_model_whatever_they_are_called():
    mask = Pillow.fromarray((disc() * 255).astype(np.uint8))
    assert np.array_equal(read(with_masks([mask]), ["background", "nucleus"])[1][0], disc())


def test_masks_of_one_bit_are_background_and_object():
    names, labels = read(with_masks([Pillow.fromarray(disc())]))
    assert names == ["background", "object"]
    assert np.array_equal(labels[0], disc())


def test_numbers_are_classes_and_255_is_none():
    names, labels = read(with_masks([of_values(0, 3, 7, 255), of_values(7, 3)]))
    assert names == ["0", "3", "7"]
    assert labels[0, :4, 0].tolist() == [0, 1, 2, 255]
    assert labels[1, :3, 0].tolist() == [2, 1, 0]


def test_a_model_with_names_takes_numbers_as_places():
    names = ["road", "tree", "sky"]
    assert read(with_masks([of_values(2, 1, 255)]), names)[1][0, :3, 0].tolist() == [2, 1, 255]
    with pytest.raises(DataError, match="row 1: the mask in column 'mask' holds '3', which is no class of the model"):
        read(with_masks([of_values(2, 1), of_values(3)]), names)


def test_a_palette_counts_by_its_numbers_and_gray_may_come_in_three_colours():
    palette = of_values(0, 2, 1)
    palette.putpalette([255, 255, 255, 10, 20, 30, 200, 0, 0])
    names, labels = read(with_masks([palette, of_values(1, 2, 2).convert("RGB")]))
    assert names == ["0", "1", "2"]
    assert labels[:, :3, 0].tolist() == [[0, 2, 1], [1, 2, 2]]


def test_more_numbers_than_classes_can_have_want_a_column_of_objects():
    numbers = Pillow.fromarray(np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE))
    with pytest.raises(DataError, match="hold 575 numbers, and at most 255 classes can be told apart"):
        MaskColumn(with_masks([numbers]), "mask").names()


def test_resizing_takes_the_nearest_pixel_as_pillow_does():
    mask = np.random.default_rng(0).integers(0, 3, (SIDE, SIDE), dtype=np.uint8)
    small = SemanticImageProcessor(size={"height": 15, "width": 10})
    _, labels = read(with_masks([Pillow.fromarray(mask)]), ["0", "1", "2"], processor=small)
    expected = np.array(Pillow.fromarray(mask).resize((10, 15), Pillow.Resampling.NEAREST))
    assert np.array_equal(labels[0], expected)


def test_a_photograph_that_lies_on_its_side_is_turned_before_sizes_are_compared(tmp_path):
    from datasets import Dataset, Features, Image

    picture, notes = Pillow.new("L", (20, 10)), Pillow.Exif()
    notes[274] = 6
    picture.save(tmp_path / "turned.jpg", exif=notes)
    mask = Pillow.fromarray(np.eye(20, 10, dtype=np.uint8))
    rows = {"image": [str(tmp_path / "turned.jpg")], "mask": [mask]}
    _, labels = read(Dataset.from_dict(rows, features=Features({"image": Image(), "mask": Image()})))
    assert labels.shape == (1, SIDE, SIDE)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (Pillow.new("L", (SIDE, SIDE + 1), 1), rf"row 1: .* has {SIDE} x {SIDE + 1} pixels, and its picture {SIDE} x"),
        (Pillow.new("RGB", (SIDE, SIDE), (1, 2, 3)), r"row 1: the mask in column 'mask' has colours"),
    ],
)
def test_masks_that_cannot_be_read_are_named_by_row(mask, message):
    data = with_masks([of_values(0, 1), of_values(1, 0)])
    masks = [of_values(0, 1), mask]
    data = data.map(lambda row, number: {"mask": masks[number]}, with_indices=True)
    with pytest.raises(DataError, match=message):
        read(data)


def test_a_mask_with_more_numbers_than_objects_is_refused():
    data = with_objects([two_discs(0), two_discs(1)], [[0, 0], [0]], ["nucleus"])
    with pytest.raises(DataError, match=r"row 1: .* holds the number 2, and column 'objects' has 1 objects"):
        read(data, objects="objects")


def test_masks_of_one_class_teach_nothing():
    with pytest.raises(DataError, match="hold 1 class; two or more are needed"):
        MaskColumn(with_masks([of_values(0)]), "mask").names()
