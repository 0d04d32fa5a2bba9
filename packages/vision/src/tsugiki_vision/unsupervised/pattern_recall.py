"""The task of pattern recall: a picture in black and white, damaged, and the stored one to be found again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.augmentation import counter_uniform
from tsugiki.class_labels import class_names, class_numbers, find_label_column
from tsugiki.columns import PICTURE_COLUMN, Role, check_roles, find_column, read_column
from tsugiki.errors import DataError
from tsugiki.images import decode_image_column
from tsugiki.inputs import PICTURES, InputKind
from tsugiki.labelled_task import LabelledTask
from tsugiki.metrics import Metric, mean_metric, share_metric
from tsugiki.picture import Picture
from tsugiki.predictions import Predictions
from tsugiki.task import CountedTask
from tsugiki.tensor_table import TensorTable

if TYPE_CHECKING:
    from datasets import Dataset

DAMAGE = 0.3  # share of the bits that are flipped, each by itself
RECALLED = 0.95  # overlap of a retrieved pattern; at the limit of capacity it is 0.967 (Amit et al. 1985)
BLACK = 128  # gray values from here on count as +1
DRAW = "draw"  # a column that tells rows with the same picture apart, so that each is damaged otherwise
_PRIME = 1_000_003


@dataclass(frozen=True)
class DamagedBits:
    """Turns a batch of clean black and white pictures into what a network has to recall from.

    Which bits flip is a function of the picture and its draw alone, so that some of the rows of a table are damaged as
    they are among all.

    Attributes:
        share: Of the bits that flip.
        seed: Of the flips.
    """

    share: float = DAMAGE
    seed: int = 0

    def __call__(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """From `pixel_values` uint8 0 or 255 (B, C, H, W) and `draw` (B,) to `pixel_values` float -1 or 1."""
        clean = batch["pixel_values"] >= BLACK
        bits = clean.flatten(1)  # (B, N)
        places = torch.arange(1, bits.shape[1] + 1, device=bits.device)
        identity = (bits * (places * places)).sum(1) * _PRIME + batch["draw"]  # (B,)
        flips = counter_uniform(identity, bits.shape[1], seed=self.seed, epoch=0) < self.share
        damaged = torch.where(bits ^ flips, 1.0, -1.0).view(clean.shape)
        kept = {name: value for name, value in batch.items() if name not in ("pixel_values", "draw", "pattern")}
        return {**kept, "pixel_values": damaged}


class PatternRecall(LabelledTask, CountedTask):
    """Find stored black and white patterns again from damaged ones.

    Pictures are split into bits at half of their brightness, and in evaluation 30 % of the bits are flipped. A row
    counts as recalled where the overlap with its own picture, the mean over all bits of the product of the two (-1 or
    1), is at least 0.95. Columns have the roles `image` and `label`, as in image classification; a column `draw` of
    integers may tell rows with the same picture apart.
    """

    name: ClassVar[str] = "pattern-recall"
    inputs: ClassVar[InputKind] = PICTURES
    main_metric: ClassVar[str] = "recall"
    pipeline_tag: ClassVar[str | None] = "image-to-image"

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Find the columns by feature type, or check the ones that the user named.

        Args:
            dataset: The data.
            given: Columns by role.

        Raises:
            DataError: A column is missing, of the wrong type, or one of several.
        """
        check_roles(given, ("image", "label"), task=self.name)
        image = find_column(dataset, "image", Role(PICTURE_COLUMN), given)
        return {"image": image, "label": find_label_column(dataset, (given or {}).get("label"))}

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Names of the patterns, as those of classes."""
        return class_names(dataset, columns["label"])

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Decode every picture once, and split it into bits.

        Returns:
            `pixel_values` uint8 0 or 255 (N, C, H, W), damaged batch by batch; `labels` int64 (N, C * H * W), the clean
            bits as -1 or 1; `pattern` int64 (N,), the number of the label; `draw` int64 (N,).

        Raises:
            DataError: A picture does not decode, or a label is missing or unknown to the model.
        """
        numbers = torch.from_numpy(class_numbers(dataset, columns["label"], label_names))
        white = decode_image_column(dataset, columns["image"], processor) >= BLACK
        return TensorTable(
            {
                "pixel_values": white.to(torch.uint8) * 255,
                "labels": white.flatten(1).long() * 2 - 1,
                "pattern": numbers,
                "draw": _draws(dataset),
            },
            transform=DamagedBits(),
        )

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The states in which the network rests (B, N)."""
        return model(pixel_values=batch["pixel_values"]).states

    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Whether the overlap with the row's own picture is at least 0.95 (N,)."""
        return overlaps(predictions) >= RECALLED

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`recall`, the share of rows recalled, and `overlap`, the mean overlap; with 95 % intervals."""
        return {
            "recall": share_metric(self.correct(predictions)),
            "overlap": mean_metric(overlaps(predictions), seed=seed),
        }

    def figures(
        self, predictions: Predictions, table: TensorTable, folder: Path, *, label_names: Sequence[str] = ()
    ) -> list[Picture]:
        """Draw for each pattern what was stored, what the network got, and what it made of it."""
        from .pattern_recall_pictures import draw_recall

        return [draw_recall(predictions, table, label_names, folder)]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Tell which stored pattern the network recalls from single pictures.

        Args:
            inputs: Pictures that the processor takes, such as Pillow images.

        Returns:
            For each picture the patterns nearest to the state in which the network rests, as
            `{"label": name, "score": overlap}`, the overlap from -1 to 1.
        """
        pixel_values = processor(images=list(inputs), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            logits = model(pixel_values=pixel_values.to(model.device, model.dtype)).logits
        scores, labels = logits.float().topk(min(top_k, logits.shape[-1]))
        return [
            [{"label": model.config.id2label[label], "score": score} for score, label in zip(*row, strict=True)]
            for row in zip(scores.tolist(), labels.tolist(), strict=True)
        ]


def overlaps(predictions: Predictions) -> NDArray[np.float64]:
    """Mean over all bits of the product of state and target, from -1 (the negative) to 1 (the picture), (N,)."""
    return (predictions.outputs * predictions.labels).mean(axis=1, dtype=np.float64)


def _draws(dataset: Dataset) -> Tensor:
    if DRAW not in dataset.features:
        return torch.zeros(len(dataset), dtype=torch.int64)
    values = read_column(dataset, DRAW)
    if not all(isinstance(value, int) for value in values):
        raise DataError(f"column {DRAW!r} tells rows with the same picture apart and must hold integers; rename it")
    return torch.tensor(values, dtype=torch.int64)
