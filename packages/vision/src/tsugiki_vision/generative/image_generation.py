"""The task of image generation without a condition: how likely a model finds pictures that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.metrics import Metric, mean_metric
from tsugiki.predictions import Predictions
from tsugiki.task import Picture

from .unlabelled_pictures import UnlabelledPictures

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SAMPLES = 64
SAMPLES_FILE = "samples.png"


class UnconditionalImageGeneration(UnlabelledPictures):
    """Give pictures a probability, and draw new ones.

    Scored by `negative_log_likelihood`, in nats for a whole picture, and `bits_per_dimension`, the same in bits for one
    pixel of one channel; less is better. Both are of pictures rounded to the levels that the model gives probabilities
    to, as its config's `levels` and `rounding` say: for MNIST in black and white each pixel is white with the
    probability of its gray value, drawn once as a function of the picture. What a model gives is exact, or, for a
    variational autoencoder, an upper bound. The only role is `image`.
    """

    name: ClassVar[str] = "unconditional-image-generation"
    main_metric: ClassVar[str] = "bits_per_dimension"
    score_name: ClassVar[str] = "negative_log_likelihood"

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Negative log-likelihood of each picture in nats (B,)."""
        return model(pixel_values=batch["pixel_values"]).negative_log_likelihood

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """Negative log-likelihood of each picture in nats (N,)."""
        return predictions.outputs.astype(np.float64)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`bits_per_dimension` and `negative_log_likelihood`, with bootstrap 95 % intervals."""
        nats = self.row_scores(predictions)
        dimensions = math.prod(predictions.labels.shape[1:])
        return {
            "bits_per_dimension": mean_metric(nats / (dimensions * math.log(2)), seed=seed),
            "negative_log_likelihood": mean_metric(nats, seed=seed),
        }

    def score(self, model: Any, pixel_values: Tensor) -> NDArray[Any]:
        """Negative log-likelihood in nats of single pictures (N, C, H, W) from 0 to 1, (N,)."""
        return model(pixel_values=pixel_values).negative_log_likelihood.float().cpu().numpy()

    def model_figures(self, model: PreTrainedModel, folder: Path) -> list[Picture]:
        """Draw samples of the model, of seed 0, without choosing among them."""
        import torch

        from ..pictures.picture_grid import picture_grid
        from ..pictures.png_files import write_png

        samples = model.sample(SAMPLES, torch.Generator().manual_seed(0))  # type: ignore[operator]
        caption = f"The first {len(samples)} pictures that the model draws with seed 0."
        write_png(folder / SAMPLES_FILE, picture_grid(samples), {"Description": caption}, overwrite=True)
        return [Picture(SAMPLES_FILE, caption)]
