"""Bright squares in pictures, marked by boxes: a plugin with a format and a training of its own."""

from dataclasses import dataclass
from pathlib import Path

import datasets
from tsugiki.errors import DataError
from tsugiki.file_tree import FileCount, walk

MARKS = "marks.txt"  # a line a box: split, file, left, top, right, bottom in pixels


@dataclass(frozen=True)
class MarkedFolder:
    rows: dict[str, dict[str, list[list[float]]]]  # split -> file -> boxes
    count: FileCount

    def dataset(self) -> datasets.DatasetDict:
        """Pictures and their boxes."""
        features = datasets.Features(
            image=datasets.Image(), boxes=datasets.List(datasets.List(datasets.Value("float32")))
        )
        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_dict({"image": list(boxes), "boxes": list(boxes.values())}, features)
                for split, boxes in self.rows.items()
            }
        )


def read_marked(folder: Path) -> MarkedFolder | None:
    """A folder of pictures with a file of marks."""
    marks = folder / MARKS
    if not marks.is_file():
        return None
    rows: dict[str, dict[str, list[list[float]]]] = {}
    for number, line in enumerate(marks.read_text().splitlines(), 1):
        split, file, *numbers = line.split()
        if len(numbers) != 4 or float(numbers[2]) <= float(numbers[0]) or float(numbers[3]) <= float(numbers[1]):
            raise DataError(f"{marks}, line {number}: {' '.join(numbers)} is no box")
        rows.setdefault(split, {}).setdefault(str(folder / file), []).append([float(one) for one in numbers])
    read = {path for of_split in rows.values() for path in of_split}
    others = [file.path.name for file in walk(folder) if str(file.path) not in read and file.path != marks]
    left_out = {"not marked": others} if others else {}
    return MarkedFolder(rows, FileCount(folder, {split: len(files) for split, files in rows.items()}, left_out))
