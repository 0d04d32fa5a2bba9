"""Data with objects as Pascal VOC's XML, with the pictures beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from .annotation import AnnotatedPicture, Box
from .picture_files import PictureFiles
from .writers import Losses, names_of, number, rows, written_splits

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


def write_voc(data: Dataset | DatasetDict, folder: Path) -> list[str]:
    """Write ``Annotations/``, ``JPEGImages/`` and the lists of the splits in ``ImageSets/Main/``.

    Corners count from 1, as `tsugiki_detection.annotations.voc` reads them, and keep their fractions. A crowd is
    ``difficult``, so that other programs ignore it too, and has an element ``iscrowd`` besides.

    Args:
        data: With the columns ``image`` and ``objects``.
        folder: An empty folder.

    Returns:
        Lines on what the format cannot hold.

    Raises:
        DataError: The data has no such columns, or its classes have no names.
    """
    splits = written_splits(data)
    unused = set(names_of(splits))
    files, losses = PictureFiles(), Losses()
    labels_folder, lists = folder / "Annotations", folder / "ImageSets" / "Main"
    labels_folder.mkdir(parents=True)
    lists.mkdir(parents=True)
    for split, dataset in splits.items():
        with_crowds = "iscrowd" in dataset.features["objects"]
        stems = []
        for picture in rows(dataset, split, outlines=False):
            path = files.write(picture, folder / "JPEGImages")
            stems.append(path.stem)
            text = _xml(picture, path.name, with_crowds=with_crowds)
            (labels_folder / f"{path.stem}.xml").write_text(text, "utf-8")
            unused -= {one.category for one in picture.annotations}
            outlined = sum(one.outline is not None for one in picture.annotations)
            if outlined or picture.masks:
                losses.add(
                    "Pascal VOC's XML has no outlines: those of {} objects are lost",
                    outlined or len(picture.annotations),
                )
        (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), "utf-8")
    if unused:
        losses.add(
            f"Pascal VOC's XML names no classes without objects: {', '.join(sorted(unused))} ({{}}) are lost",
            len(unused),
        )
    return losses.notes


def _xml(picture: AnnotatedPicture, name: str, *, with_crowds: bool) -> str:
    assert picture.size is not None
    width, height = picture.size
    lines = [
        "<annotation>",
        f"  <filename>{escape(name)}</filename>",
        f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
    ]
    for one in picture.annotations:
        crowd = f"<iscrowd>{int(one.iscrowd)}</iscrowd>" if with_crowds else ""
        lines += [
            "  <object>",
            f"    <name>{escape(one.category)}</name>",
            f"    <difficult>{int(one.difficult or one.iscrowd)}</difficult>{crowd}",
            f"    <bndbox>{_corners(one.box)}</bndbox>",
            "  </object>",
        ]
    return "\n".join([*lines, "</annotation>", ""])


def _corners(box: Box) -> str:
    x, y, w, h = box
    corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + w, "ymax": y + h}
    return "".join(f"<{tag}>{number(value, 10)}</{tag}>" for tag, value in corners.items())
