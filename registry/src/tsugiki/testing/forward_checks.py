"""Checks of what a model computes: seeds, batches, gradients, compiled and exported graphs."""

from __future__ import annotations

import importlib.util
import logging

import torch

from ..errors import ExportRefusedError, OptionError
from .subject import ConformanceError, NotApplicableError, Subject, largest_difference, output_tensors, require

HIDDEN_STATES = ("hidden_states", "encoder_hidden_states", "decoder_hidden_states")
TOLERANCE = 1e-5  # relative, in float32: another order of the same additions


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
    """In training the loss has a gradient in every parameter."""
    model = subject.model()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # away from zeros that are there on purpose at the start and block what lies below
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=generator))
    torch.manual_seed(0)  # of dropout
    loss = model.train()(**subject.labelled(model)).loss
    require(loss is not None, f"{type(model).__name__}.forward(labels=…) returns no loss")
    loss.backward()
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    missing = [name for name, parameter in named if parameter.grad is None or not parameter.grad.any()]
    require(not missing, f"no gradient reaches {', '.join(missing[:5])}; use it in forward, or remove it")
    wild = [name for name, parameter in named if not torch.isfinite(parameter.grad).all()]  # type: ignore[arg-type]
    require(not wild, f"the gradient of {', '.join(wild[:5])} is not finite")


def compiles_whole(subject: Subject) -> None:
    """``torch.compile(fullgraph=True)`` takes the whole forward pass, as training needs it, and gives the same."""
    if subject.key == "base" and _runs_in_a_task_model(subject):
        raise NotApplicableError("it is compiled within the task model")
    model = subject.model()
    try:
        inputs = subject.labelled(model)
    except NotApplicableError:
        inputs = subject.inputs(model)
    learns = "labels" in inputs
    with torch.no_grad():
        expected = output_tensors(model(**inputs))
    torch._dynamo.reset()
    trace = logging.getLogger("torch.__trace")  # thousands of lines, should a test runner listen at level DEBUG
    was_disabled, trace.disabled = trace.disabled, True
    try:
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        with torch.set_grad_enabled(learns):
            found = output_tensors(compiled(**inputs))
    except Exception as error:
        reason = " ".join(str(error).split("\n\n")[0].split())
        require(False, f"torch.compile(fullgraph=True) refuses {type(model).__name__}: {reason}")
    finally:
        trace.disabled = was_disabled
        torch._dynamo.reset()
    difference = largest_difference(expected, found)
    require(difference <= TOLERANCE, f"{type(model).__name__} differs by {difference:.1e} when it is compiled")


def _runs_in_a_task_model(subject: Subject) -> bool:
    """Whether the forward pass of the base model is part of that of the first task model."""
    if not subject.family.declaration.tasks:
        return False
    task = Subject(subject.family, subject.family.declaration.tasks[0], subject.folder, subject.overrides)
    model = task.model()
    base = getattr(model, model.base_model_prefix, None)
    runs: list[bool] = []
    if isinstance(base, subject.family.model_class("base")):
        base.register_forward_hook(lambda *_: runs.append(True))
        model(**task.inputs(model))
    return bool(runs)


def labels_leave_the_config(subject: Subject) -> None:
    """A forward pass with labels changes nothing in the config."""
    model = subject.model()
    before = model.config.to_dict()
    model(**subject.labelled(model))
    after = model.config.to_dict()
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    require(not changed, f"{type(model).__name__}.forward(labels=…) sets {', '.join(changed)} of the config; leave it")


def return_dict_false_gives_a_tuple(subject: Subject) -> None:
    """``return_dict=False`` gives the same values as a tuple, the loss first."""
    model = subject.model()
    batch = subject.labelled(model)
    with torch.inference_mode():
        output, values = model(**batch), model(**batch, return_dict=False)
    require(
        isinstance(values, tuple)
        and torch.equal(values[0], output.loss)
        and largest_difference(output_tensors(output), output_tensors(values)) == 0,
        f"{type(model).__name__}.forward(return_dict=False) gives no tuple of the loss and the rest, but "
        f"{type(values).__name__}; decorate forward with can_return_tuple (transformers.utils.generic)",
    )


def hidden_states_come_when_asked_for(subject: Subject) -> None:
    """Hidden states are returned when asked for and only then, one for each name of a stage.

    The option for attentions is taken as well, whether there are any or not.
    """
    model = subject.model()
    name = type(model).__name__
    inputs = subject.inputs(model)
    try:
        with torch.inference_mode():
            unasked = model(**inputs, return_dict=True)
            asked = model(**inputs, output_hidden_states=True, output_attentions=True, return_dict=True)
    except TypeError as error:
        require(
            False,
            f"{name}.forward refuses options that every model of transformers takes ({error}); let it take "
            "output_hidden_states, and decorate it with tsugiki.forward_options",
        )
    require(
        not any(unasked.get(key) for key in HIDDEN_STATES),
        f"{name} returns hidden_states unasked; leave them None unless output_hidden_states is true",
    )
    found = [state for key in HIDDEN_STATES for state in asked.get(key) or ()]
    require(bool(found), f"{name} returns no hidden_states with output_hidden_states=True; collect them in forward")
    batch = len(inputs[model.main_input_name])
    bad = next((state for state in found if not isinstance(state, torch.Tensor) or len(state) != batch), None)
    require(bad is None, f"{name} has hidden_states that are no tensors with a row for each of the batch")
    stages = getattr(model.config, "stage_names", None)
    own = asked.get("hidden_states")
    require(
        stages is None or own is None or len(own) == len(stages),
        f"{name} returns {len(own or ())} hidden_states where config.stage_names has {len(stages or ())}; give one for "
        "each stage",
    )
    require(
        largest_difference(
            output_tensors({key: value for key, value in unasked.items() if value is not None}),
            output_tensors({key: asked[key] for key in unasked if unasked[key] is not None}),
        )
        <= TOLERANCE,
        f"{name} gives other outputs when it is asked for hidden states",
    )
    last = asked.get("last_hidden_state")
    if last is not None and own is not None and own[-1].shape == last.shape:
        require(
            largest_difference([own[-1]], [last]) <= TOLERANCE,
            f"the last of {name}'s hidden_states differs from its last_hidden_state",
        )


def wrong_channels_are_one_sentence(subject: Subject) -> None:
    """Pictures with a channel too many are refused in one sentence, not by an error from inside a layer."""
    model = subject.model()
    inputs = subject.inputs(model)
    pictures = inputs[model.main_input_name]
    if model.main_input_name != "pixel_values" or pictures.ndim not in (4, 5):
        raise NotApplicableError("it reads neither pictures nor clips")
    axis = pictures.ndim - 3  # (N, C, H, W), or (N, T, C, H, W)
    wrong = torch.cat([pictures, pictures.narrow(axis, 0, 1)], dim=axis)
    remedy = "check its shape in forward, as tsugiki.pixel_values.check_picture does"
    try:
        with torch.inference_mode():
            model(**{**inputs, "pixel_values": wrong})
    except Exception as error:
        good = isinstance(error, ValueError) and str(tuple(wrong.shape)) in str(error) and "\n" not in str(error)
        require(
            good,
            f"{type(model).__name__} answers pixel_values {tuple(wrong.shape)} with {type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''} … and not with a ValueError of one line that names "
            f"this shape; {remedy}",
        )
        return
    require(False, f"{type(model).__name__} takes pixel_values {tuple(wrong.shape)}; {remedy}")


def exports_to_onnx(subject: Subject) -> None:
    """The model exports to ONNX for all that it takes: rows, padding, lengths, pictures. Or it says why it does not."""
    if importlib.util.find_spec("onnx") is None or importlib.util.find_spec("onnxruntime") is None:
        raise NotApplicableError("needs onnx and onnxruntime: pip install 'tsugiki[onnx]'")
    from ..export.export_onnx import export_onnx

    remedy = "mend the graph, or say why there is none: Family(onnx='…'), or tsugiki.onnx_refusal.refuse_onnx"
    try:
        export = export_onnx(subject.awake_model(), subject.folder / "model.onnx", check=True)
    except ExportRefusedError as error:
        raise NotApplicableError(str(error)) from error
    except OptionError as error:
        raise ConformanceError(f"{error}; {remedy}") from error
    require(
        export.max_difference is not None and export.max_difference <= TOLERANCE,
        f"the ONNX file's outputs differ by {export.max_difference:.1e} from torch's; {remedy}",
    )
