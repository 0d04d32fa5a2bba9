"""What a classifier looked at: gradient, guided backprop and Grad-CAM maps, and the input that best excites a unit.

All four work on any registered classifier of pictures, whatever modules it is made of: the maps of its stages are found
through the paths that its family declares, and rectifiers are met where torch runs them. The model is left as it was:
training flags, gradients of parameters and statistics of normalisation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from tsugiki.errors import OptionError, TsugikiError, did_you_mean
from tsugiki.export.example_inputs import image_size
from tsugiki.progress import track
from tsugiki.transfer.stages import stages_of

from ..style.total_variation import total_variation_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Target = int | Sequence[int] | Tensor | None

# Every function of torch that a rectifier runs through: nn.ReLU and nn.ReLU6 call those of torch.nn.functional.
RECTIFIERS: frozenset[Callable[..., Any]] = frozenset(
    [F.relu, F.relu_, F.relu6, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_]
)
CAM_PLACES = 3  # a side, of the maps that Grad-CAM is drawn of by default; fewer tell next to nothing of the place
TINY = 1e-12  # below every gradient: keeps the division by one that is 0 finite


class Unit(NamedTuple):
    """A channel of a stage's output, or a class where `stage` is None."""

    channel: int
    stage: str | None = None


def gradient_map(model: PreTrainedModel, pixel_values: Tensor, target: Target = None) -> Tensor:
    """How strongly each pixel moves the score of a class (Simonyan et al. 2013, section 3.1).

    Args:
        model: A classifier of pictures.
        pixel_values: Normalised pictures `(N, C, H, W)`.
        target: The class, one for all pictures or `(N,)`; by default the model's own answers.

    Returns:
        The largest absolute derivative of the logit over the channels, float32 `(N, H, W)`.

    Raises:
        OptionError: A class that the model has not.
        TsugikiError: The model is no classifier of pictures, or its logits have no gradient in them.
    """
    return input_gradient(model, pixel_values, target).abs().amax(dim=1)


def input_gradient(model: PreTrainedModel, pixel_values: Tensor, target: Target = None) -> Tensor:
    """The derivative of a class's logit by every value of the picture, float32 `(N, C, H, W)`; as `gradient_map`."""
    with _evaluating(model):
        pixels = _leaf(model, pixel_values)
        score = _class_scores(_logits(model, pixels), target)
        return _gradient(score, pixels, model)


def guided_backprop(model: PreTrainedModel, pixel_values: Tensor, target: Target = None) -> Tensor:
    """The gradient with negative values cut off below every rectifier (Springenberg et al. 2014, section 3.4).

    A ReLU's backward pass keeps what was positive on the way up; here it must be positive on the way down as well. In
    a network without rectifiers this is the plain gradient.

    Args:
        model: A classifier of pictures.
        pixel_values: Normalised pictures `(N, C, H, W)`.
        target: The class, one for all pictures or `(N,)`; by default the model's own answers.

    Returns:
        Signed values, float32 `(N, C, H, W)`.

    Raises:
        OptionError: A class that the model has not.
        TsugikiError: The model is no classifier of pictures, or its logits have no gradient in them.
    """
    with _evaluating(model):
        pixels = _leaf(model, pixel_values)
        with _GuidedRectifiers():
            logits = _logits(model, pixels)
        return _gradient(_class_scores(logits, target), pixels, model)


def grad_cam(model: PreTrainedModel, pixel_values: Tensor, target: Target = None, layer: str | None = None) -> Tensor:
    """Where the maps of a layer speak for a class (Selvaraju et al. 2016, section 3, equations 1 and 2).

    Args:
        model: A classifier of pictures.
        pixel_values: Normalised pictures `(N, C, H, W)`.
        target: The class, one for all pictures or `(N,)`; by default the model's own answers.
        layer: A stage by its name, or the path of any module that gives maps; by default the last stage whose maps
            have more than one place.

    Returns:
        Values of at least 0 at the size of the picture, float32 `(N, H, W)`.

    Raises:
        OptionError: A class or layer that the model has not, or a layer without maps.
        TsugikiError: The model is no classifier of pictures.
    """
    with _evaluating(model):
        stages = {layer: _module(model, layer)} if layer is not None else stage_modules(model)
        with _outputs_of(stages) as outputs:
            score = _class_scores(_logits(model, _leaf(model, pixel_values)), target)
        maps = _last_maps(outputs, layer, model)  # (N, K, h, w)
        gradient = _gradient(score, maps, model)
        weights = gradient.mean(dim=(2, 3), keepdim=True)  # (N, K, 1, 1)
        cam = (weights * maps.detach().float()).sum(dim=1, keepdim=True).relu()  # (N, 1, h, w)
        return F.interpolate(cam, size=pixel_values.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def best_input(
    model: PreTrainedModel,
    unit: Unit | int | Sequence[Unit | int],
    steps: int = 256,
    *,
    size: tuple[int, int] | None = None,
    learning_rate: float = 0.05,
    l2: float = 0.01,
    total_variation: float = 0.15,
    jitter: int = 2,
    value_range: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
) -> Tensor:
    """Pictures that excite units most, by gradient ascent from noise (Erhan et al. 2009; Simonyan et al. 2013, sec. 2).

    What is raised is the logit of a class, a hidden unit, or the mean of a channel over all places. Its gradient is
    brought to a root mean square of 1 in each picture, so that the weights of `l2 * sum(x^2)` and
    `total_variation * sum(|difference of neighbours|)`, which are lowered, mean the same for every unit. The picture is
    moved by a few random pixels before every step, so that no structure depends on its place.

    Args:
        model: A network of pictures; for units of a stage it need not be a classifier.
        unit: A class's number or a `Unit`, or several of them.
        steps: Steps of Adam.
        size: Height and width of the pictures; by default what the network was made for.
        learning_rate: Of Adam, in the units of normalised pictures.
        l2: Weight of the squared values.
        total_variation: Weight of the differences between neighbouring pixels.
        jitter: Pixels to move by, at most, either way.
        value_range: Lowest and highest normalised value of each channel, two `(C,)`; values are kept between them.
        seed: Of the noise and the moves.

    Returns:
        Normalised pictures, float32 `(number of units, C, H, W)`.

    Raises:
        OptionError: A class, stage or channel that the model has not, or `steps` below 1.
        TsugikiError: The network takes no pictures.
    """
    if steps < 1:
        raise OptionError(f"steps must be at least 1, not {steps}")
    several = [unit] if isinstance(unit, int | Unit) else unit
    units = [Unit(one) if isinstance(one, int) else one for one in several]
    modules = {one.stage: _module(model, one.stage) for one in units if one.stage is not None}
    generator = torch.Generator().manual_seed(seed)
    height, width = size or image_size(model.config)
    channels = getattr(model.config, "num_channels", 3)
    with _evaluating(model):
        start = 0.1 * torch.randn((len(units), channels, height, width), generator=generator)
        pixels = start.to(model.device).requires_grad_()  # (N, C, H, W)
        optimizer = torch.optim.Adam([pixels], lr=learning_rate)
        for _ in track(range(steps), "best input", unit="step"):
            moves = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
            moved = torch.roll(pixels, moves, dims=(2, 3))
            with _outputs_of(modules) as outputs:
                logits = _run(model, moved.to(model.dtype))
            excitement = torch.stack(
                [_unit_activation(one, row, logits, outputs) for row, one in enumerate(units)]
            ).float()  # (N,)
            (upwards,) = torch.autograd.grad(excitement.sum(), [pixels])
            upwards /= upwards.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=TINY)
            penalty = l2 * pixels.square().sum() + total_variation * total_variation_of(pixels).sum()
            (pixels.grad,) = torch.autograd.grad(penalty, [pixels])
            pixels.grad -= upwards
            optimizer.step()
            if value_range is not None:
                low, high = (bound.to(pixels).view(-1, 1, 1) for bound in value_range)
                with torch.no_grad():
                    pixels.copy_(torch.maximum(torch.minimum(pixels, high), low))
        return pixels.detach()


def stage_modules(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The modules whose outputs are the stages of a model, by the stages' names, from input to output.

    The names are those of the config where it names as many stages as the family declares modules, else their paths.
    """
    stages = stages_of(model)
    names = list(getattr(model.config, "stage_names", None) or ())
    if len(names) != len(stages):
        names = [stage.name for stage in stages]
    return {name: stage.modules[-1] for name, stage in zip(names, stages, strict=True)}


class _GuidedRectifiers(TorchFunctionMode):
    """While it is on, gradients that reach the output of a rectifier are cut off below 0.

    A hook on the output sees the sum of all gradients that arrive there, before the rectifier's own backward pass.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))  # the mode is off in here: a rectifier inside is not hooked twice
        if (func in RECTIFIERS or _is_rectifying_threshold(func, args, kwargs or {})) and output.requires_grad:
            output.register_hook(lambda gradient: gradient.clamp(min=0))
        return output


def _is_rectifying_threshold(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call of `threshold` is a ReLU: threshold 0, and 0 below it."""
    if func not in (F.threshold, torch.threshold):
        return False
    limits = [*args[1:3], *(kwargs[name] for name in ("threshold", "value") if name in kwargs)]
    return limits == [0, 0]


@contextlib.contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Eval mode with gradients; each module gets its own training flag back."""
    flags = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.enable_grad():
            yield
    finally:
        for module, training in flags.items():
            module.training = training


@contextlib.contextmanager
def _outputs_of(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of modules, in the order in which they are given.

    The network goes on with a copy, because its next layer may work in place.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            if isinstance(output, Tensor):
                outputs[name] = output
                return output.clone()
            first = next(iter(output.values() if isinstance(output, Mapping) else output), None)
            if isinstance(first, Tensor):
                outputs[name] = first
            return None

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _module(model: PreTrainedModel, layer: str) -> nn.Module:
    """A stage by its name, or a module by its path."""
    stages = stage_modules(model)
    if layer in stages:
        return stages[layer]
    modules = dict(model.named_modules())
    if layer and layer in modules:
        return modules[layer]
    raise OptionError(
        f"{type(model).__name__} has no layer {layer!r}.{did_you_mean(layer, [*stages, *modules])} "
        f"Its stages are {', '.join(stages)}."
    )


def _last_maps(outputs: Mapping[str, Tensor], layer: str | None, model: PreTrainedModel) -> Tensor:
    """The maps `(N, K, h, w)` of the layer, or of the last one with `CAM_PLACES` a side, or else the largest."""
    maps = [output for output in outputs.values() if output.ndim == 4 and (layer or output[0, 0].numel() > 1)]
    found = [one for one in maps if layer or min(one.shape[2:]) >= CAM_PLACES]
    found = found or sorted(maps, key=lambda one: one[0, 0].numel())
    if not found:
        what = f"layer {layer!r} of {type(model).__name__}" if layer else f"{type(model).__name__}"
        raise OptionError(f"{what} has no maps (N, C, H, W), which Grad-CAM needs; use --method gradient or guided")
    return found[-1]


def _leaf(model: PreTrainedModel, pixel_values: Tensor) -> Tensor:
    """A copy of the pictures on the model's device that gradients are taken by."""
    return pixel_values.detach().to(model.device, model.dtype, copy=True).requires_grad_()


def _run(model: PreTrainedModel, pixels: Tensor) -> Tensor | None:
    """One forward pass; the logits `(N, classes)`, or None for a network without them."""
    if model.main_input_name != "pixel_values":
        raise TsugikiError(f"{type(model).__name__} takes {model.main_input_name}, not pictures")
    logits = getattr(model(pixel_values=pixels), "logits", None)
    return logits if isinstance(logits, Tensor) and logits.ndim == 2 else None


def _logits(model: PreTrainedModel, pixels: Tensor) -> Tensor:
    logits = _run(model, pixels)
    if logits is None:
        raise TsugikiError(f"{type(model).__name__} is no classifier of pictures: it gives no logits (N, classes)")
    return logits


def _class_scores(logits: Tensor, target: Target) -> Tensor:
    """The logit of each row's class `(N,)`; of the highest where no class is given."""
    if target is None:
        return logits.amax(dim=1)
    classes = torch.as_tensor(target, device=logits.device).long().expand(len(logits))  # (N,)
    if classes.min() < 0 or classes.max() >= logits.shape[1]:
        raise OptionError(f"target must be a class from 0 to {logits.shape[1] - 1}, not {classes.tolist()}")
    return logits.gather(1, classes[:, None])[:, 0]


def _gradient(score: Tensor, inputs: Tensor, model: PreTrainedModel) -> Tensor:
    """The derivative of the sum of scores, which is that of each row by itself in eval mode, in float32."""
    try:
        (gradient,) = torch.autograd.grad(score.sum(), [inputs])
    except RuntimeError as error:
        raise TsugikiError(
            f"the logits of {type(model).__name__} have no gradient here, so there is no map to draw: {error}"
        ) from error
    return gradient.detach().float()


def _unit_activation(unit: Unit, row: int, logits: Tensor | None, outputs: Mapping[str, Tensor]) -> Tensor:
    """How strongly a row's picture excites its unit, a scalar."""
    if unit.stage is not None and unit.stage not in outputs:
        raise OptionError(f"layer {unit.stage!r} gives no tensor, so it has no unit {unit.channel}")
    output = logits if unit.stage is None else outputs[unit.stage]
    if output is None:
        raise OptionError("a network that is no classifier has no classes; name a unit as STAGE:CHANNEL")
    where = "the classifier" if unit.stage is None else f"stage {unit.stage!r}"
    if not 0 <= unit.channel < output.shape[1]:
        raise OptionError(f"{where} has the units 0 to {output.shape[1] - 1}, not {unit.channel}")
    return output[row, unit.channel].mean()
