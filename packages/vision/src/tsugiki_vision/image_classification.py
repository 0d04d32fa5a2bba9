"""The task of image classification: one picture, one of several classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from tsugiki.errors import DataError, OptionError, did_you_mean
from tsugiki.images import Normalize, decode_images
from tsugiki.metrics import Metric, mean_metric
from tsugiki.table import TensorTable
from tsugiki.task import Picture, Predictions, Task

if TYPE_CHECKING:
    from datasets import Dataset

ROLES = ("image", "label")
LABEL_COLUMNS = ("label", "labels", "class", "target")  # taken for labels although they are plain strings or integers
BATCH_SIZE = 64  # pictures that `predict` puts through the network at once


class ImageClassification(Task):
    """Tell to which class a picture belongs; scored by accuracy.

    Columns have the roles `image` (a column of `datasets.Image`) and `label` (a `ClassLabel`, or a column of strings or
    integers with one of the names in `LABEL_COLUMNS`).
    """

    name: ClassVar[str] = "image-classification"
    main_metric: ClassVar[str] = "accuracy"

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Find the columns by feature type, or check the ones that the user named.

        Args:
            dataset: The data.
            given: Columns by role, such as `{"label": "fine_label"}`; roles that it leaves out are found.

        Returns:
            The columns of the roles `image` and `label`.

        Raises:
            DataError: A column is missing, of the wrong type, or one of several.
        """
        given = given or {}
        for role, column in given.items():
            if role not in ROLES:
                raise DataError(
                    f"image-classification has no role {role!r}, only {' and '.join(ROLES)}.{did_you_mean(role, ROLES)}"
                )
            if column not in dataset.features:
                raise DataError(
                    f"the data has no column {column!r}, only {', '.join(dataset.features)}."
                    f"{did_you_mean(column, dataset.features)}"
                )
        image = given.get("image") or _find_image_column(dataset)
        label = given.get("label") or _find_label_column(dataset)
        _check_image_column(dataset, image)
        _check_label_column(dataset, label)
        return {"image": image, "label": label}

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Name the classes of training data.

        Args:
            dataset: The training data.
            columns: Columns by role, as `columns` returns them.

        Returns:
            The names of a `ClassLabel` in its order; strings sorted by the alphabet and integers by size otherwise.

        Raises:
            DataError: A row has no label, a class has no rows, or there are fewer than two classes.
        """
        names, labels = _labels(dataset, columns["label"])
        counts = np.bincount(labels, minlength=len(names))
        if empty := [name for name, count in zip(names, counts, strict=True) if count == 0]:
            raise DataError(
                f"{'class' if len(empty) == 1 else 'classes'} {_listed(empty)} of column {columns['label']!r} "
                f"{'has' if len(empty) == 1 else 'have'} no rows to learn from; add examples or remove the name"
            )
        if len(names) < 2:
            raise DataError(f"column {columns['label']!r} holds {len(names)} class; a classifier needs two or more")
        return names

    def config_fields(self, label_names: Sequence[str]) -> dict[str, Any]:
        """`id2label` and `label2id`, from which a config derives `num_labels`."""
        return {"id2label": dict(enumerate(label_names)), "label2id": {name: i for i, name in enumerate(label_names)}}

    def table(
        self,
        dataset: Dataset,
        processor: Any,
        columns: Mapping[str, str] | None = None,
        *,
        label_names: Sequence[str] | None = None,
    ) -> TensorTable:
        """Decode every picture once.

        Args:
            dataset: The data, at least one row.
            processor: The model's image processor.
            columns: Columns by role; roles that it leaves out are found.
            label_names: The model's classes. Labels are matched by name, so that the order in the data is free. By
                default the data's own, each of which must then have rows.

        Returns:
            `pixel_values` uint8 (N, C, H, W), normalised batch by batch, and `labels` int64 (N,).

        Raises:
            DataError: A picture does not decode, or a label is missing or unknown to the model.
        """
        columns = self.columns(dataset, columns)
        if len(dataset) == 0:
            raise DataError("the data has no rows")
        if label_names is None:
            label_names = self.label_names(dataset, columns)
        names, labels = _labels(dataset, columns["label"])
        numbers = {name: number for number, name in enumerate(label_names)}
        unknown = [names[label] for label in np.unique(labels) if names[label] not in numbers]
        if unknown:
            raise DataError(
                f"{'label' if len(unknown) == 1 else 'labels'} {_listed(unknown)} of column {columns['label']!r} "
                f"{'is' if len(unknown) == 1 else 'are'} unknown to the model, which tells apart {_listed(label_names)}"
            )
        translation = np.array([numbers.get(name, -1) for name in names])
        return TensorTable(
            {
                "pixel_values": _decode(dataset, columns["image"], processor),
                "labels": torch.from_numpy(translation[labels]),
            },
            transform=Normalize.from_processor(processor),
        )

    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Whether the class with the highest logit is the labelled one (N,)."""
        return predictions.logits.argmax(axis=1) == predictions.labels

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`accuracy`: the share of right answers, with its bootstrap 95 % interval."""
        return {"accuracy": mean_metric(self.correct(predictions), seed=seed)}

    def pictures(
        self, predictions: Predictions, table: TensorTable, label_names: Sequence[str], folder: Path
    ) -> list[Picture]:
        """Draw the confusion matrix, and the most confident mistakes if there are any."""
        from .image_classification_pictures import draw_confusion_matrix, draw_worst_mistakes

        matrix = draw_confusion_matrix(predictions, label_names, folder)
        mistakes = draw_worst_mistakes(predictions, table.columns["pixel_values"], label_names, folder)
        return [matrix] if mistakes is None else [matrix, mistakes]

    def predict(
        self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int = 5
    ) -> list[list[dict[str, Any]]]:
        """Classify single pictures.

        Args:
            model: A classifier of this task.
            processor: Its image processor.
            inputs: Pictures that the processor takes, such as Pillow images.
            top_k: Classes to return for each, at most.

        Returns:
            For each picture its likeliest classes, best first, as `{"label": name, "score": probability}`.

        Raises:
            OptionError: `top_k` is not at least 1.
        """
        if top_k < 1:
            raise OptionError(f"top_k must be at least 1, not {top_k}")
        answers: list[list[dict[str, Any]]] = []
        was_training = model.training
        model.eval()
        try:
            for start in range(0, len(inputs), BATCH_SIZE):
                pictures = list(inputs[start : start + BATCH_SIZE])
                pixel_values = processor(images=pictures, return_tensors="pt")["pixel_values"]
                with torch.inference_mode():
                    logits = model(pixel_values=pixel_values.to(model.device, model.dtype)).logits
                scores, labels = logits.float().softmax(dim=-1).topk(min(top_k, logits.shape[-1]))
                for row_scores, row_labels in zip(scores.tolist(), labels.tolist(), strict=True):
                    answers.append(
                        [
                            {"label": model.config.id2label[label], "score": score}
                            for score, label in zip(row_scores, row_labels, strict=True)
                        ]
                    )
        finally:
            model.train(was_training)
        return answers


def _find_image_column(dataset: Dataset) -> str:
    from datasets import Image

    found = [name for name, feature in dataset.features.items() if isinstance(feature, Image)]
    return _the_only_one(found, "image", dataset, "of pictures (datasets.Image)")


def _find_label_column(dataset: Dataset) -> str:
    from datasets import ClassLabel

    found = [name for name, feature in dataset.features.items() if isinstance(feature, ClassLabel)]
    found = found or [name for name in LABEL_COLUMNS if name in dataset.features]
    return _the_only_one(found, "label", dataset, f"of classes (a ClassLabel, or one named {_listed(LABEL_COLUMNS)})")


def _the_only_one(found: list[str], role: str, dataset: Dataset, kind: str) -> str:
    if len(found) == 1:
        return found[0]
    what = f"several columns {kind}: {', '.join(found)}" if found else f"no column {kind}"
    raise DataError(
        f"the data has {what}; name the one to use with columns={{{role!r}: …}}, out of {', '.join(dataset.features)}"
    )


def _check_image_column(dataset: Dataset, column: str) -> None:
    """Refuse what `datasets` cannot cast to pictures: it can cast its own images, file names and encoded bytes."""
    from datasets import Image, Value

    feature = dataset.features[column]
    is_record = isinstance(feature, dict) and set(feature) == {"bytes", "path"}
    is_value = isinstance(feature, Value) and feature.dtype in ("string", "large_string", "binary", "large_binary")
    if not (isinstance(feature, Image) or is_record or is_value):
        raise DataError(
            f"column {column!r} holds {_kind(feature)}, not pictures; name a column of images, encoded bytes or file "
            f"names with columns={{'image': …}}, out of {', '.join(dataset.features)}"
        )


def _check_label_column(dataset: Dataset, column: str) -> None:
    from datasets import ClassLabel, Value

    feature = dataset.features[column]
    if isinstance(feature, ClassLabel):
        return
    if not (isinstance(feature, Value) and feature.dtype.startswith(("int", "uint", "string", "large_string", "bool"))):
        raise DataError(
            f"label column {column!r} holds {_kind(feature)}, not classes; it must hold class names, integers or a "
            f"ClassLabel: convert it, or name another with columns={{'label': …}}, out of {', '.join(dataset.features)}"
        )


def _kind(feature: Any) -> str:
    """What a column holds, for a message: `float64`, `List`, `Audio`, …"""
    return str(feature.dtype) if type(feature).__name__ == "Value" else type(feature).__name__


def _labels(dataset: Dataset, column: str) -> tuple[list[str], NDArray[np.int64]]:
    """Class names, and the number of each row's class among them (N,)."""
    from datasets import ClassLabel

    feature = dataset.features[column]
    values = list(dataset.with_format(None)[column])
    missing = [row for row, value in enumerate(values) if value is None or (value == -1 and _has_names(feature))]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(values)} rows have no label in column {column!r}, the first is row {missing[0]}; "
            "remove them or choose a split with labels"
        )
    if isinstance(feature, ClassLabel) and feature.names:
        return list(feature.names), np.asarray(values, dtype=np.int64)
    distinct, numbers = np.unique(np.asarray(values), return_inverse=True)
    return [str(value) for value in distinct], numbers.astype(np.int64)


def _has_names(feature: Any) -> bool:
    return bool(getattr(feature, "names", None))


def _decode(dataset: Dataset, column: str, processor: Any) -> torch.Tensor:
    """All pictures of a column as uint8 (N, C, H, W)."""
    from datasets import Image

    encoded = dataset.with_format(None).select_columns([column]).cast_column(column, Image(decode=False))
    path: str | None = None

    def sources() -> Iterator[Any]:
        nonlocal path
        for batch in encoded.iter(batch_size=512):
            for source in batch[column]:
                path = source["path"] if source else None
                yield source

    # The name is asked for right after its picture was taken, while `path` is that picture's.
    return decode_images(sources(), processor, name=lambda row: f"image {path!r} (row {row})" if path else f"row {row}")


def _listed(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
