"""Columns of masks: pictures in which the number of a pixel is its class, or the object that it belongs to.

A mask of 8 or 16 bits, or of a palette, whose numbers count. Where a column `objects` stands beside it that names the
category of each object, k is the k-th of them and 0 the background. Else the numbers are those of classes, and 255 says
that a pixel has none, but for masks of 0 and 255 alone, which are black and white.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.image_utils import PILImageResampling
from tsugiki.columns import ColumnKind, Role, check_roles, find_columns, item_of, listed
from tsugiki.errors import DataError
from tsugiki.fingerprint import encoded_media
from tsugiki.images import image_size

from .segmentation_loss import IGNORED_PIXEL, MOST_CLASSES

if TYPE_CHECKING:
    from datasets import Dataset

BACKGROUND, OBJECT = "background", "object"
OBJECTS, CATEGORY = "objects", "category"
_WHITE = 255
_AT_ONCE = 64  # masks that a processor gets
_TURNED = (5, 6, 7, 8)  # orientations of EXIF that exchange width and height
_ORIENTATION = 274  # the tag

Numbers = NDArray[Any]  # whole numbers (H, W)


def holds_objects(feature: Any) -> bool:
    """Whether a column lists objects with their categories, as the detection sets of the Hub do."""
    return categories_of(feature) is not None


def find_mask_columns(
    dataset: Dataset, roles: Mapping[str, Role], given: Mapping[str, str] | None, task: str
) -> dict[str, str]:
    """The columns of some roles, and that of `objects` where there is one.

    Args:
        dataset: The data.
        roles: Those that there must be.
        given: Columns by role, as the user named them.
        task: Its name, for messages.

    Raises:
        DataError: A role is unknown; a column is missing, of the wrong type, one of several, or plays two roles.
    """
    given = dict(given or {})
    check_roles(given, [*roles, OBJECTS], task=task)
    if OBJECTS in given or holds_objects(dataset.features.get(OBJECTS)):
        roles = {**roles, OBJECTS: Role(_OBJECT_COLUMN, (OBJECTS,))}
    return find_columns(dataset, roles, given, task=task)


def categories_of(feature: Any) -> Any:
    """The `ClassLabel` of the categories of a column of objects: lists by name, or a list of records; else None."""
    from datasets import ClassLabel

    record = feature if isinstance(feature, dict) else item_of(feature)
    if not isinstance(record, dict) or CATEGORY not in record:
        return None
    kind = record[CATEGORY]
    kind = kind if isinstance(kind, ClassLabel) else item_of(kind)
    return kind if isinstance(kind, ClassLabel) else None


_OBJECT_COLUMN = ColumnKind(
    "objects with their categories", "lists of records with a ClassLabel", "such records", holds_objects
)


@dataclass(frozen=True)
class MaskColumn:
    """Masks of a data set.

    Attributes:
        dataset: The data.
        mask: The column of masks.
        objects: The column that names the objects whose numbers the masks hold; None where they hold classes.
    """

    dataset: Dataset
    mask: str
    objects: str | None = None

    def names(self) -> list[str]:
        """Names of the classes of training data, in the order of their numbers.

        Raises:
            DataError: A mask cannot be read, or there are fewer than two classes, or too many.
        """
        if self.objects is not None:
            return [BACKGROUND, *categories_of(self.dataset.features[self.objects]).names]
        values = self._values()
        if values <= {0, 1} or values == {0, _WHITE}:
            names = [BACKGROUND, OBJECT][: len(values)]
        else:
            names = [str(value) for value in sorted(values - {IGNORED_PIXEL})]
        if len(names) < 2:
            raise DataError(f"the masks of column {self.mask!r} hold {len(names)} class; two or more are needed")
        if len(names) > MOST_CLASSES:
            raise DataError(
                f"the masks of column {self.mask!r} hold {len(names)} numbers, and at most {MOST_CLASSES} classes can "
                f"be told apart; numbers of objects need a column {OBJECTS!r} that names their categories"
            )
        return names

    def labels(self, names: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
        """The class of each pixel (H, W) by its number among `names`, 255 where it has none, mask by mask.

        Raises:
            DataError: A mask cannot be read, or a class is unknown; names the row.
        """
        if self.objects is not None:
            yield from self._labels_of_objects(names)
            return
        table, known = self._numbers(names)
        for row, mask in self.numbers():
            if not known[mask].all():
                unknown = np.unique(mask[~known[mask]]).tolist()
                raise DataError(
                    f"row {row}: the mask in column {self.mask!r} holds {listed([str(one) for one in unknown])}, which "
                    f"is no class of the model; it tells apart {listed(names)}"
                )
            yield table[mask]

    def _numbers(self, names: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The class of every number that masks may hold (65536,), and which of them are known.

        Numbers are classes by name where every one is the name of a class, such as `7`; else they are their places.
        """
        values = self._values()
        table = np.full(2**16, IGNORED_PIXEL, dtype=np.uint8)
        known = np.zeros(2**16, dtype=bool)
        by_name = {str(value) for value in values - {IGNORED_PIXEL}} <= set(names)
        for place, name in enumerate(names):
            number = int(name) if by_name and name.isdecimal() else place
            if number < len(table):
                table[number], known[number] = place, True
        if values == {0, _WHITE} and len(names) == 2:
            table[_WHITE] = 1
        known[IGNORED_PIXEL] = True
        return table, known

    def _labels_of_objects(self, names: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
        assert self.objects is not None
        own = [BACKGROUND, *categories_of(self.dataset.features[self.objects]).names]
        if unknown := [name for name in own if name not in names]:
            raise DataError(
                f"{listed(unknown)} of column {self.objects!r} is unknown to the model, which tells apart "
                f"{listed(names)}"
            )
        numbers = [list(names).index(name) for name in own]
        plain = self.dataset.select_columns([self.objects]).with_format(None)
        for (row, mask), record in zip(self.numbers(), plain, strict=True):
            categories = categories_in(record[self.objects])
            table = [numbers[0], *(IGNORED_PIXEL if one is None or one < 0 else numbers[one + 1] for one in categories)]
            if mask.max(initial=0) >= len(table):
                raise DataError(
                    f"row {row}: the mask in column {self.mask!r} holds the number {mask.max()}, and column "
                    f"{self.objects!r} has {len(categories)} objects; take that column out if the numbers are classes"
                )
            yield np.array(table, dtype=np.uint8)[mask]

    def _values(self) -> set[int]:
        """All numbers of all masks."""
        found = np.zeros(2**16, dtype=bool)
        for _, mask in self.numbers():
            found[mask] = True
        return set(np.flatnonzero(found).tolist())

    def numbers(self) -> Iterator[tuple[int, Numbers]]:
        """Row and numbers (H, W), from 0 to 65535, of each mask.

        Raises:
            DataError: One cannot be read; names the row.
        """
        from datasets import Image

        encoded = self.dataset.select_columns([self.mask]).cast_column(self.mask, Image(decode=False))
        for row, source in enumerate(encoded_media(encoded, self.mask)):
            yield row, _numbers_of(source, f"row {row}: the mask in column {self.mask!r}")


def categories_in(objects: Any) -> list[int | None]:
    """The category of each object of a row, whose objects are lists by name or a list of records."""
    if isinstance(objects, Mapping):
        return list(objects[CATEGORY])
    return [one[CATEGORY] for one in objects or ()]


def _numbers_of(source: Mapping[str, Any] | None, called: str) -> Numbers:
    """The numbers of a mask's pixels (H, W), from 0 to 65535.

    Raises:
        DataError: It does not decode, or its pixels are no whole numbers.
    """
    try:
        content = None if source is None else source.get("bytes")
        with PIL.Image.open(io.BytesIO(content) if content is not None else (source or {})["path"]) as picture:
            mask = np.array(picture.convert("L") if picture.mode == "1" else picture)
    except Exception as error:  # Pillow raises many kinds
        raise DataError(f"{called} does not decode as an image; replace or remove it") from error
    if mask.ndim == 3 and (mask[..., :3] == mask[..., :1]).all():
        mask = mask[..., 0]
    if mask.ndim != 2:
        raise DataError(f"{called} has colours; a mask has one number for each pixel, that of its class")
    if mask.size and not (mask.min() >= 0 and mask.max() < 2**16 and (mask == mask.astype(np.int64)).all()):
        raise DataError(f"{called} holds numbers that are not whole or not from 0 to 65535")
    return mask.astype(np.int64)


def decode_masks(masks: MaskColumn, names: Sequence[str], pictures: str, processor: Any) -> Tensor:
    """The masks as the processor sees pictures, resized by the nearest pixel.

    Args:
        masks: What to read.
        names: Classes by number.
        pictures: The column of pictures that they belong to.
        processor: Of these.

    Returns:
        Class numbers uint8 (N, H, W), 255 where a pixel has none.

    Raises:
        DataError: A mask cannot be read, has another size than its picture, or holds an unknown class.
    """
    return as_processed(of_the_same_size(masks, pictures, masks.labels(names)), processor)


def as_processed(planes: Iterable[NDArray[np.uint8]], processor: Any) -> Tensor:
    """Numbers uint8 (H, W) of each row as the processor sees pictures, by the nearest pixel: uint8 (N, h, w)."""
    parts: list[NDArray[np.uint8]] = []
    chunk: list[PIL.Image.Image] = []

    def flush() -> None:
        if chunk:
            raw = {"do_rescale": False, "do_normalize": False, "resample": PILImageResampling.NEAREST}
            found = processor(images=list(chunk), **raw)["pixel_values"]
            parts.append(np.stack([np.asarray(one)[0] for one in found]).astype(np.uint8))
            chunk.clear()

    for plane in planes:
        chunk.append(PIL.Image.fromarray(plane))
        if len(chunk) == _AT_ONCE:
            flush()
    flush()
    return torch.from_numpy(np.concatenate(parts))


def of_the_same_size(masks: MaskColumn, pictures: str, planes: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """What was read of each mask (H, W), once it has the size of its picture.

    Args:
        masks: Where it was read.
        pictures: The column of pictures.
        planes: What was read, one a row.

    Raises:
        DataError: One has another size; names the row.
    """
    for row, (size, plane) in enumerate(zip(_sizes(masks.dataset, pictures), planes, strict=True)):
        if size != plane.shape[::-1]:
            raise DataError(
                f"row {row}: the mask in column {masks.mask!r} has {plane.shape[1]} x {plane.shape[0]} pixels, and "
                f"its picture {size[0]} x {size[1]}"
            )
        yield plane


def _sizes(dataset: Dataset, column: str) -> Iterator[tuple[int, int]]:
    """Width and height of each picture, upright."""
    from datasets import Image

    encoded = dataset.select_columns([column]).cast_column(column, Image(decode=False))
    for row, source in enumerate(encoded_media(encoded, column)):
        width, height = image_size(source, name=f"row {row}")
        yield (height, width) if _is_turned(source) else (width, height)


def _is_turned(source: Mapping[str, Any] | None) -> bool:
    content = (source or {}).get("bytes")
    try:
        with PIL.Image.open(io.BytesIO(content) if content is not None else (source or {})["path"]) as picture:
            return picture.getexif().get(_ORIENTATION) in _TURNED
    except Exception:  # notes that cannot be read turn nothing
        return False
