"""Training of landmark networks: the number of points from the data, a backbone that begins as trained."""

from __future__ import annotations

from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob

from ..networks.feature_maps import begin_from_backbone
from .landmark_network import LandmarkForKeypointDetection


def train_landmarks(model: LandmarkForKeypointDetection, job: TrainingJob) -> FitResult:
    """Train a landmark network; one with fresh weights begins with those of its config's `backbone`.

    Args:
        model: Changed in place.
        job: Its rows are pictures with points.

    Raises:
        OptionError: An option is refused, or the backbone is of another network.
    """
    begin_from_backbone(model)
    return fit(model, job)
