"""Export to ONNX: the network from prepared inputs to logits, for any number of rows and the sizes that it takes."""

from __future__ import annotations

import importlib.util
import inspect
import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ExportRefusedError, OptionError, OutputError, PluginError, TsugikiError
from ..output_path import check_output_path, refuse_existing
from ..registry import registry
from .example_inputs import example_inputs
from .onnx_trials import ROWS, Inputs, Trials
from .quiet_stdout import quiet_stdout

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OPSET = 18
TOLERANCE = 1e-4  # relative, in float32: other kernels, and the same additions in another order


@dataclass(frozen=True)
class Export:
    """An exported model.

    Attributes:
        path: The file.
        size_bytes: Its size.
        inputs: Names of the graph's inputs.
        outputs: Names of its outputs.
        opset: Version of its operators.
        free_axes: Names of the axes that may have any size beside the rows: ``length``, ``height``, …
        unused: Inputs that the network takes and makes no use of, so that the graph has none of them.
        trials: How many batches the file was compared with torch on.
        max_difference: The largest difference to torch among them, relative to the larger of 1 and the outputs' size;
            None when it was not measured.
    """

    path: Path
    size_bytes: int
    inputs: list[str]
    outputs: list[str]
    opset: int = OPSET
    free_axes: Sequence[str] = ()
    unused: Sequence[str] = ()
    trials: int = 0
    max_difference: float | None = None


class _Answers(nn.Module):
    """A model that takes tensors in order and returns its logits, or what comes first where it has none."""

    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = list(names)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The answers: one, or as many as a backbone has feature maps."""
        output = self.model(**dict(zip(self.names, tensors, strict=True)), return_dict=True)
        first = output.logits if "logits" in output else output[0]
        return tuple(first) if isinstance(first, (tuple, list)) else (first,)


def export_onnx(
    model_or_name: PreTrainedModel | str | Path,
    file: str | Path,
    *,
    check: bool | None = None,
    opset: int = OPSET,
    overwrite: bool = False,
) -> Export:
    """Write a model as an ONNX file, whole or not at all.

    Args:
        model_or_name: A model, or what `tsugiki.load` takes.
        file: The file to write.
        check: Run the file with onnxruntime and compare with torch: on other numbers of rows, on rows that are padded
            on either side, and on other lengths and pictures where the network takes them. A difference above
            `TOLERANCE` fails the export. By default where onnxruntime is installed.
        opset: Version of the ONNX operators.
        overwrite: Replace a file that is there.

    Returns:
        What was written.

    Raises:
        PluginError: A package that is needed is missing; says which extra brings it.
        OutputError: The file cannot be written, or is there and not to be replaced.
        ExportRefusedError: The model says of itself that it cannot be exported, and why.
        OptionError: The model cannot be exported, or not rightly; says why.
    """
    target = check_output_path(file, (), overwrite=overwrite)
    _require("onnx")
    if check is None:
        check = importlib.util.find_spec("onnxruntime") is not None
    if check:
        _require("onnxruntime")
    model, processor = _load(model_or_name)
    _refuse_undeclared(model)
    was_training = model.training
    model.eval()
    try:
        trials = Trials(model, _inputs(model, processor))
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            partial = Path(folder, target.name)
            outputs = _export(model, trials, partial, opset)
            names = _graph_inputs(partial)
            unused = _unused(model, trials.traced, names)
            differences = _differences(model, trials, names, partial) if check else []
            refuse_existing(target, overwrite=overwrite)
            partial.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        model.train(was_training)
    return Export(
        target,
        target.stat().st_size,
        names,
        outputs,
        opset,
        free_axes=trials.free_axes,
        unused=unused,
        trials=len(differences),
        max_difference=max(differences) if check else None,
    )


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


def _inputs(model: PreTrainedModel, processor: Any) -> Inputs:
    """Examples of all inputs that the graph is to have: labels not, and a mask wherever the network takes one."""
    inputs = example_inputs(model, batch_size=max(ROWS), processor=processor)
    inputs.pop("labels", None)
    if "input_ids" in inputs and "attention_mask" in inspect.signature(model.forward).parameters:
        inputs.setdefault("attention_mask", torch.ones_like(inputs["input_ids"]))
    return inputs


def _refuse_undeclared(model: PreTrainedModel) -> None:
    """Refuse a model whose family declares that it does not export."""
    family = registry().family_of_model_type(model.config.model_type)
    if family is None or family.declaration.onnx is True:
        return
    reason = family.declaration.onnx or f"the family {family.name!r} declares onnx=False"
    raise _refusal(model, reason, ExportRefusedError)


def _refusal(model: PreTrainedModel, reason: object, kind: type[OptionError] = OptionError) -> OptionError:
    line = " ".join(str(reason).split("\n")[0].split()) or type(reason).__name__
    return kind(f"{type(model).__name__} cannot be exported to ONNX: {line}")


def _export(model: PreTrainedModel, trials: Trials, file: Path, opset: int) -> list[str]:
    """Write the graph; returns the names of its outputs."""
    inputs = trials.traced
    network = _Answers(model, list(inputs)).eval()  # the exporter restores the mode it finds
    try:
        with warnings.catch_warnings(), torch.inference_mode(), quiet_stdout():
            warnings.simplefilter("ignore")  # tracing announces its successor and every shape that it fixes
            answers = network(*inputs.values())
            outputs = ["logits"] if len(answers) == 1 else [f"feature_maps.{place}" for place in range(len(answers))]
            torch.onnx.export(
                network,
                tuple(inputs.values()),
                str(file),
                input_names=list(inputs),
                output_names=outputs,
                dynamic_axes={**trials.axes, **{name: {0: "batch"} for name in outputs}},
                opset_version=opset,
                dynamo=False,  # smaller files, clean axes, and it needs no more than onnx
            )
    except OSError:
        raise
    except ExportRefusedError as error:
        raise _refusal(model, error, ExportRefusedError) from error
    except Exception as error:
        raise _refusal(model, error) from error
    return outputs


def _graph_inputs(file: Path) -> list[str]:
    import onnx

    return [value.name for value in onnx.load(str(file), load_external_data=False).graph.input]


def _unused(model: PreTrainedModel, inputs: Inputs, names: Sequence[str]) -> list[str]:
    """The inputs that the graph lacks, on none of which the network's own answer hangs."""
    unused = [name for name in inputs if name not in names]
    if not unused:
        return []
    with torch.inference_mode():
        network = _Answers(model, list(inputs))
        expected = network(*inputs.values())
        for name in unused:
            turned = {**inputs, name: inputs[name].flip(-1)}
            if any(not torch.equal(*pair) for pair in zip(network(*turned.values()), expected, strict=True)):
                raise _refusal(model, f"the graph has lost its input {name!r}, on which the answer hangs")
    return unused


def _differences(model: PreTrainedModel, trials: Trials, names: Sequence[str], file: Path) -> list[float]:
    """The relative differences between the file and torch, one a trial."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an error that it logs is raised too
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    found = []
    for trial in trials:
        inputs = trials.make(trial)
        with torch.inference_mode():
            expected = _Answers(model, list(inputs))(*inputs.values())
        try:
            answers = session.run(None, {name: inputs[name].cpu().numpy() for name in names})
        except Exception as error:
            first = str(error).split("\n")[0]
            raise _refusal(model, f"the file does not run on {trial.describe()}: {first}") from error
        shapes = [tuple(answer.shape) for answer in answers], [tuple(tensor.shape) for tensor in expected]
        if shapes[0] != shapes[1]:
            raise _refusal(model, f"the file gives {shapes[0]} for torch's {shapes[1]} on {trial.describe()}")
        found.append(max(_difference(*pair) for pair in zip(expected, answers, strict=True)))
        if not found[-1] <= TOLERANCE:
            raise _refusal(model, f"the file differs from torch by {found[-1]:.1e} on {trial.describe()}")
    return found


def _difference(tensor: Tensor, answer: np.ndarray) -> float:
    """The largest difference, relative to the larger of 1 and the values' size."""
    expected = tensor.cpu().numpy()
    if not expected.size:
        return 0.0
    return float(np.abs(answer - expected).max()) / max(1.0, float(np.abs(expected).max()))


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise PluginError(f"exporting needs the package {package!r}; install it with: pip install 'tsugiki[onnx]'")
