"""Export to ONNX: the network from raw inputs to logits, with a free batch size."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..errors import OptionError, OutputError, PluginError, TsugikiError
from .example_inputs import example_inputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OPSET = 18
_SEQUENCES = ("input_ids", "attention_mask", "input_values", "input_features")


@dataclass(frozen=True)
class Export:
    """An exported model.

    Attributes:
        path: The file.
        size_bytes: Its size.
        inputs: Names of the graph's inputs.
        outputs: Names of its outputs.
        max_difference: The largest difference to torch on random inputs of another batch size, relative to the larger
            of 1 and the outputs' size; None when it was not measured.
    """

    path: Path
    size_bytes: int
    inputs: list[str]
    outputs: list[str]
    max_difference: float | None = None


class _Logits(nn.Module):
    """A model that takes tensors in order and returns its logits alone."""

    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = list(names)

    def forward(self, *tensors: Tensor) -> Tensor:
        """Logits of the model."""
        output = self.model(**dict(zip(self.names, tensors, strict=True)), return_dict=True)
        return output.logits if "logits" in output else output[0]


def export_onnx(
    model_or_name: PreTrainedModel | str | Path, file: str | Path, *, check: bool = False, opset: int = OPSET
) -> Export:
    """Write a model as an ONNX file, whole or not at all.

    Args:
        model_or_name: A model, or what `tsugiki.load` takes.
        file: The file to write; an old one is replaced.
        check: Run the file with onnxruntime and compare with torch.
        opset: Version of the ONNX operators.

    Returns:
        What was written.

    Raises:
        PluginError: A package that is needed is missing; says which extra brings it.
        OutputError: The file cannot be written.
        OptionError: The model cannot be exported.
    """
    _require("onnx")
    if check:
        _require("onnxruntime")
    target = Path(file)
    if target.is_dir():
        raise OutputError(f"{file} is a folder; name the file to write, such as {target / 'model.onnx'}")
    if not target.parent.is_dir():
        raise OutputError(f"the folder {target.parent} of {file} does not exist; make it first")
    model, processor = _load(model_or_name)
    was_training = model.training
    model.eval()
    try:
        inputs = _inputs(model, processor, rows=2, seed=0)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            partial = Path(folder, target.name)
            _export(model, inputs, partial, opset)
            difference = _difference(model, processor, partial) if check else None
            partial.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        model.train(was_training)
    return Export(target, target.stat().st_size, list(inputs), ["logits"], difference)


def _load(model_or_name: PreTrainedModel | str | Path) -> tuple[PreTrainedModel, Any]:
    if not isinstance(model_or_name, str | os.PathLike):
        return model_or_name, None
    from ..snapshots.snapshot import Snapshot

    snapshot = Snapshot.open(model_or_name)
    model = snapshot.model()
    try:
        return model, snapshot.processor()
    except TsugikiError:  # a family without a processor; its config tells the shapes
        return model, None


def _inputs(model: PreTrainedModel, processor: Any, *, rows: int, seed: int) -> dict[str, Tensor]:
    inputs = example_inputs(model, batch_size=rows, processor=processor, seed=seed)
    return {name: value for name, value in inputs.items() if name != "labels"}


def _export(model: PreTrainedModel, inputs: dict[str, Tensor], file: Path, opset: int) -> None:
    axes = {name: {0: "batch", 1: "length"} if name in _SEQUENCES else {0: "batch"} for name in inputs}
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # tracing announces its successor and every shape that it fixes
            torch.onnx.export(
                _Logits(model, list(inputs)).eval(),  # the exporter restores the mode it finds
                tuple(inputs.values()),
                str(file),
                input_names=list(inputs),
                output_names=["logits"],
                dynamic_axes={**axes, "logits": {0: "batch"}},
                opset_version=opset,
                dynamo=False,  # smaller files, clean axes, and it needs no more than onnx
            )
    except OSError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split("\n")[0].split())
        raise OptionError(f"{type(model).__name__} cannot be exported to ONNX: {reason}") from error


def _difference(model: PreTrainedModel, processor: Any, file: Path) -> float:
    """The largest relative difference between the file and torch, on another number of rows than it was traced with."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    inputs = _inputs(model, processor, rows=3, seed=1)
    with torch.inference_mode():
        expected = _Logits(model, list(inputs))(*inputs.values()).cpu()
    found = session.run(["logits"], {name: value.cpu().numpy() for name, value in inputs.items()})[0]
    scale = max(1.0, float(expected.abs().max()))
    return float((torch.from_numpy(found) - expected).abs().max()) / scale


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise PluginError(f"exporting needs the package {package!r}; install it with: pip install 'tsugiki[onnx]'")
