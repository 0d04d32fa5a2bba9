"""Training of an FCN whose backbone begins with the weights of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsugiki.snapshots.backbones import load_backbone
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob

if TYPE_CHECKING:
    from .fcn import FCNForSemanticSegmentation


def train_fcn(model: FCNForSemanticSegmentation, job: TrainingJob) -> FitResult:
    """Train as `fit` does, a fresh model from the weights of `config.backbone` where one is named.

    Raises:
        TsugikiError: There is no such checkpoint, or it is of another network.
    """
    name = model.config.backbone
    if name is not None and not model.config._name_or_path:
        encoder: Any = model.fcn.encoder
        load_backbone(encoder.network, name)
    return fit(model, job)
