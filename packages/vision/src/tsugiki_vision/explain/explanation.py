"""What a classifier looked at in a picture, from Python: ``Explainer.open(name).explain(picture)``."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel
from tsugiki.devices import moved
from tsugiki.errors import OptionError, TsugikiError, did_you_mean
from tsugiki.images import Normalize
from tsugiki.snapshots.snapshot import Snapshot

from ..pictures.png_files import write_png
from . import METHODS
from .picture import HEAT, Panel, draw_panels, shown_map, shown_picture, shown_signed, value_range, with_full_contrast
from .saliency_maps import Unit, best_input, grad_cam, gradient_map, guided_backprop, stage_modules


@dataclass(frozen=True)
class Explanation:
    """What a classifier looked at, as a picture that a notebook shows.

    Attributes:
        picture: All panels, with a caption.
        caption: Which network it was.
        answer: The likeliest class: ``{"label", "number", "score"}``; None where no picture was given.
        target: The class that the maps are of: ``{"label", "number"}``; None where there is none.
        panels: The titles of the panels.
        skipped: Why maps are missing that the network cannot have, by their names.
    """

    picture: Image.Image
    caption: str
    answer: dict[str, Any] | None
    target: dict[str, Any] | None
    panels: list[str]
    skipped: dict[str, str] = field(default_factory=dict)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the picture as a PNG file.

        Raises:
            OutputError: It is there and not to be replaced, or cannot be written.
        """
        write_png(path, self.picture, {"Title": "tsugiki explain", "Description": self.caption}, overwrite=overwrite)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.picture.save(file, "PNG")
        return file.getvalue()


class Explainer:
    """Draws what a classifier of pictures looked at.

    Args:
        model: The classifier, in eval mode.
        processor: Its image processor.
        name: What captions call it; by default its class.

    Example:
        >>> from PIL import Image
        >>> from tsugiki_vision.explain.explanation import Explainer
        >>> Explainer.open("resnet20-cifar10").explain(Image.open("cat.png"), method="grad-cam")
    """

    def __init__(self, model: PreTrainedModel, processor: Any, name: str = "") -> None:
        self.model = model
        self.processor = processor
        self.normalize = Normalize.from_processor(processor)
        self.name = name or type(model).__name__
        self._best: dict[tuple[Unit, int], Panel] = {}

    @classmethod
    def open(cls, name: str, device: str | None = None) -> Explainer:
        """Of the model of this name, on a device.

        Raises:
            TsugikiError: There is none, or it does not load.
        """
        snapshot = Snapshot.open(name)
        return cls(moved(snapshot.model(), device), snapshot.processor(), Path(name).name)

    def explain(
        self,
        picture: Image.Image | None = None,
        *,
        target: str | int | None = None,
        method: str = "all",
        layer: str | None = None,
        unit: str | None = None,
        steps: int = 256,
    ) -> Explanation:
        """Draw the input as the network sees it, its maps, and the input that the network would like best.

        Args:
            picture: The picture; without one, `method` is ``"best-input"``.
            target: A class by name or number; by default the model's answer.
            method: One of `METHODS`.
            layer: A stage or module for Grad-CAM; by default the last stage with maps.
            unit: What the best input excites, ``STAGE:CHANNEL``; by default the class.
            steps: Steps towards the best input.

        Raises:
            OptionError: There is no such method, class, layer or unit, or nothing to draw.
            TsugikiError: The model is no classifier of pictures.
        """
        if method not in METHODS:
            raise OptionError(f"method is one of {', '.join(METHODS)}, not {method!r}.{did_you_mean(method, METHODS)}")
        pixel_values = answer = None
        if picture is not None:
            pixel_values = self.processor(images=[picture], return_tensors="pt")["pixel_values"]
            answer = self.answer(pixel_values)
        elif method != "best-input":
            raise OptionError('there is no picture to explain; only method="best-input" does without')
        wanted = None if target is None else class_number(self.model, str(target))
        exciting = None if unit is None else read_unit(self.model, unit)
        if wanted is None and answer is not None:
            wanted = answer["number"]
        if exciting is None:
            if wanted is None:
                raise OptionError("the best input is that of a target or a unit where there is no picture to classify")
            exciting = Unit(wanted)
        panels: list[Panel] = []
        skipped: dict[str, str] = {}
        if pixel_values is not None and wanted is not None:
            panels += self._maps(pixel_values, wanted, method, layer, skipped)
        if method in ("all", "best-input"):
            panels.append(self._best_input(exciting, steps))
        caption = f"{self.name} ({type(self.model).__name__})"
        return Explanation(
            draw_panels(panels, caption),
            caption,
            answer,
            None if wanted is None else {"label": self.label(wanted), "number": wanted},
            [panel.title for panel in panels],
            skipped,
        )

    def label(self, number: int) -> str:
        """The name of a class."""
        names: dict[Any, str] = self.model.config.id2label or {}
        return str(names.get(number, number))

    def answer(self, pixel_values: Tensor) -> dict[str, Any]:
        """The likeliest class of a picture `(1, C, H, W)`: its name, number and probability."""
        probabilities = self._probabilities(pixel_values)
        number = int(probabilities.argmax())
        return {"label": self.label(number), "number": number, "score": float(probabilities[number])}

    def _probabilities(self, pixel_values: Tensor) -> Tensor:
        if self.model.main_input_name != "pixel_values" or pixel_values.ndim != 4:
            raise TsugikiError(f"{self.name} is no classifier of pictures: it takes {self.model.main_input_name}")
        with torch.inference_mode():
            logits = getattr(
                self.model(pixel_values=pixel_values.to(self.model.device, self.model.dtype)), "logits", None
            )
        if logits is None or logits.ndim != 2:
            raise TsugikiError(f"{self.name} is no classifier of pictures: it gives no logits (N, classes)")
        return logits[0].float().softmax(dim=0)

    def _maps(
        self, pixel_values: Tensor, target: int, method: str, layer: str | None, skipped: dict[str, str]
    ) -> list[Panel]:
        """The input and the maps that were asked for. A map that the network cannot have is left out of `all`."""
        picture = shown_picture(pixel_values[0], self.normalize)
        probability = float(self._probabilities(pixel_values)[target])
        panels = [Panel(f"input: {self.label(target)} {probability:.1%}".replace("%", " %"), picture)]
        if method in ("all", "gradient"):
            panels.append(Panel("gradient", shown_map(gradient_map(self.model, pixel_values, target)[0])))
        if method in ("all", "guided"):
            panels.append(Panel("guided backprop", shown_signed(guided_backprop(self.model, pixel_values, target)[0])))
        if method in ("all", "grad-cam"):
            try:
                heat = grad_cam(self.model, pixel_values, target, layer)[0]
            except OptionError as error:
                if method == "grad-cam" or layer is not None:
                    raise
                skipped["grad-cam"] = str(error)
            else:
                heat = heat / heat.max().clamp(min=1e-12)
                panels.append(Panel("Grad-CAM", heat.cpu().numpy(), HEAT))
                panels.append(Panel("Grad-CAM over the input", heat.cpu().numpy(), HEAT, overlay=picture))
        return panels

    def _best_input(self, unit: Unit, steps: int) -> Panel:
        """The input that excites a unit most, computed once."""
        if (known := self._best.get((unit, steps))) is not None:
            return known
        limits = value_range(self.normalize, getattr(self.model.config, "num_channels", 3))
        best = best_input(self.model, unit, steps, value_range=limits)[0]
        what = self.label(unit.channel) if unit.stage is None else f"{unit.stage}:{unit.channel}"
        panel = Panel(f"best input for {what}", with_full_contrast(shown_picture(best, self.normalize)))
        self._best[unit, steps] = panel
        return panel


def class_number(model: PreTrainedModel, text: str) -> int:
    """The number of a class that is given by its name or number.

    Raises:
        OptionError: The model has no such class; says which are near.
    """
    names: dict[int, str] = {int(number): str(label) for number, label in (model.config.id2label or {}).items()}
    for number, label in names.items():
        if label == text:
            return number
    if text.isdigit() and int(text) in names:
        return int(text)
    listed = ", ".join(list(names.values())[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    raise OptionError(f"the model has no class {text!r}.{did_you_mean(text, names.values())} It has {listed}.")


def read_unit(model: PreTrainedModel, text: str) -> Unit:
    """Read `STAGE:CHANNEL`, or a class by name or number.

    Raises:
        OptionError: There is no such stage or class, or the channel is no number.
    """
    stage, colon, channel = text.rpartition(":")
    if not colon or text in (model.config.label2id or {}):
        return Unit(class_number(model, text))
    stages = stage_modules(model)
    if stage not in stages:
        raise OptionError(
            f"--unit {text}: there is no stage {stage!r}, only {', '.join(stages)}.{did_you_mean(stage, stages)}"
        )
    if not channel.isdigit():
        raise OptionError(f"--unit {text}: write STAGE:CHANNEL with the channel's number, such as {stage}:0")
    return Unit(int(channel), stage)
