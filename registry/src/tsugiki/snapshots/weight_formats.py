"""Reading files of weights that other programs wrote, by format: tensors by name, and nothing that runs code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..distributed_weights import ONNX, SAFETENSORS, TORCH
from ..errors import PluginError, SnapshotError
from .strict_config import fail, one_line

if TYPE_CHECKING:
    from torch import Tensor

Reader = Callable[[Path], Mapping[str, "Tensor"]]


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file."""
    from safetensors.torch import load_file

    return load_file(path)


def read_torch(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict that `torch.save` wrote, read with ``weights_only=True``."""
    import torch

    values = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(values, Mapping) or not all(isinstance(value, torch.Tensor) for value in values.values()):
        fail(path, "holds more than tensors by name")
    return dict(values)


def read_onnx(path: Path) -> dict[str, Tensor]:
    """The initialisers of an ONNX graph."""
    import torch

    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise PluginError(f"{path} is read by onnx, not installed here: pip install onnx") from error
    graph = onnx.load(path, load_external_data=False).graph
    if outside := [one.name for one in graph.initializer if one.data_location == onnx.TensorProto.EXTERNAL]:
        fail(path, f"keeps {outside[0]} in another file")
    return {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}


READERS: dict[str, Reader] = {SAFETENSORS: read_safetensors, TORCH: read_torch, ONNX: read_onnx}


def read_weights(path: Path, reader: Reader) -> dict[str, Tensor]:
    """The tensors that a reader finds in a file, each with memory of its own.

    Raises:
        SnapshotError: The file is not what the reader reads.
        PluginError: A library that the reader needs is not installed.
    """
    import torch

    try:
        found = reader(path)
    except (SnapshotError, PluginError):
        raise
    except Exception as error:  # readers of damaged files raise what they like
        raise SnapshotError(f"{path} cannot be read: {type(error).__name__}: {one_line(error)}") from error
    if not found or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        fail(path, "holds no tensors by name")
    return {name: tensor.detach().clone().contiguous() for name, tensor in found.items()}
