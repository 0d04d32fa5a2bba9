"""Checks of a plugin's checkpoints: they load, and their cards are complete."""

from __future__ import annotations

from ..registry import Checkpoint
from .subject import NotApplicableError, require

_ALLOWED_WEIGHTS = "model.safetensors"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


def card_is_complete(checkpoint: Checkpoint) -> None:
    """The card, its metadata and the provenance agree, and nothing that a card must say is missing."""
    from ..cards.validate import validate_card

    problems = validate_card(checkpoint.path)
    require(not problems, "; ".join(problems))


def snapshot_loads(checkpoint: Checkpoint) -> None:
    """The snapshot loads by name, weights and processor, and holds no pickles."""
    from ..snapshots.converted_weights import missing_distribution
    from ..snapshots.provenance import Provenance
    from ..snapshots.snapshot import Snapshot, missing_requirements

    pickles = [path.name for path in checkpoint.path.rglob("*") if path.name.endswith(_PICKLES)]
    require(not pickles, f"{', '.join(pickles)}: weights belong into {_ALLOWED_WEIGHTS} alone")
    if missing := missing_requirements(Provenance.find(checkpoint.path)):
        raise NotApplicableError(f"{checkpoint.name} needs {' and '.join(missing)} besides, not installed here")
    if (hint := missing_distribution(checkpoint)) is not None:
        raise NotApplicableError(f"the weights of {checkpoint.name} are not installed here: {hint}")
    snapshot = Snapshot.open(f"{checkpoint.plugin_name}:{checkpoint.name}")
    snapshot.model()
    if snapshot.family.declaration.processor is not None:
        snapshot.processor()
