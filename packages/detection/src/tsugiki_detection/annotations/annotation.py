"""What every format says of a picture: its objects, each with a box, a class and perhaps an outline.

All formats become one form of data, the Hub's column ``objects``: lists of the same length, with boxes as
``[x, y, w, h]`` in pixels of the upright picture, as COCO has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsugiki.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset, Features

MASKS = ("mask", "instances")  # columns of pictures whose pixels are numbers, of classes or of objects
Box = tuple[float, float, float, float]
Size = tuple[int, int]
FLAGS = ("iscrowd", "difficult")  # objects that figures ignore: COCO's crowds, and what is hard to see in Pascal VOC


@dataclass(frozen=True, slots=True)
class Outline:
    """The pixels of an object, as polygons or as runs.

    Attributes:
        polygons: Each ``x1, y1, x2, y2, …`` in pixels.
        counts: COCO's compressed run lengths, where it is no polygon.
        size: Height and width of the picture that the runs go through; empty with polygons.
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    counts: str = ""
    size: tuple[int, ...] = ()


@dataclass(slots=True)
class Annotation:
    """One object of a picture.

    Attributes:
        box: x, y, width, height in pixels of the upright picture.
        category: The name of its class.
        place: Where it is written, such as ``labels/cat.txt:3``.
        area: In pixels; None where the format does not say it, and the outline or the box does.
        outline: None where the object has a box alone.
        iscrowd: Whether it is a crowd that nobody counted, as COCO marks it.
        difficult: Whether Pascal VOC calls it hard to see.
    """

    box: Box
    category: str
    place: str = ""
    area: float | None = None
    outline: Outline | None = None
    iscrowd: bool = False
    difficult: bool = False


@dataclass(slots=True)
class AnnotatedPicture:
    """A picture and its objects.

    Attributes:
        source: The file, or what `datasets` holds of it.
        place: How a message calls it: the file of its labels, or its own where it has none.
        annotations: Its objects.
        declared: Width and height that the labels state.
        size: Width and height of the upright picture; None before they are measured.
        columns: Values of further columns, such as a mask.
    """

    source: Path | Mapping[str, Any]
    place: str
    annotations: list[Annotation] = field(default_factory=list)
    declared: Size | None = None
    size: Size | None = None
    columns: dict[str, Any] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The file's name; empty where the picture has none."""
        if isinstance(self.source, Path):
            return self.source.name
        return Path(self.source.get("path") or "").name

    @property
    def masks(self) -> dict[str, Any]:
        """Its columns of pixels that are numbers, of classes or objects."""
        return {name: self.columns[name] for name in MASKS if name in self.columns}

    @property
    def content(self) -> bytes:
        """The picture as it is encoded."""
        if isinstance(self.source, Path):
            return self.source.read_bytes()
        if (content := self.source.get("bytes")) is not None:
            return bytes(content)
        return Path(self.source["path"]).read_bytes()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with labels.

    Attributes:
        place: File and line, or the annotation's id.
        kind: What is wrong, in a few words, for counting.
        text: What is wrong here, in words that follow the place.
        picture: The picture that is left out for it.
        annotation: The object of that picture that is left out for it, alone; None leaves out the picture.
        fatal: Whether leaving out something would not mend it: the rest is wrong too.
    """

    place: str
    kind: str
    text: str
    picture: AnnotatedPicture | None = None
    annotation: Annotation | None = None
    fatal: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def object_features(classes: Sequence[str], *, flags: Sequence[str] = (), outlines: bool = False) -> dict[str, Any]:
    """The type of the column ``objects``.

    Args:
        classes: Names, in the order of the numbers in the column.
        flags: Which of `FLAGS` the data says.
        outlines: Whether objects have outlines; each is then ``polygons`` or ``counts`` with ``size``.
    """
    from datasets import ClassLabel, List, Value

    features = {
        "bbox": List(List(Value("float32"), length=4)),
        "category": List(ClassLabel(names=list(classes))),
        "area": List(Value("float32")),
        **{flag: List(Value("bool")) for flag in flags},
    }
    if outlines:
        outline = {"polygons": List(List(Value("float32"))), "counts": Value("string"), "size": List(Value("int32"))}
        features["segmentation"] = List(outline)
    return features


def objects_row(
    annotations: Iterable[Annotation], numbers: Mapping[str, int], *, flags: Sequence[str] = (), outlines: bool = False
) -> dict[str, list[Any]]:
    """The objects of a picture as a row of the column ``objects``.

    Args:
        annotations: The objects.
        numbers: Numbers of the classes by name.
        flags: As `object_features` takes them.
        outlines: Likewise.
    """
    annotations = list(annotations)
    row: dict[str, list[Any]] = {
        "bbox": [list(one.box) for one in annotations],
        "category": [numbers[one.category] for one in annotations],
        "area": [one.box[2] * one.box[3] if one.area is None else one.area for one in annotations],
        **{flag: [getattr(one, flag) for one in annotations] for flag in flags},
    }
    if outlines:
        shapes = [one.outline or Outline() for one in annotations]
        row["segmentation"] = [
            {"polygons": [list(polygon) for polygon in shape.polygons], "counts": shape.counts, "size": [*shape.size]}
            for shape in shapes
        ]
    return row


def to_dataset(pictures: Sequence[AnnotatedPicture], features: Mapping[str, Any]) -> Dataset:
    """Pictures as data: ``image``, ``width``, ``height`` and the columns of `AnnotatedPicture.columns`.

    Args:
        pictures: Whose files have been measured.
        features: Types of the further columns by name.
    """
    import datasets
    from tsugiki.data.media_folder import column_of_files

    image = column_of_files("image", [picture.source for picture in pictures])
    sizes = [picture.size or (0, 0) for picture in pictures]
    columns = {"width": [width for width, _ in sizes], "height": [height for _, height in sizes]}
    types = {"width": datasets.Value("int32"), "height": datasets.Value("int32"), **features}
    columns |= {name: [picture.columns[name] for picture in pictures] for name in features}
    others = datasets.Dataset.from_dict(columns, datasets.Features(types))
    return datasets.concatenate_datasets([image, others], axis=1)


def class_names(features: Features) -> list[str]:
    """Names of the classes of data with objects.

    Raises:
        DataError: There are no objects, or their classes have no names.
    """
    names = getattr(getattr(objects_type(features)["category"], "feature", None), "names", None)
    if names is None:
        raise DataError("the column 'objects' has no names for its classes: its 'category' is to be a ClassLabel")
    return list(names)


def has_outlines(features: Features) -> bool:
    """Whether the objects of data have outlines, as `object_features` writes them."""
    return "segmentation" in objects_type(features)


def objects_type(features: Features) -> Mapping[str, Any]:
    """The types of what the column ``objects`` says of each object, by name.

    Raises:
        DataError: There is no such column.
    """
    objects = features.get("objects")
    objects = getattr(objects, "feature", objects)  # a list of objects, as well as an object of lists
    if not isinstance(objects, Mapping) or not {"bbox", "category"} <= set(objects):
        raise DataError("the data has no column 'objects' with 'bbox' and 'category'")
    return objects


def annotated_pictures(dataset: Dataset, *, named: str = "data") -> Iterator[AnnotatedPicture]:
    """The rows of data in the form of all formats, pictures as they are encoded.

    Args:
        dataset: With the columns ``image`` and ``objects``.
        named: How places call the data.

    Raises:
        DataError: It has no such columns.
    """
    import datasets

    if not isinstance(dataset.features.get("image"), datasets.Image):
        raise DataError(f"{named} has no column 'image' of pictures, only {', '.join(dataset.column_names)}")
    names = getattr(getattr(objects_type(dataset.features)["category"], "feature", None), "names", None)
    for column, feature in dataset.features.items():
        if isinstance(feature, datasets.Image):
            dataset = dataset.cast_column(column, datasets.Image(decode=False))
    kept = [name for name in (*MASKS, "classes") if name in dataset.column_names]
    for number, row in enumerate(dataset):
        place = f"{named} row {number}"
        picture = AnnotatedPicture(row["image"], place, columns={name: row[name] for name in kept})
        if row.get("width") and row.get("height"):
            picture.declared = picture.size = (row["width"], row["height"])
        for index, said in enumerate(_each_object(row["objects"])):
            category = said["category"]
            name = names[category] if names is not None else str(category)
            picture.annotations.append(_annotation(said, name, f"{place}, object {index}"))
        yield picture


def _each_object(objects: Any) -> list[Mapping[str, Any]]:
    """What the column ``objects`` says of each object of a row."""
    if objects is None or isinstance(objects, list):
        return objects or []
    said = {name: values for name, values in objects.items() if values is not None}
    return [{name: values[index] for name, values in said.items()} for index in range(len(said.get("bbox", [])))]


def _annotation(said: Mapping[str, Any], category: str, place: str) -> Annotation:
    if len(said["bbox"] or ()) != 4:
        raise DataError(f"{place}: its bbox is to be [x, y, width, height], not {said['bbox']}")
    x, y, w, h = said["bbox"]
    shape = said.get("segmentation")
    outline = None
    if isinstance(shape, Mapping) and (shape.get("polygons") or shape.get("counts")):
        polygons = tuple(tuple(polygon) for polygon in shape["polygons"] or ())
        outline = Outline(polygons, shape["counts"] or "", tuple(shape["size"] or ()))
    flags = {flag: bool(said.get(flag)) for flag in FLAGS}
    return Annotation((x, y, w, h), category, place, said.get("area"), outline, **flags)
