"""Training of an FCN whose backbone begins with the weights of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob

from .backbone_maps import load_backbone

if TYPE_CHECKING:
    from .fcn import FCNForSemanticSegmentation


def train_fcn(model: FCNForSemanticSegmentation, job: TrainingJob) -> FitResult:
    """Train as `fit` does, from the weights of `config.backbone` where one is named.

    Raises:
        TsugikiError: There is no such checkpoint, or it is of another network.
    """
    name = model.config.backbone
    if name is not None:
        encoder: Any = model.fcn.encoder
        load_backbone(encoder, name)
    return fit(model, job)
