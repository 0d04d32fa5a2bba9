"""Checks of what a model computes: seeds, batches, gradients, compiled and exported graphs."""

from __future__ import annotations

import importlib.util
import logging

import torch

from .subject import NotApplicableError, Subject, largest_difference, output_tensors, require

TOLERANCE = 1e-4  # relative, in float32: another order of the same additions


def deterministic_by_seed(subject: Subject) -> None:
    """The same seed gives the same fresh weights, and the same inputs the same outputs."""
    model, twin, other = subject.model(0), subject.model(0), subject.model(1)
    weights, same, different = (list(one.parameters()) for one in (model, twin, other))
    require(
        all(torch.equal(left, right) for left, right in zip(weights, same, strict=True)),
        f"two {type(model).__name__} made after torch.manual_seed(0) differ; draw weights from torch's own generator",
    )
    require(
        any(not torch.equal(left, right) for left, right in zip(weights, different, strict=True)),
        f"{type(model).__name__} has the same fresh weights for every seed; initialise them at random in _init_weights",
    )
    inputs = subject.inputs(model)
    with torch.inference_mode():
        pairs = zip(output_tensors(model(**inputs)), output_tensors(model(**inputs)), strict=True)
    require(
        all(torch.equal(left, right) for left, right in pairs),
        f"{type(model).__name__} answers the same inputs differently in eval mode; nothing may be random there",
    )


def batch_invariance(subject: Subject) -> None:
    """A row's output does not depend on the rows beside it."""
    model = subject.model()
    inputs = subject.inputs(model, batch_size=3)
    rows = len(inputs[model.main_input_name])
    with torch.inference_mode():
        batched = [tensor for tensor in output_tensors(model(**inputs)) if tensor.ndim and len(tensor) == rows]
        for row in range(rows):
            one = {name: value[row : row + 1] if len(value) == rows else value for name, value in inputs.items()}
            single = [tensor for tensor in output_tensors(model(**one)) if tensor.ndim]
            difference = largest_difference([tensor[row : row + 1] for tensor in batched], single)
            require(
                difference <= TOLERANCE,
                f"row {row} of {type(model).__name__}'s output differs by {difference:.1e} when it is computed alone; "
                "in eval mode no row may see another",
            )


def gradients_reach_every_parameter(subject: Subject) -> None:
    """The loss has a gradient in every parameter."""
    model = subject.model()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # away from zeros that are there on purpose at the start and block what lies below
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=generator))
    loss = model(**subject.labelled(model)).loss
    require(loss is not None, f"{type(model).__name__}.forward(labels=…) returns no loss")
    loss.backward()
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    missing = [name for name, parameter in named if parameter.grad is None or not parameter.grad.any()]
    require(not missing, f"no gradient reaches {', '.join(missing[:5])}; use it in forward, or remove it")
    wild = [name for name, parameter in named if not torch.isfinite(parameter.grad).all()]  # type: ignore[arg-type]
    require(not wild, f"the gradient of {', '.join(wild[:5])} is not finite")


def compiles_whole(subject: Subject) -> None:
    """``torch.compile(fullgraph=True)`` takes the whole forward pass and gives the same outputs."""
    model = subject.model()
    try:
        inputs = subject.labelled(model)
    except NotApplicableError:
        inputs = subject.inputs(model)
    with torch.inference_mode():
        expected = output_tensors(model(**inputs))
    torch._dynamo.reset()
    trace = logging.getLogger("torch.__trace")  # thousands of lines, should a test runner listen at level DEBUG
    was_disabled, trace.disabled = trace.disabled, True
    try:
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        with torch.inference_mode():
            found = output_tensors(compiled(**inputs))
    except Exception as error:
        reason = " ".join(str(error).split("\n\n")[0].split())
        require(False, f"torch.compile(fullgraph=True) refuses {type(model).__name__}: {reason}")
    finally:
        trace.disabled = was_disabled
        torch._dynamo.reset()
    difference = largest_difference(expected, found)
    require(difference <= TOLERANCE, f"{type(model).__name__} differs by {difference:.1e} when it is compiled")


def exports_to_onnx(subject: Subject) -> None:
    """The model exports to ONNX with a free batch size, and the file gives the same outputs."""
    if not subject.family.declaration.onnx:
        raise NotApplicableError("the family does not claim it (onnx=False)")
    if importlib.util.find_spec("onnx") is None or importlib.util.find_spec("onnxruntime") is None:
        raise NotApplicableError("needs onnx and onnxruntime: pip install 'tsugiki[onnx]'")
    from ..export.export_onnx import export_onnx

    export = export_onnx(subject.model(), subject.folder / "model.onnx", check=True)
    require(
        export.max_difference is not None and export.max_difference <= TOLERANCE,
        f"the ONNX file's outputs differ by {export.max_difference:.1e} from torch's; "
        "or declare the family with onnx=False",
    )
