"""Inputs that a model accepts, made from its config: for conformance checks and for tracing an export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import TsugikiError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SEQUENCE_LENGTH = 6  # tokens of an example text; a compiled recurrent network has a step for each
SAMPLES = 8_000  # of an example recording
IMAGE_SIZE = 64  # pixels a side, for networks that take any size


def example_inputs(
    model: PreTrainedModel, *, batch_size: int = 2, processor: Any = None, seed: int = 0
) -> dict[str, Tensor]:
    """Random inputs of the right shape and type.

    A model class that needs others than the usual ones declares them itself, in a property ``dummy_inputs``.

    Args:
        model: What they are for.
        batch_size: Rows; a model's own ``dummy_inputs`` has as many as it has.
        processor: The model's processor; tells the picture size where the config doesn't.
        seed: Of the random numbers.

    Returns:
        Keyword arguments of ``forward``, on the model's device, without labels (unless ``dummy_inputs`` has some).

    Raises:
        TsugikiError: The main input is none of the usual ones and the class declares no ``dummy_inputs``.
    """
    generator = torch.Generator().manual_seed(seed)
    if declares_inputs(model):
        return {name: value.to(model.device) for name, value in model.dummy_inputs.items()}
    inputs: dict[str, Tensor] = {}
    match name := model.main_input_name:
        case "pixel_values":
            height, width = image_size(model.config, processor)
            channels = getattr(model.config, "num_channels", 3)
            inputs[name] = torch.randn((batch_size, channels, height, width), generator=generator)
        case "input_ids":
            shape = (batch_size, SEQUENCE_LENGTH)
            tokens = torch.randint(model.config.get_text_config().vocab_size, shape, generator=generator)
            inputs = {name: tokens, "attention_mask": torch.ones_like(tokens)}
        case "input_values":
            inputs[name] = torch.randn((batch_size, SAMPLES), generator=generator)
        case _:
            raise TsugikiError(
                f"{type(model).__name__}: no example is known for the main input {name!r}; "
                "give the class a property `dummy_inputs` that returns one"
            )
    return {name: value.to(model.device) for name, value in inputs.items()}


def declares_inputs(model: PreTrainedModel) -> bool:
    """Whether the model's class has its own ``dummy_inputs``."""
    from transformers import PreTrainedModel

    return type(model).dummy_inputs is not PreTrainedModel.dummy_inputs


def example_labels(
    model: PreTrainedModel, inputs: Mapping[str, Tensor], *, kind: str | None = None, seed: int = 0
) -> Tensor | None:
    """Random labels that fit the inputs, or None where the kind of label is not known.

    Args:
        model: A model with a head.
        inputs: What `example_inputs` gave.
        kind: Name of the Auto class that the model belongs to, such as ``AutoModelForImageClassification``; by default
            the model's own class name tells, as in transformers.
        seed: Of the random numbers.

    Returns:
        Class numbers (N,) for classifiers, (N, T) for those of tokens, the tokens themselves for language models.
    """
    if "labels" in inputs:
        return inputs["labels"]
    name = kind or type(model).__name__
    main = inputs[model.main_input_name]
    if name.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "Seq2SeqLM")):
        return main
    if name.endswith("Classification"):
        shape = main.shape if name.endswith("TokenClassification") else main.shape[:1]
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(model.config.num_labels or 1, shape, generator=generator).to(main.device)
    return None


def image_size(config: Any, processor: Any = None) -> tuple[int, int]:
    """Height and width of a network's pictures: from its config, else from its processor, else a small square."""
    size = getattr(config, "image_size", None)
    if isinstance(size, int):
        return size, size
    if isinstance(size, (list, tuple)):
        height, width = size
        return int(height), int(width)
    wanted = dict(getattr(processor, "crop_size", None) or getattr(processor, "size", None) or {})
    if "height" in wanted and "width" in wanted:
        return wanted["height"], wanted["width"]
    side = wanted.get("shortest_edge", IMAGE_SIZE)
    return side, side
