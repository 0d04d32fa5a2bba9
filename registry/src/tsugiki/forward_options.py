"""The options that every model of transformers takes: hidden states, attentions, a tuple instead of an output."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from transformers.utils.generic import can_return_tuple

Forward = TypeVar("Forward", bound=Callable[..., Any])

OPTIONS = ("output_hidden_states", "output_attentions")


def forward_options(forward: Forward) -> Forward:
    """Decorate a model's ``forward`` that it takes ``return_dict``, ``output_hidden_states`` and ``output_attentions``.

    Those that it names itself are never None there: left out, they are as the config says. Those that it doesn't name,
    as a network without attention has no attentions to give, are accepted and change nothing.

    Args:
        forward: A method of a `PreTrainedModel` that returns a `ModelOutput`.
    """
    places = {name: place for place, name in enumerate(inspect.signature(forward).parameters)}

    @wraps(forward)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        for name in OPTIONS:
            if name not in places:
                kwargs.pop(name, None)
            elif len(args) < places[name] and kwargs.get(name) is None:  # `self` has the first place
                kwargs[name] = getattr(self.config, name)
        return forward(self, *args, **kwargs)

    return can_return_tuple(wrapper)
