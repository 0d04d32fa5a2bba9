"""A classifier as a detector: its classes for every window of a picture in one pass, and what is found of them.

Sermanet et al. 2013, OverFeat: integrated recognition, localization and detection using convolutional networks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.errors import DataError, OptionError

from ..boxes.nms import batched_nms
from .window_maps import all_windows

WINDOWS_AT_ONCE = 2**16  # of which maps are held
CLASSIFICATION = "image-classification"


class SlidingWindow:
    """A trained classifier that looks at every window of a picture.

    Any classifier of any plugin slides whose network is made of convolutions, poolings, activations, norms and fully
    connected layers one behind the other, and pads its maps seldom: where each layer pads, hardly two windows have a
    value in common. What it says of a window is what it says of the window cropped.

    Args:
        model: A classifier; set to evaluation mode.
        processor: That which prepares its pictures. A picture that slides is neither resized nor cropped.
        stride: Pixels from one window to the next.

    Attributes:
        size: Height and width of a window.

    Raises:
        OptionError: The stride is below 1, the processor does not tell the size, or the network cannot slide.
    """

    def __init__(self, model: Any, processor: Any, *, stride: int = 1) -> None:
        if stride < 1:
            raise OptionError(f"stride must be at least 1, not {stride}")
        self.model, self.processor, self.stride = model.eval(), processor, stride
        self.size = _window_size(processor)
        channels = int(getattr(model.config, "num_channels", 3))
        self.logits(torch.zeros(channels, *self.size, device=model.device, dtype=model.dtype))  # refused here, or never

    @classmethod
    def open(cls, name: str | Path, *, stride: int = 1) -> SlidingWindow:
        """The classifier of this name.

        Raises:
            OptionError: It is no classifier of pictures, or cannot slide.
            TsugikiError: There is none, or it does not load.
        """
        from tsugiki.evaluation.evaluate import task_of
        from tsugiki.snapshots.snapshot import Snapshot

        snapshot = Snapshot.open(name)
        model = snapshot.model()
        if task_of(model) != CLASSIFICATION:
            raise OptionError(f"{name} is no classifier of pictures, and cannot slide")
        try:
            return cls(model, snapshot.processor(), stride=stride)
        except OptionError as error:
            raise OptionError(f"{name}: {error}") from error

    @torch.inference_mode()
    def logits(self, pixel_values: Tensor) -> Tensor:
        """The classes of every window.

        Args:
            pixel_values: A prepared picture (C, H, W).

        Returns:
            (rows, columns, K); the window of row i and column j has its upper left corner at pixel
            (j, i) times `stride`.

        Raises:
            DataError: The picture is smaller than a window.
        """
        height, width = self.size
        if pixel_values.shape[1] < height or pixel_values.shape[2] < width:
            raise DataError(
                f"a picture of {pixel_values.shape[2]} x {pixel_values.shape[1]} pixels holds no window of {width} x "
                f"{height}"
            )
        columns = (pixel_values.shape[2] - width) // self.stride + 1
        rows = (pixel_values.shape[1] - height) // self.stride + 1
        band = max(1, WINDOWS_AT_ONCE // columns)
        bands = []
        for first in range(0, rows, band):
            count = min(band, rows - first)
            top = first * self.stride
            part = pixel_values[None, :, top : top + (count - 1) * self.stride + height]
            bands.append(all_windows(self._logits, part, self.size, self.stride))
        return torch.cat(bands)

    def cropped_logits(self, pixel_values: Tensor, *, batch_size: int = 256) -> Tensor:
        """What `logits` gives, by cropping every window and classifying it: slow, and obvious."""
        windows = pixel_values.unfold(1, self.size[0], self.stride).unfold(2, self.size[1], self.stride)
        rows, columns = windows.shape[1:3]
        answers = []
        with torch.inference_mode():
            for first in range(0, rows * columns, batch_size):
                numbers = torch.arange(first, min(first + batch_size, rows * columns))
                answers.append(self._logits(windows[:, numbers // columns, numbers % columns].transpose(0, 1)))
        return torch.cat(answers).view(rows, columns, -1)

    def prepare(self, picture: Image.Image) -> Tensor:
        """A picture as the network sees it (C, H, W), in its own size."""
        batch = self.processor(images=picture, do_resize=False, do_center_crop=False, return_tensors="pt")
        return batch["pixel_values"][0].to(self.model.device, self.model.dtype)

    def detect(
        self,
        picture: Image.Image,
        *,
        threshold: float = 0.9,
        iou_threshold: float = 0.3,
        background: Collection[str] = (),
        scales: Sequence[float] = (1.0,),
    ) -> Answers:
        """Find things of the classifier's classes.

        Args:
            picture: Any that holds a window.
            threshold: Least probability of a window's class.
            iou_threshold: Of two windows of one class that overlap by more, the likelier one is kept.
            background: Classes that are nothing.
            scales: Sizes that the picture is looked at in, as factors; what is larger than a window is found in a
                smaller picture. One in which no window fits is passed over.

        Returns:
            Each ``{"label", "score", "box": {"xmin", "ymin", "xmax", "ymax"}}`` in pixels of the picture, best first.

        Raises:
            DataError: The picture holds no window at any scale.
        """
        names = self.model.config.id2label
        nothing = [number for number, name in names.items() if name in background]
        boxes, scores, classes = [], [], []
        for scale in scales:
            width, height = (max(1, round(side * scale)) for side in picture.size)
            if height < self.size[0] or width < self.size[1]:
                continue
            seen = picture if scale == 1 else picture.resize((width, height), Image.Resampling.BILINEAR)
            chances = self.logits(self.prepare(seen)).double().softmax(-1)  # near 1, float32 has no order
            chances[..., nothing] = 0
            best, label = chances.max(-1)
            rows, columns = (best >= threshold).nonzero(as_tuple=True)
            corners = torch.stack([columns, rows, columns, rows], 1) * float(self.stride)
            corners[:, 2] += self.size[1]
            corners[:, 3] += self.size[0]
            shares = torch.tensor([picture.width / width, picture.height / height] * 2, device=corners.device)
            boxes.append(corners * shares)
            scores.append(best[rows, columns])
            classes.append(label[rows, columns])
        if not boxes:
            raise DataError(
                f"a picture of {picture.width} x {picture.height} pixels holds no window of {self.size[1]} x "
                f"{self.size[0]} at any scale"
            )
        box, score, kind = torch.cat(boxes), torch.cat(scores), torch.cat(classes)
        kept = batched_nms(box, score, kind, iou_threshold)
        return [
            {
                "label": names[int(kind[number])],
                "score": float(score[number]),
                "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), box[number].tolist(), strict=True)),
            }
            for number in kept.tolist()
        ]

    def _logits(self, pixel_values: Tensor) -> Tensor:
        return self.model(pixel_values=pixel_values, return_dict=True).logits


def _window_size(processor: Any) -> tuple[int, int]:
    """Height and width of what a processor hands to the network."""
    sides = dict(processor.crop_size if getattr(processor, "do_center_crop", False) else processor.size)
    if not sides.get("height") or not sides.get("width"):
        raise OptionError("the processor of a classifier that slides tells height and width of its pictures")
    return int(sides["height"]), int(sides["width"])
