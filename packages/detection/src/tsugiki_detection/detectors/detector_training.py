"""Training of detectors: anchors from the boxes, a backbone that begins as trained, the score to ask for measured."""

from __future__ import annotations

import numpy as np
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob

from ..boxes.anchors import kmeans_anchors
from ..networks.feature_maps import begin_from_backbone
from .box_labels import BOX, CROWD, is_object
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
        config.anchors = anchors_of(job.train, config.levels, config.anchors_per_level, job.seed)
    begin_from_backbone(model)
    found = fit(model, job)
    if job.validation is not None and job.task is not None:
        for field, value in job.task.settings(model, job.validation).items():
            setattr(config, field, value)
    return found


def anchors_of(table: TensorTable, levels: int, each: int, seed: int) -> list[list[list[float]]]:
    """Anchors of each level, small ones on the finest, in fractions of the frame.

    Where the data has fewer sizes than anchors are asked for, the largest is repeated.
    """
    labels = table.labels
    objects = labels[is_object(labels) & (labels[..., CROWD] == 0)]
    if not len(objects):
        sizes = np.linspace(0.05, 0.6, levels * each)[:, None].repeat(2, 1)
    else:
        sizes = kmeans_anchors(objects[:, BOX][:, 2:].double().numpy().clip(1e-4), levels * each, seed=seed)
        sizes = np.concatenate([sizes, sizes[-1:].repeat(levels * each - len(sizes), 0)])
    return [[[round(float(side), 5) for side in pair] for pair in level] for level in sizes.reshape(levels, each, 2)]
