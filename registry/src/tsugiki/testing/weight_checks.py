"""Checks that every weight has a value: in memory that holds NaN until somebody writes to it.

transformers builds a model without values and asks ``_init_weights`` for those that a file doesn't hold. What it leaves
out is whatever the memory held before: zeros by luck, 7e37 by bad luck, and always the same in a small test.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

import torch
from torch import Tensor

from ..output import quiet_transformers
from .subject import NotApplicableError, Subject, largest_difference, output_tensors, require

ROUNDING = 1e-5  # relative
RESIZED = {"num_labels": 1, "vocab_size": 3}  # config fields that size a weight, and how much larger another model's is


def every_choice_draws_all_weights(subject: Subject) -> None:
    """Whatever the config chooses, ``_init_weights`` gives every parameter and buffer a value."""
    model_class: Any = subject.family.model_class(subject.key)
    with _memory_of_nan():
        _require_values(subject.model(), "built")
    for name, value in _choices(subject):
        try:
            config = subject.family.config_class()(**{**subject.overrides, **({name: value} if name else {})})
            with _memory_of_nan():
                model = _load(model_class, config, {})
        except Exception:  # whatever kind: this network has no such form
            if not name:
                raise
            continue
        _require_values(model, "loaded from a file without any weights" + (f" with {name}={value!r}" if name else ""))


def missing_weights_are_drawn(subject: Subject) -> None:
    """Loaded from a file that lacks some weights, a model draws those and keeps the others."""
    model = subject.model(seed=1)
    weights = _saved(model)
    for first in (0, 1):
        found = dict(list(weights.items())[first::2])
        with _memory_of_nan():
            loaded = _load(type(model), model.config, found)
        _require_values(loaded, "loaded from a file that lacks every second weight")
        state = loaded.state_dict()
        changed = [name for name, value in found.items() if not torch.equal(state[name], value)]
        require(
            not changed,
            f"{type(model).__name__} changes {', '.join(changed[:3])} of a file that lacks other weights; write "
            "values in _init_weights with the functions of transformers.initialization alone, which leave loaded ones",
        )


def weights_of_other_sizes_are_drawn(subject: Subject) -> None:
    """Loaded with ``ignore_mismatched_sizes``, a model with other labels or tokens draws what doesn't fit."""
    model = subject.model(seed=1)
    tried = False
    for name, more in RESIZED.items():
        size = getattr(model.config, name, None)
        if not isinstance(size, int):
            continue
        config = subject.family.config_class()(**{**subject.overrides, name: size + more})
        with _memory_of_nan():
            loaded = _load(type(model), config, _saved(model))
        _require_values(loaded, f"loaded with {name}={size + more} from a file of {size}")
        tried = True
    if not tried:
        raise NotApplicableError("the config sizes neither labels nor tokens")


def resized_tokens_work(subject: Subject) -> None:
    """After ``resize_token_embeddings`` the first tokens are as before, new ones run, and tied weights are still tied.

    The resized model saves and loads equal.
    """
    config = subject.config()
    if not isinstance(getattr(config, "vocab_size", None), int):
        raise NotApplicableError("it has no tokens")
    switches = [name for name in _own_switches(subject) if "embeddings" in name]
    for changes in ({}, *({name: not getattr(config, name)} for name in switches)):
        judged = replace(subject, overrides={**subject.overrides, **changes})
        for size in (config.vocab_size + RESIZED["vocab_size"], config.vocab_size - 1):
            _resize(judged, size)


def _resize(subject: Subject, size: int) -> None:
    model: Any = subject.model(seed=1)
    name = f"{type(model).__name__} with {size} tokens in place of {model.config.vocab_size}"
    before = model.get_input_embeddings().weight.detach().clone()
    with _memory_of_nan():
        model.resize_token_embeddings(size)
    _require_values(model, f"resized to {size} tokens")
    weight, output = model.get_input_embeddings().weight, model.get_output_embeddings()
    kept = min(size, len(before))
    require(
        len(weight) == size == model.config.vocab_size and torch.equal(weight[:kept], before[:kept]),
        f"{name} has embeddings {tuple(weight.shape)}, or others of the tokens that it had; keep to "
        "get_input_embeddings and set_input_embeddings",
    )
    require(output is None or len(output.weight) == size, f"{name} has no output for each; see set_output_embeddings")
    for target, origin in model.all_tied_weights_keys.items():
        require(
            model.get_parameter(target).data_ptr() == model.get_parameter(origin).data_ptr(),
            f"{name} has weights {target} that are no longer those of {origin}",
        )
    inputs = subject.inputs(model)
    for key, value in inputs.items():
        if key.endswith("input_ids"):
            inputs[key] = value.clone().clamp(max=size - 1)
            inputs[key].view(-1)[-1] = size - 1
    remedy = "resize all that has a row for each token, as tsugiki.token_rows helps to"
    model.save_pretrained(subject.folder)
    try:
        with torch.inference_mode(), quiet_transformers():
            expected = output_tensors(model(**inputs))
            loaded = type(model).from_pretrained(subject.folder).eval()
            found = output_tensors(loaded(**inputs))
    except (IndexError, RuntimeError) as error:
        require(False, f"{name} does not run, or load from what it saved ({str(error).splitlines()[0]}); {remedy}")
    require(largest_difference(expected, found) <= ROUNDING, f"{name} gives other outputs after loading; {remedy}")


def _own_switches(subject: Subject) -> list[str]:
    """The family's fields that are True or False."""
    fields = dataclasses.fields(subject.family.config_class())
    return [field.name for field in fields if field.type is bool]


def _choices(subject: Subject) -> Iterator[tuple[str, Any]]:
    """Fields with a value other than the config's, first none at all; all of them for the first task's model alone."""
    yield "", None
    tasks = subject.family.declaration.tasks
    if subject.key != (tasks[0] if tasks else "base"):
        return
    config = subject.config()
    for field in dataclasses.fields(subject.family.config_class()):
        values: tuple[Any, ...] = (True, False) if field.type is bool else ()
        if get_origin(field.type) is Literal:
            values = get_args(field.type)
        for value in values:
            if value != getattr(config, field.name):
                yield field.name, value


@contextmanager
def _memory_of_nan() -> Iterator[None]:
    """Within, memory that is taken holds NaN, or the largest whole number."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fill: Any = torch.utils.deterministic  # its attribute is a property, of which mypy knows nothing
    filled = fill.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    fill.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        fill.fill_uninitialized_memory = filled


def _load(model_class: Any, config: Any, weights: Mapping[str, Tensor]) -> Any:
    """A model with the weights of a file and, where they are missing or of another size, fresh ones."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)  # a table of what is missing, for each
    try:
        with quiet_transformers():
            return model_class.from_pretrained(
                None,
                config=copy.deepcopy(config),
                state_dict={name: value.clone() for name, value in weights.items()},
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
            )
    finally:
        logging.set_verbosity(verbosity)


def _saved(model: Any) -> dict[str, Tensor]:
    """What a file of the model's weights holds, in which one that has several names stands once."""
    return {name: value for name, value in model.state_dict().items() if name not in model.all_tied_weights_keys}


def _require_values(model: Any, how: str) -> None:
    unset = [name for name, value in (*model.named_parameters(), *model.named_buffers()) if _is_unset(value)]
    require(
        not unset,
        f"{type(model).__name__}, {how}, has no values in {', '.join(unset[:3])}; set every parameter and buffer in "
        "_init_weights, with the functions of transformers.initialization",
    )


def _is_unset(value: Tensor) -> bool:
    """Whether a weight lies on no device, or holds what `_memory_of_nan` filled it with."""
    if value.is_meta:
        return True
    if value.is_floating_point() or value.is_complex():
        return bool(value.isnan().any())
    return value.dtype != torch.bool and bool((value == torch.iinfo(value.dtype).max).any())
