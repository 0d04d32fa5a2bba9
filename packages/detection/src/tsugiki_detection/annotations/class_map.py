"""Classes by other names: renamed, merged, dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import DataError, OptionError, did_you_mean

from .annotation import MASKS, class_names
from .label_images import VOID, png_of_numbers, read_numbers

if TYPE_CHECKING:
    from datasets import Dataset

OTHERS = "*"  # all classes that are not named


def parse_class_map(text: str) -> dict[str, str]:
    """``old=new,other=new,third=`` as a mapping; an empty name drops a class.

    Raises:
        OptionError: It is not written so, or names a class twice.
    """
    mapping: dict[str, str] = {}
    for word in text.split(","):
        old, equals, new = (part.strip() for part in word.partition("="))
        if not old or not equals:
            raise OptionError(f"--classes is written old=new,old=new, and old= drops a class, not {text!r}")
        if old in mapping:
            raise OptionError(f"--classes names {old!r} twice")
        mapping[old] = new
    return mapping


def map_classes(dataset: Dataset, mapping: Mapping[str, str]) -> Dataset:
    """Data whose objects, or pixels, are of other classes.

    Args:
        dataset: With the column ``objects``, or with ``mask`` and the column ``classes`` of those in it.
        mapping: New names by old ones. Classes with one new name are merged, those with an empty one dropped with their
            objects; others stay as they are. The name ``*`` stands for all that are not named.

    Returns:
        The data. Pictures that lose their last object stay, as background. The new classes stand in the order in which
        their first old ones stood. Masks are numbered anew; the first of their classes is the background and stays.

    Raises:
        DataError: A name is that of no class, or no class is left.
    """
    import datasets

    features = dataset.features.copy()
    if "objects" in features and not isinstance(features["objects"], Mapping):
        raise DataError("the column 'objects' is a list of objects; it is to be an object of lists, as readers give it")
    objects = class_names(features) if "objects" in features else []
    of_pixels = list(features["classes"].feature.names) if "classes" in features else []
    known = list(dict.fromkeys([*objects, *of_pixels]))
    if not known:
        raise DataError("the data has neither a column 'objects' nor masks with a column 'classes'")
    for old in mapping:
        if old != OTHERS and old not in known:
            raise DataError(f"there is no class {old!r}, only {', '.join(known)}.{did_you_mean(old, known)}")
    renamed = {name: mapping.get(name, mapping.get(OTHERS, name)) for name in known}
    if of_pixels:
        renamed[of_pixels[0]] = mapping.get(of_pixels[0]) or of_pixels[0]
    left_objects = _left(objects, renamed)
    left_pixels = _left(of_pixels, renamed)
    if len(left_objects) < min(1, len(objects)) or len(left_pixels) < min(2, len(of_pixels)):
        raise DataError(f"no class is left of {', '.join(known)}: the map drops all")

    changed: dict[str, list[Any]] = {}
    masks = {name: dataset.cast_column(name, datasets.Image(decode=False))[name] for name in _masks(dataset)}
    if objects:
        features["objects"] = {**features["objects"], "category": _list_of(left_objects)}
        kept_of, changed["objects"] = [], []
        numbers = [left_objects.index(renamed[name]) if renamed[name] else -1 for name in objects]
        for row in dataset["objects"]:
            kept = [index for index, category in enumerate(row["category"]) if numbers[category] >= 0]
            made = {name: [values[index] for index in kept] for name, values in row.items()}
            changed["objects"].append({**made, "category": [numbers[category] for category in made["category"]]})
            kept_of.append((kept, len(row["category"])))
        column = "instances" if "instances" in masks else None if of_pixels else "mask" if "mask" in masks else None
        if column is not None:
            changed[column] = [_kept_objects(mask, *kept) for mask, kept in zip(masks[column], kept_of, strict=True)]
    if of_pixels:
        features["classes"] = _list_of(left_pixels)
        table = np.arange(VOID + 1, dtype=np.uint8)
        table[: len(of_pixels)] = [left_pixels.index(renamed[name]) if renamed[name] else 0 for name in of_pixels]
        arrays = [table[read_numbers(mask)] for mask in masks["mask"]]
        changed["mask"] = [_record(pixels) for pixels in arrays]
        changed["classes"] = [[int(value) for value in np.unique(pixels) if value != VOID] for pixels in arrays]
    types = datasets.Features({name: features[name] for name in changed})
    made_columns = datasets.Dataset.from_dict(changed, types)
    others = dataset.remove_columns(list(changed)).flatten_indices()
    return datasets.concatenate_datasets([others, made_columns], axis=1).select_columns(dataset.column_names)


def _left(names: list[str], renamed: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(renamed[name] for name in names if renamed[name]))


def _list_of(names: list[str]) -> Any:
    from datasets import ClassLabel, List

    return List(ClassLabel(names=names))


def _masks(dataset: Dataset) -> list[str]:
    return [name for name in MASKS if name in dataset.column_names]


def _kept_objects(mask: Mapping[str, Any], kept: list[int], total: int) -> dict[str, Any]:
    """A mask of objects in which those that are kept have the numbers from 1 on, and the others none."""
    numbers = read_numbers(mask)
    if int(numbers.max(initial=0)) != total:
        raise DataError(f"a mask counts {numbers.max(initial=0)} objects, and has boxes for {total}")
    table = np.zeros(total + 1, np.uint16)
    table[[index + 1 for index in kept]] = np.arange(1, len(kept) + 1)
    return _record(table[numbers])


def _record(pixels: NDArray[Any]) -> dict[str, Any]:
    return {"bytes": png_of_numbers(pixels), "path": None}
