"""Training of instance segmenters: by gradient steps, then the score to ask for, measured on rows held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsugiki.evaluation.evaluate import predict_table
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob

from ..detectors.found_objects import best_threshold, match_all
from .instance_scores import FOUND, classes_of, objects_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from tsugiki.task import Task
    from tsugiki.tensor_table import TensorTable

    from .instance_unet import InstanceUNetForInstanceSegmentation


def train_instance_segmenter(model: InstanceUNetForInstanceSegmentation, job: TrainingJob) -> FitResult:
    """Train as `fit` does. The score with the best F1 on the validation rows, if there are some, goes into the config.

    Args:
        model: Changed in place.
        job: Its rows are pictures with numbered objects.

    Raises:
        OptionError: An option is refused.
    """
    found = fit(model, job)
    if job.validation is not None and job.task is not None:
        model.config.score_threshold = threshold_of(model, job.validation, job.task)
    return found


def threshold_of(model: PreTrainedModel, table: TensorTable, task: Task) -> float:
    """The least score with the best F1 over all classes on some rows, at an overlap of one half."""
    predictions = predict_table(model, table, task=task)
    matches = match_all(*objects_of(predictions, classes_of(predictions, ())), FOUND)
    return round(best_threshold(matches)[0], 4)
