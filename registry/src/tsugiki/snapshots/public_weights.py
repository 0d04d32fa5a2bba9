"""Weights that another library published: a folder whose ``config.json`` has an ``architecture`` and no ``model_type``.

A plugin says which architectures it reads (`tsugiki.Plugin.public_weights`), each by a function that turns the fields
of that file into a `PublicWeights`: the family here, its config, the processor, and the name that each stored tensor
has here. Everything else is as strict as for a snapshot of our own: safetensors only, every name and every shape
accounted for. Saved again with ``save_pretrained``, the model is an ordinary snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import PluginError, did_you_mean
from ..registry import RegisteredFamily, registry
from .strict_config import check_values, fail, one_line, without_ignored_fields

ARCHITECTURE = "architecture"
# A count of batches that only a batch norm without momentum reads. Files of older libraries lack it.
OPTIONAL_TENSORS = (r"\.num_batches_tracked\Z",)

Header = Mapping[str, tuple[tuple[int, ...], str]]  # name -> shape and dtype, as `read_header` returns it


@dataclass(frozen=True)
class PublicWeights:
    """How a published folder is read as a family of a plugin.

    Attributes:
        model_type: Of the family.
        task: The key of the family's models that the weights are complete for.
        config: Fields of the family's config.
        rename: From a stored tensor's name to its name in that model, or None for one that has no place there.
        processor: Fields of the family's processor; None where the folder does not tell.
        left_out: Prefixes of stored names that the model here has no use for, such as a head that only serves training.
        flattened: Names, here, of linear layers' weights `(out, in)` that are stored as convolutions `(out, channels,
            height, width)` over a whole map, `in = channels * height * width`.
    """

    model_type: str
    task: str
    config: Mapping[str, Any]
    rename: Callable[[str], str | None]
    processor: Mapping[str, Any] | None = None
    left_out: tuple[str, ...] = ()
    flattened: frozenset[str] = field(default_factory=frozenset)

    @property
    def family(self) -> RegisteredFamily:
        """The family, which lives in the plugin that reads these weights."""
        family = registry().family_of_model_type(self.model_type)
        if family is None:
            raise PluginError(f"public weights are read as model_type {self.model_type!r}, which no family has")
        return family

    def snapshot_config(self) -> dict[str, Any]:
        """The fields of a ``config.json`` of our own."""
        model_class = self.family.declaration.models[self.task].partition(":")[2]
        return {**self.config, "model_type": self.model_type, "architectures": [model_class]}

    def translate(self, stored: Header, path: Path) -> tuple[dict[str, tuple[tuple[int, ...], str]], dict[str, str]]:
        """Give the stored tensors their names and shapes here.

        Args:
            stored: What `tsugiki.snapshots.strict_loading.read_header` returned.
            path: The file.

        Returns:
            Name here -> shape and dtype, and name here -> stored name.

        Raises:
            SnapshotError: A tensor has no place in the model, or two have the same.
        """
        header: dict[str, tuple[tuple[int, ...], str]] = {}
        origin: dict[str, str] = {}
        for stored_name, (shape, dtype) in stored.items():
            if stored_name.startswith(self.left_out):
                continue
            name = self.rename(stored_name)
            if name is None:
                fail(path, f"holds {stored_name}, which has no place in a {self.model_type} network")
            if name in origin:
                fail(path, f"holds both {origin[name]} and {stored_name}, which are the same tensor, {name}")
            if name in self.flattened and len(shape) == 4:
                shape = (shape[0], shape[1] * shape[2] * shape[3])
            header[name], origin[name] = (shape, dtype), stored_name
        return header, origin


def public_weights_of(values: dict[str, Any], path: Path) -> PublicWeights | None:
    """How a folder is read that another library published; None for a snapshot of our own, or of transformers.

    Args:
        values: The content of its ``config.json``.
        path: That file.

    Raises:
        SnapshotError: The config names an architecture that no installed plugin reads, or one in a form that is not
            read.
        PluginError: The plugin that reads the architecture is broken.
        AmbiguousNameError: Two plugins read the architecture.
    """
    if "model_type" in values or ARCHITECTURE not in values:
        return None
    check_values(values, path)
    architecture = values[ARCHITECTURE]
    known = registry().public_architectures()
    if architecture not in known:
        near = did_you_mean(str(architecture), known)
        listed = f"those that installed plugins read: {', '.join(known)}" if known else "an installed plugin's"
        fail(path, f"architecture {architecture!r} is none of {listed}.{near}")
    read = registry().public_weights_reader(architecture)
    try:
        found: PublicWeights = read(without_ignored_fields(values))
    except ValueError as error:
        fail(path, one_line(error))
    check_values(found.config, path)
    check_values(found.processor or {}, path)
    return found
