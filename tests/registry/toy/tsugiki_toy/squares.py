"""Bright squares in pictures, marked by boxes: a plugin with a format and a training of its own."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutputWithNoAttention
from tsugiki.augmentation import AugmentationFields, counter_uniform
from tsugiki.errors import DataError
from tsugiki.file_tree import FileCount, walk
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, method_options, number
from tsugiki.training.phases import join_results, run_phase
from tsugiki.training.processes import gather_rows

from .pictures import PlainForImageClassification

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
    for place, line in enumerate(marks.read_text().splitlines(), 1):
        split, file, *numbers = line.split()
        if len(numbers) != 4 or float(numbers[2]) <= float(numbers[0]) or float(numbers[3]) <= float(numbers[1]):
            raise DataError(f"{marks}, line {place}: {' '.join(numbers)} is no box")
        rows.setdefault(split, {}).setdefault(str(folder / file), []).append([float(one) for one in numbers])
    read = {path for of_split in rows.values() for path in of_split}
    others = [file.path.name for file in walk(folder) if str(file.path) not in read and file.path != marks]
    left_out = {"not marked": others} if others else {}
    return MarkedFolder(rows, FileCount(folder, {split: len(files) for split, files in rows.items()}, left_out))


@dataclass(frozen=True)
class Mosaic(AugmentationFields):
    """Pictures (B, C, H, W) of even sides in quarters of pictures; ``boxes`` (B, M, 4) go with them, of no area to pad.

    A share of the rows is left as it is. What a row is labelled stays.
    """

    kind = "mosaic"

    flip: bool = False
    whole: float = 0.0

    def __call__(self, batch: dict[str, Any], *, rows: Tensor, epoch: int, seed: int) -> dict[str, Any]:
        """Mirror a half of the pictures and their boxes."""
        mirrored = self.flip & (counter_uniform(rows, 1, seed=seed, epoch=epoch, stream=20)[:, 0] < 0.5)
        pixels = batch["pixel_values"]
        batch = {**batch, "pixel_values": torch.where(mirrored.view(-1, 1, 1, 1), pixels.flip(3), pixels)}
        if "boxes" in batch:
            left, top, right, bottom = batch["boxes"].unbind(2)
            turned = torch.stack([pixels.shape[3] - right, top, pixels.shape[3] - left, bottom], 2)
            batch["boxes"] = torch.where(mirrored.view(-1, 1, 1), turned, batch["boxes"])
        return batch

    def partners(self, rows: Tensor, *, count: int, epoch: int, seed: int) -> Tensor:
        """The rows in the three other quarters."""
        return (counter_uniform(rows, 3, seed=seed, epoch=epoch, stream=21) * count).long()

    def join(
        self, batch: dict[str, Any], partners: Any, *, rows: Tensor, epoch: int, seed: int, classes: int
    ) -> dict[str, Any]:
        """Lay the quarters side by side."""
        parts = [batch, *partners]
        a, b, c, d = (part["pixel_values"][..., ::2, ::2] for part in parts)
        joined = torch.cat([torch.cat([a, b], 3), torch.cat([c, d], 3)], 2)
        keep = counter_uniform(rows, 1, seed=seed, epoch=epoch, stream=22)[:, 0] < self.whole
        result = {**batch, "pixel_values": torch.where(keep.view(-1, 1, 1, 1), batch["pixel_values"], joined)}
        if "boxes" in batch:
            height, width = joined.shape[2] / 2, joined.shape[3] / 2
            corners = torch.tensor([[0, 0], [width, 0], [0, height], [width, height]]).repeat(1, 2)
            moved = torch.cat([part["boxes"] / 2 + corner for part, corner in zip(parts, corners, strict=True)], 1)
            own = torch.cat([batch["boxes"], *(torch.zeros_like(part["boxes"]) for part in partners)], 1)
            result["boxes"] = torch.where(keep.view(-1, 1, 1), own, moved)
        return result


@dataclass(frozen=True)
class DistilOptions(TrainerOptions):
    """How much of the teacher's answer is in what the student learns."""

    share: float = number(0.5, least=0)


@method_options(DistilOptions)
def distil(model: PreTrainedModel, job: TrainingJob) -> FitResult:
    """Train a teacher like the model, and the model on labels mixed with the teacher's answers."""
    options, job = job.split_options(DistilOptions)
    teacher = copy.deepcopy(model)
    first = run_phase(teacher, job.phase("teacher"), fit)
    table = job.train
    with torch.no_grad():
        answers = torch.cat(
            [teacher.cpu()(pixel_values=batch["pixel_values"]).logits.softmax(1) for batch in table.batches(64)]
        )
    labels = torch.nn.functional.one_hot(table.labels, answers.shape[1]) * (1 - options.share) + answers * options.share
    soft = TensorTable(
        {**table.columns, "labels": labels}, transform=table.transform, augmentation=table.augmentation, seed=table.seed
    )
    return join_results([first, fit(model, job.phase("student", train=soft))])


class PlainCodes(PlainForImageClassification):
    """The logits as codes of identities: those of one near each other, those of two at least 1 apart."""

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> ImageClassifierOutputWithNoAttention:
        """Codes, and the contrastive loss over the batch of all processes."""
        codes = super().forward(pixel_values).logits
        if labels is None:
            return ImageClassifierOutputWithNoAttention(logits=codes)
        every, identities = gather_rows(codes), gather_rows(labels)
        distances = (every[:, None] - every[None]).square().sum(2)
        alike = identities[:, None] == identities[None]
        loss = torch.where(alike, distances, (1 - distances).clamp_min(0)).mean()
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=codes)
