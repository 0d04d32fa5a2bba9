"""The checkpoints that a fine-tuning for a task could begin with, of the plugins that are installed."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import TsugikiError
from ..registry import registry
from ..snapshots.listing import ModelInfo, list_models
from ..snapshots.made_for import MadeFor, made_for
from .base_model import has_loss


@dataclass(frozen=True)
class InstalledBase:
    """A checkpoint of an installed plugin.

    Attributes:
        name: As `tsugiki.load` takes it.
        info: What `tsugiki list` shows of it.
        made_for: For what inputs it was made.
    """

    name: str
    info: ModelInfo
    made_for: MadeFor

    @property
    def needs(self) -> str | None:
        """How to install the distribution that its weights lie in, where that is not installed."""
        return self.info.needs


def installed_bases(task: str, kind: str, *, words: bool = True) -> list[InstalledBase]:
    """The checkpoints for a task, and those of transformers' architectures that get a head for it, in natural order.

    Args:
        task: Name of the task.
        kind: Of inputs, as `MadeFor.kind`.
        words: Whether to read tokenizers' vocabularies, which takes its time.
    """
    infos = list_models()
    names = [info.name for info in infos]
    found = []
    for info in infos:
        if info.task != task and not _gets_head(info.family, info.task, task):
            continue
        name = info.name if names.count(info.name) == 1 else f"{info.plugin}:{info.name}"
        reads = made_for(registry().checkpoint(name).path, words=words)
        if reads is not None and reads.kind == kind:
            found.append(InstalledBase(name, info, reads))
    return found


def _gets_head(family: str | None, own: str | None, task: str) -> bool:
    """Whether a model of a family for another task gets a head for this one.

    Those of transformers' architectures do, and those that have no loss of their own, such as what compares sentences.
    """
    if family is None:
        return False
    try:
        found = registry().family(family)
        return task in found.declaration.models and (found.declaration.is_builtin or not has_loss(found, own))
    except TsugikiError:
        return False
