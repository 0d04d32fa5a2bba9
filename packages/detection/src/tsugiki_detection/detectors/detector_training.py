"""Training of detectors: anchors from the boxes, a backbone that begins as trained, the score to ask for measured."""

from __future__ import annotations

from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob

from ..networks.feature_maps import begin_from_backbone
from .fitted_anchors import anchors_of
from .localiser import LocaliserForObjectDetection
from .yolo import YOLOConfig, YOLOForObjectDetection


def train_detector(model: YOLOForObjectDetection | LocaliserForObjectDetection, job: TrainingJob) -> FitResult:
    """Train a detector. One with fresh weights first takes its anchors, if it has some, from the training rows by
    k-means, and the weights of its config's `backbone`. The score with the best F1 on the validation rows goes into the
    config.

    Args:
        model: Changed in place.
        job: Its rows are pictures with boxes.

    Raises:
        OptionError: An option is refused, or the backbone is of another network.
    """
    config = model.config
    if isinstance(config, YOLOConfig) and config.anchors is None and not config._name_or_path:
        config.anchors = anchors_of(job.train.labels, config.levels, config.anchors_per_level, job.seed)
    begin_from_backbone(model)
    found = fit(model, job)
    if job.validation is not None and job.task is not None:
        for field, value in job.task.settings(model, job.validation).items():
            setattr(config, field, value)
    return found
