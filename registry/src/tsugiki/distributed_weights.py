"""Weights that another installed distribution ships: what a plugin's manifest declares of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import PluginError

SAFETENSORS, TORCH, ONNX = "safetensors", "torch", "onnx"
FORMATS = (SAFETENSORS, TORCH, ONNX)
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_REFERENCE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*\Z")


@dataclass(frozen=True)
class DistributedFile:
    """A file of a distribution.

    Attributes:
        path: As the distribution's ``RECORD`` lists it, with ``/``.
        sha256: Of its content, 64 hexadecimal digits.
    """

    path: str
    sha256: str

    def __post_init__(self) -> None:
        if self.path.startswith("/") or ".." in self.path.split("/") or "\\" in self.path:
            raise PluginError(f"{self.path!r} is no path inside a distribution")
        if not _SHA256.match(self.sha256):
            raise PluginError(f"sha256 of {self.path} must be 64 hexadecimal digits, not {self.sha256!r}")


@dataclass(frozen=True, kw_only=True)
class DistributedWeights:
    """Where the weights of a checkpoint lie that its plugin does not carry itself.

    The plugin's ``pretrained`` has the checkpoint's folder without ``model.safetensors``. When the checkpoint is first
    used, the file is read out of the installed distribution, which is never imported, and kept as safetensors.

    Attributes:
        distribution: Its name for pip.
        version: The version whose file this is.
        weights: The file of weights.
        license: Of the weights.
        extra: The extra of the plugin's distribution that installs it, such as ``imagenet``.
        format: ``safetensors``, ``torch`` (a state dict, read with ``weights_only=True``), ``onnx`` (initialisers), or
            the reference of a function from the file's path to its tensors by name.
        rename: Reference of a function that is given the fields of the checkpoint's ``config.json`` and a stored name,
            and returns the name in the model, or None for one that has no place there. Without it names stay.
        left_out: Prefixes of stored names that the model has no use for.
        datasets: Hub ids of the data that it was trained on, as its authors say.
        files: Further files of the snapshot by their name in it, such as ``tokenizer.json``.
    """

    distribution: str
    version: str
    weights: DistributedFile
    license: str
    extra: str
    format: str = SAFETENSORS
    rename: str | None = None
    left_out: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    files: Mapping[str, DistributedFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.format not in FORMATS and not _REFERENCE.match(self.format):
            raise PluginError(
                f"format of the weights of {self.distribution} must be {', '.join(FORMATS)} or a reference "
                f"'package.module:name', not {self.format!r}"
            )
        if self.rename is not None and not _REFERENCE.match(self.rename):
            raise PluginError(f"rename of the weights of {self.distribution} must be written 'package.module:name'")
        for name in self.files:
            if "/" in name or "\\" in name or name.startswith("."):
                raise PluginError(f"{name!r} is no name of a file of a snapshot")
