"""Where a network can be cut: its stages from input to output, and its head.

A plugin names the modules once (`Family.stages` and `Family.head`); together they hold every parameter exactly once.
A depth says how much is trained: 0 the head alone, k the head and the k stages below it, all of them everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from ..errors import OptionError, PluginError, did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ..registry import RegisteredFamily

Depth = int
AUXILIARY = "auxiliary_heads"  # config field, and module, of classifiers that only help a training from scratch


@dataclass(frozen=True)
class Stage:
    """One piece of a network that is frozen or trained as a whole.

    Attributes:
        name: Path of the module in the model.
        modules: The modules it is made of; the last one gives the stage's output.
    """

    name: str
    modules: tuple[nn.Module, ...]

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of all modules."""
        for module in self.modules:
            yield from module.parameters()


def family_of(model: PreTrainedModel) -> RegisteredFamily:
    """The family that declares how a model is cut.

    Raises:
        PluginError: No installed plugin knows the model's type.
    """
    from ..registry import registry

    model_type = model.config.model_type
    family = registry().family_of_model_type(model_type)
    if family is None:
        raise PluginError(f"no installed plugin has a family with model_type {model_type!r}; it cannot be cut")
    return family


def stages_of(model: PreTrainedModel) -> list[Stage]:
    """The stages of a task model, from input to output, the head left out.

    A family that declares none has one stage: everything below the head.

    Raises:
        PluginError: A path leads to no module.
    """
    family = family_of(model)
    if not family.declaration.stages:
        return [Stage("body", tuple(_below(model, family.declaration.head_of(type(model).__name__))))]
    stages: list[Stage] = []
    for path in family.declaration.stages:
        if path.endswith(".*"):
            parent = _module(model, path[:-2], family)
            stages += [Stage(f"{path[:-2]}.{name}", (child,)) for name, child in parent.named_children()]
        else:
            stages.append(Stage(path, (_module(model, path, family),)))
    return stages


def head_of(model: PreTrainedModel) -> tuple[str, nn.Module]:
    """Path and module of the head.

    Raises:
        PluginError: The path that the family declares leads to no module.
    """
    family = family_of(model)
    path = family.declaration.head_of(type(model).__name__)
    return path, _module(model, path, family)


def _module(model: PreTrainedModel, path: str, family: RegisteredFamily) -> nn.Module:
    try:
        return model.get_submodule(path)
    except AttributeError as error:
        raise PluginError(
            f"family {family.name!r} ({family.distribution}) names the module {path!r}, which "
            f"{type(model).__name__} has not"
        ) from error


def _below(module: nn.Module, head: str) -> Iterator[nn.Module]:
    """The largest modules that do not hold the head."""
    first, _, rest = head.partition(".")
    for name, child in module.named_children():
        if name != first:
            yield child
        elif rest:
            yield from _below(child, rest)


def check_stages(model: PreTrainedModel) -> list[Stage]:
    """The stages of a model, after making sure that stages and head hold every parameter exactly once.

    Auxiliary heads, which a fine-tuning leaves behind, need not be among them.

    Raises:
        PluginError: A path leads to no module, or a parameter lies in no stage or in two.
    """
    family, stages = family_of(model), stages_of(model)
    path, head = head_of(model)
    owners: dict[nn.Parameter, str] = {}
    for owner, parameters in [*((stage.name, stage.parameters()) for stage in stages), (path, head.parameters())]:
        for parameter in parameters:
            if parameter in owners:
                raise PluginError(
                    f"family {family.name!r} ({family.distribution}): a parameter of {owner} lies in "
                    f"{owners[parameter]} too"
                )
            owners[parameter] = owner
    kept = [pair for pair in model.named_parameters() if not pair[0].startswith(f"{AUXILIARY}.")]
    if missing := [name for name, parameter in kept if parameter not in owners]:
        raise PluginError(
            f"family {family.name!r} ({family.distribution}): the parameter {missing[0]} lies in no stage and not in "
            "the head"
        )
    return stages


def parse_depth(value: str | int, stages: int) -> Depth | None:
    """Read a depth.

    Args:
        value: ``"auto"``, ``"head"``, ``"all"``, or the number of stages to train below the head.
        stages: How many stages the network has.

    Returns:
        0 for the head alone to `stages` for everything; None for ``"auto"``.

    Raises:
        OptionError: It is none of these.
    """
    names: dict[str, Depth | None] = {"auto": None, "head": 0, "all": stages}
    text = str(value).strip()
    if text in names and not isinstance(value, bool):
        return names[text]
    try:
        number = int(text)
    except ValueError:
        number = -1
    if isinstance(value, bool) or not 0 <= number <= stages:
        raise OptionError(
            f"depth must be 'auto', 'head', 'all' or a number of stages from 1 to {stages}, not {value!r}."
            f"{did_you_mean(text, names)}"
        )
    return number


def depth_name(depth: Depth, stages: int) -> str:
    """How a person writes a depth: ``head``, a number, or ``all``."""
    return "head" if depth == 0 else "all" if depth >= stages else str(depth)


@contextlib.contextmanager
def only_top_trained(model: PreTrainedModel, depth: Depth) -> Iterator[list[nn.Module]]:
    """Freeze what lies below a depth: no gradients there for the time of the block.

    Gradients alone do not hold a network still: batch normalisation goes on collecting statistics in training mode.
    So the frozen modules are handed out, for `tsugiki.training.fit` to keep them in eval mode.

    Args:
        model: A task model.
        depth: How many stages are trained besides the head.

    Yields:
        The frozen modules.
    """
    stages = stages_of(model)
    frozen = [module for stage in stages[: len(stages) - depth] for module in stage.modules]
    before = {parameter: parameter.requires_grad for parameter in model.parameters()}
    for module in frozen:
        module.requires_grad_(False)
    try:
        yield frozen
    finally:
        for parameter, requires_grad in before.items():
            parameter.requires_grad_(requires_grad)


def parameter_groups(
    model: PreTrainedModel, depth: Depth, *, learning_rate: float, decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Optimizer groups with lower learning rates for lower stages (Howard and Ruder 2018, section 3.2).

    The head and the stage below it learn at `learning_rate`, each stage further down at `decay` times the rate of the
    one above. Biases and norms (vectors) are not decayed. Together the groups hold every trained parameter once.

    Args:
        model: A task model.
        depth: How many stages are trained besides the head.
        learning_rate: Of the head.
        decay: Factor from one stage to the next lower.
        weight_decay: Of matrices and kernels.
    """
    stages = stages_of(model)
    trained = [(0, head_of(model)[1].parameters())]
    trained += [
        (distance, stage.parameters()) for distance, stage in enumerate(reversed(stages[len(stages) - depth :]))
    ]
    groups: dict[tuple[int, float], list[nn.Parameter]] = {}
    for distance, parameters in trained:
        for parameter in parameters:
            groups.setdefault((distance, weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    return [
        {"params": members, "lr": learning_rate * decay**distance, "weight_decay": penalty}
        for (distance, penalty), members in groups.items()
    ]
