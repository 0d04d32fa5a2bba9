"""Where a network can be cut: its stages from input to output, and its head.

A plugin names the modules once (`Family.stages` and `Family.head`); together they hold every parameter exactly once.
A depth says how much is trained: 0 the head alone, k the head and the k stages below it, all of them everything. A
weight that is used in several places, as embeddings that are the output matrix too, goes with the highest of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from ..errors import OptionError, PluginError, did_you_mean
from ..snapshots.module_tree import find_head, find_pieces
from ..snapshots.transformers_families import family_of_model, is_found, key_of

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
        modules: The modules it is made of; the last one gives the stage's output, unless `before` says otherwise.
        loose: Parameters of its that hang on modules which hold other stages too.
        before: The module whose input is the stage's output.
    """

    name: str
    modules: tuple[nn.Module, ...]
    loose: tuple[nn.Parameter, ...] = ()
    before: nn.Module | None = None

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of all modules, and the loose ones."""
        for module in self.modules:
            yield from module.parameters()
        yield from self.loose


def family_of(model: PreTrainedModel) -> RegisteredFamily:
    """The family that declares how a model is cut.

    Raises:
        PluginError: Neither an installed plugin nor transformers knows the model's type.
    """
    family = family_of_model(model)
    if family is None:
        raise PluginError(
            f"neither an installed plugin nor transformers has a family with model_type {model.config.model_type!r}; "
            "it cannot be cut"
        )
    return family


def stages_of(model: PreTrainedModel) -> list[Stage]:
    """The stages of a task model, from input to output, the head left out.

    A family that declares none has one stage: everything below the head. Those of a family that no plugin declares are
    found from its modules. A path that ends in ``?`` is left out where
    the model has no such module.

    Raises:
        PluginError: A path leads to no module.
    """
    family = family_of(model)
    if is_found(family):
        return [Stage(**vars(piece)) for piece in find_pieces(model, _found_head(model, family))]
    if not family.declaration.stages:
        return [Stage("body", tuple(_below(model, family.declaration.head_of(type(model).__name__))))]
    stages: list[Stage] = []
    for path in family.declaration.stages:
        if path.endswith(".*"):
            parent = _module(model, path[:-2], family)
            stages += [Stage(f"{path[:-2]}.{name}", (child,)) for name, child in parent.named_children()]
        elif path.endswith("?"):
            if (module := _optional(model, path[:-1])) is not None:
                stages.append(Stage(path[:-1], (module,)))
        else:
            stages.append(Stage(path, (_module(model, path, family),)))
    return stages


def head_of(model: PreTrainedModel) -> tuple[str, nn.Module]:
    """Path and module of the head; an empty path and an empty module where the network has none.

    Raises:
        PluginError: The path that the family declares leads to no module.
    """
    family = family_of(model)
    path = _found_head(model, family) if is_found(family) else family.declaration.head_of(type(model).__name__)
    return path, _module(model, path, family) if path else nn.Module()


def _found_head(model: PreTrainedModel, family: RegisteredFamily) -> str:
    """Path of the head of a model that no plugin declares: that of a classifier, for others have none to replace."""
    return find_head(model) if key_of(family, type(model).__name__).endswith("classification") else ""


def _optional(model: PreTrainedModel, path: str) -> nn.Module | None:
    try:
        return model.get_submodule(path)
    except AttributeError:
        return None


def _module(model: PreTrainedModel, path: str, family: RegisteredFamily) -> nn.Module:
    if (module := _optional(model, path)) is None:
        raise PluginError(
            f"family {family.name!r} ({family.distribution}) names the module {path!r}, which "
            f"{type(model).__name__} has not"
        )
    return module


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
    paths: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        paths.setdefault(module, []).append(f"{name}.")
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    owners: dict[str, str] = {}  # by name, for a weight may be used in several places
    for owner, modules in [*((stage.name, stage.modules) for stage in stages), (path, (head,))]:
        within = tuple(prefix for module in modules for prefix in paths.get(module, ()))
        for name in [name for name in names if name.startswith(within)]:
            if name in owners:
                raise PluginError(
                    f"family {family.name!r} ({family.distribution}): a parameter of {owner} lies in {owners[name]} too"
                )
            owners[name] = owner
    held = {*head.parameters(), *(parameter for stage in stages for parameter in stage.parameters())}
    kept = [pair for pair in model.named_parameters() if not pair[0].startswith(f"{AUXILIARY}.")]
    if missing := [name for name, parameter in kept if parameter not in held]:
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
def only_top_trained(model: PreTrainedModel, depth: Depth, new: Sequence[str] = ()) -> Iterator[list[nn.Module]]:
    """Freeze what lies below a depth: no gradients there for the time of the block.

    Gradients alone do not hold a network still: batch normalisation goes on collecting statistics in training mode.
    So the frozen modules are handed out, for `tsugiki.training.fit` to keep them in eval mode.

    Args:
        model: A task model.
        depth: How many stages are trained besides the head.
        new: Names of parameters that are trained at any depth, for they hold something new.

    Yields:
        The frozen modules.
    """
    stages = stages_of(model)
    below = stages[: len(stages) - depth]
    trained = {parameter for _, parameters in _by_distance(model, depth, new) for parameter in parameters}
    before = {parameter: parameter.requires_grad for parameter in model.parameters()}
    for stage in below:
        for parameter in stage.parameters():
            parameter.requires_grad_(parameter in trained)
    try:
        yield [module for stage in below for module in stage.modules]
    finally:
        for parameter, requires_grad in before.items():
            parameter.requires_grad_(requires_grad)


def _by_distance(model: PreTrainedModel, depth: Depth, new: Sequence[str]) -> list[tuple[int, list[nn.Parameter]]]:
    """The parameters that are trained, each once, by how many stages lie above their own; those of the head first.

    What the network itself holds frozen is left out.
    """
    stages, named = stages_of(model), dict(model.named_parameters(remove_duplicate=False))
    pieces: list[tuple[int, Iterable[nn.Parameter]]] = [(0, head_of(model)[1].parameters())]
    pieces += [(distance, stage.parameters()) for distance, stage in enumerate(reversed(stages[len(stages) - depth :]))]
    pieces.append((0, (named[name] for name in new)))
    seen: set[nn.Parameter] = set()
    found = []
    for distance, parameters in pieces:
        first = [parameter for parameter in parameters if parameter.requires_grad and parameter not in seen]
        seen.update(first)
        found.append((distance, list(dict.fromkeys(first))))
    return found


def parameter_groups(
    model: PreTrainedModel,
    depth: Depth,
    *,
    learning_rate: float,
    decay: float,
    weight_decay: float,
    new: Sequence[str] = (),
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
        new: Names of parameters that are trained at any depth.
    """
    groups: dict[tuple[int, float], list[nn.Parameter]] = {}
    for distance, parameters in _by_distance(model, depth, new):
        for parameter in parameters:
            groups.setdefault((distance, weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    return [
        {"params": members, "lr": learning_rate * decay**distance, "weight_decay": penalty}
        for (distance, penalty), members in groups.items()
    ]
