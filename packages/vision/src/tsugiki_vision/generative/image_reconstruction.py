"""The task of image reconstruction: reduce a picture to a code and bring it back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.metrics import Metric, mean_metric
from tsugiki.predictions import Predictions
from tsugiki.task import Picture
from tsugiki.tensor_table import TensorTable

from .unlabelled_pictures import UnlabelledPictures


class ImageReconstruction(UnlabelledPictures):
    """Bring pictures back from their codes.

    Scored by `squared_error`: summed over the pixels of a picture, which go from 0 to 1, and averaged over the
    pictures, as in Hinton and Salakhutdinov 2006. The only role is `image`.
    """

    name: ClassVar[str] = "image-reconstruction"
    main_metric: ClassVar[str] = "squared_error"
    pipeline_tag: ClassVar[str | None] = "image-feature-extraction"
    score_name: ClassVar[str] = "squared_error"

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The reconstructions (B, C, H, W), from 0 to 1."""
        return model(pixel_values=batch["pixel_values"]).reconstruction

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """The squared error of each picture (N,)."""
        differences = predictions.outputs - predictions.labels.astype(np.float32) / 255  # (N, C, H, W)
        return np.square(differences).reshape(len(differences), -1).sum(axis=1, dtype=np.float64)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`squared_error`, with its bootstrap 95 % interval; less is better."""
        return {"squared_error": mean_metric(self.row_scores(predictions), seed=seed)}

    def score(self, model: Any, pixel_values: Tensor) -> NDArray[Any]:
        """The squared error of single pictures (N, C, H, W) from 0 to 1, (N,)."""
        reconstruction = model(pixel_values=pixel_values).reconstruction
        return (reconstruction - pixel_values).float().square().flatten(1).sum(1).cpu().numpy()

    def figures(self, predictions: Predictions, table: TensorTable, folder: Path) -> list[Picture]:
        """Draw pictures above their reconstructions: the first ones, and those that came back worst."""
        from .reconstruction_pictures import draw_reconstructions

        return [draw_reconstructions(predictions, self.row_scores(predictions), folder)]
