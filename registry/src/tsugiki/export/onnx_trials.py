"""The inputs that an exported graph is tried on: other numbers of rows, other sizes, and padding.

What a network allows is tried in torch: a side of its inputs that may have another size is free in the file too, and
rows are padded on those sides on which it takes padding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROWS = (1, 2, 5)
TRACED_ROWS = 3
TARGETS = ("decoder_input_ids", "decoder_attention_mask")
SEQUENCES = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "input_values", "input_features")

Padding = Literal["none", "left", "right"]
Inputs = dict[str, Tensor]
Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Trial:
    """Inputs of one kind.

    Attributes:
        rows: How many.
        sizes: By the names of the free axes, those that differ from the traced ones' own.
        padding: Where rows are padded.
    """

    rows: int
    sizes: Sizes
    padding: Padding

    def describe(self) -> str:
        """In words, such as ``2 rows, length 9, padded left``."""
        words = [f"{self.rows} {'row' if self.rows == 1 else 'rows'}"]
        words += [f"{name.replace('_', ' ')} {size}" for name, size in self.sizes.items()]
        return ", ".join(words if self.padding == "none" else [*words, f"padded {self.padding}"])


class Trials:
    """What a model can be tried on, and which sides of its inputs are free.

    Args:
        model: A model in eval mode.
        inputs: Examples of all its inputs, labels aside.
    """

    def __init__(self, model: PreTrainedModel, inputs: Inputs) -> None:
        self.model = model
        self.inputs = inputs
        self.other_sizes: dict[str, int] = {}
        for sizes in _other_sizes(inputs):
            if not sizes.keys() & self.other_sizes.keys() and self._takes(Trial(1, sizes, "none")):
                self.other_sizes |= sizes
        sides: tuple[Padding, ...] = ("left", "right") if "attention_mask" in inputs else ()
        self.paddings: list[Padding] = ["none", *(side for side in sides if self._takes(Trial(2, {}, side)))]

    @property
    def axes(self) -> dict[str, dict[int, str]]:
        """The free axes of each input by its name: the rows, and those whose size the network leaves open."""
        free = {"batch", *self.other_sizes}
        return {
            name: {axis: called for axis, called in axes_of(name, value).items() if called in free}
            for name, value in self.inputs.items()
        }

    @property
    def free_axes(self) -> list[str]:
        """The names of the axes whose size the network leaves open, the rows aside."""
        return list(self.other_sizes)

    @property
    def traced(self) -> Inputs:
        """What the graph is traced with.

        Rows are padded, that no shortcut for full ones becomes part of it; a target is not as long as its source.
        """
        sizes = {name: size for name, size in self.other_sizes.items() if name == "target_length"}
        return self.make(Trial(TRACED_ROWS, sizes, self.paddings[-1]))

    def __iter__(self) -> Iterator[Trial]:
        for sizes in ({}, self.other_sizes) if self.other_sizes else ({},):
            for rows in ROWS:
                for padding in self.paddings:
                    yield Trial(rows, sizes, padding)

    def make(self, trial: Trial) -> Inputs:
        """The inputs of a trial: rows and places of the examples, again and again where there are too few."""
        made = {}
        for name, value in self.inputs.items():
            for axis, called in axes_of(name, value).items():
                size = trial.rows if called == "batch" else trial.sizes.get(called, value.shape[axis])
                value = value.index_select(axis, torch.arange(size, device=value.device) % value.shape[axis])
            made[name] = value
        return made if trial.padding == "none" else _padded(made, trial.padding, self.model.config)

    def _takes(self, trial: Trial) -> bool:
        """Whether the network takes such inputs."""
        try:
            with torch.inference_mode():
                self.model(**self.make(trial))
        except Exception:
            return False
        return True


def axes_of(name: str, value: Tensor) -> dict[int, str]:
    """What the axes of an input are called, those aside whose size is always the network's own."""
    axes = {0: "batch"}
    if name in TARGETS:
        axes[1] = "target_length"
    elif name in SEQUENCES:
        axes |= {1: "length"} if value.ndim == 2 else {1: "utterances", 2: "length"} if value.ndim == 3 else {}
    elif name == "pixel_values" and value.ndim > 3:
        axes |= {1: "frames"} if value.ndim == 5 else {}
        axes |= {value.ndim - 2: "height", value.ndim - 1: "width"}
    return axes


def _other_sizes(inputs: Inputs) -> Iterator[dict[str, int]]:
    """Other sizes that a network may take, of those axes that change together; odd ones before even ones."""
    sizes = {
        called: value.shape[axis] for name, value in inputs.items() for axis, called in axes_of(name, value).items()
    }
    for called in ("length", "target_length", "utterances", "frames"):
        if called in sizes:
            yield {called: math.ceil(1.5 * sizes[called])}
    if "height" in sizes:
        height, width = sizes["height"], sizes["width"]
        yield {"height": height + height // 4 + 1, "width": width + width // 2 + 2}
        yield {"height": height * 3 // 2, "width": width * 3 // 2}
        yield {"height": height * 2, "width": width * 2}


def _padded(inputs: Inputs, padding: Padding, config: Any) -> Inputs:
    """The inputs with the last or the first places of every row masked, fewer than there are, a number of its own."""
    mask = inputs["attention_mask"]
    length = mask.shape[-1]
    places = torch.arange(length, device=mask.device)
    padded = (2 * torch.arange(len(mask), device=mask.device) + 1) % length  # (B,)
    hidden = places < padded[:, None] if padding == "left" else places >= length - padded[:, None]  # (B, L)
    hidden = hidden.view(len(mask), *[1] * (mask.ndim - 2), length).expand_as(mask)
    found = {**inputs, "attention_mask": mask.masked_fill(hidden, 0)}
    if "input_ids" in inputs:
        found["input_ids"] = inputs["input_ids"].masked_fill(hidden, getattr(config, "pad_token_id", None) or 0)
    return found
