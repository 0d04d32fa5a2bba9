"""Data with outlines or masks as folders of masks, with the pictures beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tsugiki.errors import DataError

from .annotation import MASKS, AnnotatedPicture, has_outlines
from .label_images import boxes_of_numbers, consecutive, instance_mask, png_of_numbers, read_numbers
from .mask_folders import BACKGROUND
from .outlines import pixels_of
from .picture_files import PictureFiles
from .writers import Losses, names_of, rows, written_splits

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

_SAME = 1e-3  # pixels between a box and that of its pixels


def write_masks(data: Dataset | DatasetDict, folder: Path) -> list[str]:
    """Write ``images/SPLIT/``, ``instances/SPLIT/`` (16 bits), ``masks/SPLIT/`` (numbers of classes), ``classes.txt``.

    Objects that overlap share no pixel here: the smaller ones lie on top.

    Args:
        data: With the columns ``image`` and ``objects``, and outlines or a mask of the objects; or with ``mask`` and
            the ``classes`` in it, which are then written alone.
        folder: An empty folder.

    Returns:
        Lines on what the format cannot hold.

    Raises:
        DataError: The data has neither outlines nor masks, or its classes have no names.
    """
    splits = written_splits(data)
    if all("objects" not in split.features and "classes" in split.features for split in splits.values()):
        return _write_classes_alone(splits, folder)
    names = names_of(splits)
    if len(names) >= 255:
        raise DataError(f"masks of 8 bits hold 254 classes, not {len(names)}")
    files, losses = PictureFiles(), Losses()
    for split, dataset in splits.items():
        if not has_outlines(dataset.features) and not set(MASKS) & set(dataset.column_names):
            raise DataError("the objects have boxes alone, and masks need outlines")
        for picture in rows(dataset, split, outlines=False):
            instances = _instances(picture, losses)
            numbers = np.array([0, *(names.index(one.category) + 1 for one in picture.annotations)], np.uint8)
            classes = numbers[instances]
            if "classes" in picture.columns:
                classes = read_numbers(picture.columns["mask"]).astype(np.uint8)
            stem = files.write(picture, folder / "images" / split).stem
            for kind, pixels in (("instances", instances), ("masks", classes)):
                target = folder / kind / split
                target.mkdir(parents=True, exist_ok=True)
                (target / f"{stem}.png").write_bytes(png_of_numbers(pixels))
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in [BACKGROUND, *names]), "utf-8")
    return losses.notes


def _write_classes_alone(splits: Mapping[str, Dataset], folder: Path) -> list[str]:
    """Write masks of classes, of data without objects."""
    import datasets

    files = PictureFiles()
    names: list[str] = []
    for split, dataset in splits.items():
        names = dataset.features["classes"].feature.names
        encoded = dataset.select_columns(["image", "mask"]).cast_column("image", datasets.Image(decode=False))
        for row in encoded.cast_column("mask", datasets.Image(decode=False)):
            stem = files.write(AnnotatedPicture(row["image"], split), folder / "images" / split).stem
            target = folder / "masks" / split
            target.mkdir(parents=True, exist_ok=True)
            (target / f"{stem}.png").write_bytes(png_of_numbers(read_numbers(row["mask"]).astype(np.uint8)))
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names), "utf-8")
    return []


def _instances(picture: AnnotatedPicture, losses: Losses) -> np.ndarray:
    """The numbers (H, W) of a picture's objects; those that no pixel is left of, and crowds, go."""
    assert picture.size is not None
    width, height = picture.size
    mask = instance_mask(picture)
    if mask is not None and all(one.outline is None for one in picture.annotations):
        numbers = read_numbers(mask)
        if int(numbers.max(initial=0)) != len(picture.annotations):
            raise DataError(f"{picture.place}: its mask counts {numbers.max()} objects, not {len(picture.annotations)}")
        return numbers.astype(np.uint16)
    kept = []
    for one in picture.annotations:
        if one.iscrowd:
            losses.add("masks have no crowds: {} are left out")
        elif one.outline is None:
            losses.add("masks need outlines: {} objects with a box alone are left out")
        else:
            kept.append((one, pixels_of(one.outline, height, width)))
        if one.difficult:
            losses.add("masks cannot call an object difficult: {} are written as any other")
    numbers = np.zeros((height, width), np.uint16)
    for number in sorted(range(len(kept)), key=lambda index: -int(kept[index][1].sum())):
        pixels = kept[number][1]
        if (numbers[pixels] != 0).any():
            losses.add("masks have one object at a pixel: {} objects lie on others and hide a part of them")
        numbers[pixels] = number + 1
    left = [number for number in range(len(kept)) if (numbers == number + 1).any()]
    if len(left) < len(kept):
        losses.add("{} objects have no pixel of their own, and are left out", len(kept) - len(left))
    made, _ = consecutive(numbers)
    picture.annotations = [kept[number][0] for number in left]
    for one, (box, _) in zip(picture.annotations, boxes_of_numbers(made), strict=True):
        if max(abs(value - of_pixels) for value, of_pixels in zip(one.box, box, strict=True)) > _SAME:
            losses.add("masks hold no boxes: those of {} objects become the boxes of their pixels")
    return made
