"""How a network says that, configured as it is, it cannot become an ONNX graph.

A family none of whose models can says so in its manifest (`tsugiki.plugin.Family.onnx`).
"""

from __future__ import annotations

import torch

from .errors import ExportRefusedError


def refuse_onnx(reason: str) -> None:
    """Call this where a graph would be fixed to the example that it is traced with; does nothing outside an export.

    Args:
        reason: Why there is no right graph, in words that follow "cannot be exported to ONNX:".

    Raises:
        ExportRefusedError: With this reason, while a model is exported.
    """
    if torch.onnx.is_in_onnx_export():
        raise ExportRefusedError(reason)
