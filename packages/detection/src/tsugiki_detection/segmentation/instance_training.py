"""Training of instance segmenters: by gradient steps, then the score to ask for, measured on rows held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob

if TYPE_CHECKING:
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
        for field, value in job.task.settings(model, job.validation).items():
            setattr(model.config, field, value)
    return found
