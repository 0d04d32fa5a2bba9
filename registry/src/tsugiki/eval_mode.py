"""A network in eval mode for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn


@contextlib.contextmanager
def eval_mode(*networks: nn.Module) -> Iterator[None]:
    """Without dropout, and with the statistics that batch norms collected; each part's mode is restored afterwards.

    Args:
        *networks: The networks.
    """
    before = [(module, module.training) for network in networks for module in network.modules()]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
