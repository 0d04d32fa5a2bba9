"""Grafting: a trained network with a new, fresh head for other classes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers import set_seed

from ..adaptation import Adaptation
from ..errors import OptionError
from .stages import AUXILIARY, head_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HEAD_FIELD = "classifier"


def graft(base: PreTrainedModel, fields: Mapping[str, Any]) -> PreTrainedModel:
    """Set a new head on a trained network.

    Args:
        base: A task model; it is left as it is.
        fields: Config fields of the new head, as `Task.config_fields` gives them.

    Returns:
        A new model with the weights of `base` below the head and fresh ones in it, in eval mode. Auxiliary heads, which
        know other classes, are left out.
    """
    path, _ = head_of(base)
    grafted = fresh(base, fields)
    heads = (f"{path}.",) if path else resized(base, grafted)
    left_out = (*heads, f"{AUXILIARY}.")
    weights = {name: value for name, value in base.state_dict().items() if not name.startswith(left_out)}
    missing, unexpected = grafted.load_state_dict(weights, strict=False)
    stray = [name for name in [*missing, *unexpected] if not name.startswith(heads)]
    if stray:
        raise OptionError(f"{type(base).__name__} changes below its head with {dict(fields)}: {stray[0]}")
    return grafted.eval()


def resized(base: PreTrainedModel, grafted: PreTrainedModel) -> tuple[str, ...]:
    """Names of the weights that have another shape in one of two models: heads of a network that has several."""
    weights = grafted.state_dict()
    return tuple(
        name for name, value in base.state_dict().items() if name in weights and weights[name].shape != value.shape
    )


@dataclass(frozen=True)
class Adapted:
    """A base model as it begins to learn.

    Attributes:
        model: The model, a copy, in eval mode.
        new: Names of parameters below the head that hold something new and are trained at any depth.
        has_new: Whether anything is new, the head or those.
    """

    model: PreTrainedModel
    new: tuple[str, ...]
    has_new: bool


def adapt(base: PreTrainedModel, adaptation: Adaptation, *, seed: int) -> Adapted:
    """Give a copy of a base model the head and the rows for new words that an adaptation asks for.

    Args:
        base: The base model; it is left as it is.
        adaptation: What a task says.
        seed: Of the weights that are drawn.
    """
    set_seed(seed)
    fields = adaptation.head_fields
    model = graft(base, fields) if fields else copy.deepcopy(base)
    new = resized(base, model) if fields and not head_of(base)[0] else ()
    if adaptation.grow is not None:
        new += tuple(adaptation.grow(model))
    return Adapted(model.eval(), new, bool(fields or new))


def fresh_like(model: PreTrainedModel) -> PreTrainedModel:
    """The same network with fresh weights, but for what it holds frozen, and with the same way to write texts."""
    made = fresh(model, {})
    weights = model.state_dict()
    for path, module in made.named_modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.load_state_dict({name: weights[f"{path}.{name}"] for name in module.state_dict()})
    if model.can_generate():
        made.generation_config = copy.deepcopy(model.generation_config)
    return made


def fresh(base: PreTrainedModel, fields: Mapping[str, Any]) -> PreTrainedModel:
    """The same network with fresh weights everywhere, for other classes."""
    config = copy.deepcopy(base.config)
    if getattr(config, AUXILIARY, False):
        setattr(config, AUXILIARY, False)
    for name, value in fields.items():
        setattr(config, name, value)
    config._name_or_path = ""
    return type(base)._from_config(config, dtype=base.dtype)


def linear_layers(head: nn.Module) -> list[nn.Linear]:
    """The linear layers of a head, from input to output."""
    return [module for module in head.modules() if isinstance(module, nn.Linear)]


def rebuild_head(model: PreTrainedModel, kind: str, *, hidden_size: int | None = None) -> None:
    """Give a model the head that its config's ``classifier`` calls `kind`, with fresh weights, if it has another.

    Args:
        model: A task model.
        kind: ``linear`` or ``mlp``.
        hidden_size: Width of the hidden layer of ``mlp``.

    Raises:
        OptionError: The family has no such head.
    """
    path, head = head_of(model)
    layers = linear_layers(head)
    has = {1: "linear", 2: "mlp"}.get(len(layers))
    if has == kind and (hidden_size is None or layers[0].out_features == hidden_size):
        return
    if not hasattr(model.config, HEAD_FIELD) or not layers:
        raise OptionError(
            f"{type(model).__name__} has only its own head, no {kind!r}; use the heads 'logistic' or 'svm'"
        )
    from ..classifier_head import classifier_head

    config: Any = model.config
    config.classifier = kind
    if hidden_size is not None:
        config.classifier_hidden_size = hidden_size
    parent, _, name = path.rpartition(".")
    new = classifier_head(config, layers[0].in_features).to(layers[0].weight.device, layers[0].weight.dtype)
    setattr(model.get_submodule(parent), name, new)
