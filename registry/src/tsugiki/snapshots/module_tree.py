"""Where a network that no plugin declares can be cut, found from its modules: embeddings, blocks, and what follows.

transformers builds its networks alike: a trunk under ``base_model_prefix`` whose blocks stand in a list, and outside of
it what turns the trunk's output into logits, a linear layer last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from ..errors import PluginError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BELOW, ABOVE = "embeddings", "top"  # what lies before the first block, and between the last and the head

Block = tuple[nn.Module, ...]


@dataclass(frozen=True)
class Piece:
    """A part of a network between two cuts.

    Attributes:
        name: Path of its module, or `BELOW` or `ABOVE`, which may be several.
        modules: Its modules, from input to output.
        loose: Parameters of its that hang on modules which hold other pieces too.
        before: The module whose input is the piece's output, where its own last module does not give it.
    """

    name: str
    modules: tuple[nn.Module, ...]
    loose: tuple[nn.Parameter, ...] = ()
    before: nn.Module | None = None


def find_head(model: PreTrainedModel) -> str:
    """Path of the layer that gives the logits: the last linear one with an output per label outside of the trunk.

    Raises:
        PluginError: There is none.
    """
    trunk, labels = f"{model.base_model_prefix}.", model.config.num_labels
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == labels and not name.startswith(trunk)
    ]
    if not found:
        raise PluginError(
            f"no head that could be replaced is found in {type(model).__name__}: it has no linear layer with "
            f"{labels} outputs, one a label, outside of its trunk {model.base_model_prefix!r}"
        )
    return found[-1]


def find_pieces(model: PreTrainedModel, head: str) -> list[Piece]:
    """The pieces of a network from input to output, its head left out; together they hold every other parameter.

    Args:
        model: A task model.
        head: Path of its head; empty where it has none.
    """
    blocks = _blocks(model.base_model)
    names = {module: name for name, module in model.named_modules()}
    taken = {part for block in blocks for part in block} | ({model.get_submodule(head)} if head else set())
    holders = {path for module in taken for path in _above(names[module])}
    below: list[nn.Module] = []
    above: list[nn.Module] = []
    loose: list[nn.Parameter] = []
    skipped: tuple[str, ...] = ()
    passed = False
    for name, module in model.named_modules():
        if name.startswith(skipped):
            continue
        if module not in taken and name in holders:
            loose += list(module.parameters(recurse=False))
            continue
        skipped += (f"{name}.",)
        if module in taken:
            passed = passed or name != head
        else:
            (above if passed else below).append(module)
    pieces = [Piece(names[block[-1]], block) for block in blocks]
    if below:
        pieces.insert(0, Piece(BELOW, tuple(below), tuple(loose), blocks[0][0] if blocks else None))
    elif loose:
        pieces[0] = Piece(pieces[0].name, pieces[0].modules, tuple(loose))
    if any(_size(module) for module in above):  # the last gives the output, and functions have no say in it
        pieces.append(Piece(ABOVE, tuple(sorted(above, key=lambda module: _size(module) > 0))))
    return pieces


def _blocks(trunk: nn.Module) -> list[Block]:
    """The children of the largest list of modules; where there is none, those of the trunk that hold parameters.

    Lists of the same length beside it go with it, one child of each to a block, as where patch embeddings and layers
    take turns.
    """
    for kind in (nn.ModuleList, nn.Sequential):
        lists = {name: module for name, module in trunk.named_modules() if isinstance(module, kind) and _size(module)}
        if not lists:
            continue
        path = max(lists, key=lambda name: _size(lists[name]))  # of a list within a list the outer one, which is first
        parent = trunk.get_submodule(path.rpartition(".")[0])
        beside = [
            child for child in parent.children() if isinstance(child, kind) and len(child) == len(lists[path]) > 1
        ]
        return [tuple(parts) for parts in zip(*(beside or [lists[path]]), strict=True)]
    return [(child,) for child in trunk.children() if _size(child)]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _above(path: str) -> list[str]:
    """The paths of the modules that hold the one at a path, the model itself among them."""
    parts = path.split(".")
    return [".".join(parts[:depth]) for depth in range(len(parts))]
