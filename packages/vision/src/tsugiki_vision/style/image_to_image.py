"""The task of painting: from a photograph to the same in the style of one painting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.columns import PICTURE_COLUMN, Role
from tsugiki.errors import OptionError
from tsugiki.images import Normalize, decode_image_column
from tsugiki.inputs import PICTURES, InputKind
from tsugiki.metrics import Metric, mean_metric, score_metric
from tsugiki.predictions import Predictions
from tsugiki.task import Picture, Task
from tsugiki.tensor_table import TensorTable

if TYPE_CHECKING:
    from datasets import Dataset

STYLE, CONTENT, STYLE_BEFORE = range(3)  # columns of what evaluation keeps; the painted picture's pixels follow
LOSSES = 3
PICTURES_FILE = "painted.png"
SHOWN = 6


class ImageToImage(Task):
    """Paint photographs in the style that a model was trained for; scored by what the model's VGG sees in the result.

    `style_loss_ratio` is the style loss of the painted pictures over that of the photographs they were made of, and
    `content_loss` how far they are from these; both are explained in `tsugiki_vision.style.style_losses`. There are no
    labels, and the only column has the role `image`.
    """

    name: ClassVar[str] = "image-to-image"
    inputs: ClassVar[InputKind] = PICTURES
    roles: ClassVar[Mapping[str, Role]] = {"image": Role(PICTURE_COLUMN)}
    main_metric: ClassVar[str] = "style_loss_ratio"
    greater_is_better: ClassVar[bool] = False

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Decode every picture once.

        Returns:
            `pixel_values` uint8 (N, 3, H, W), normalised batch by batch.

        Raises:
            DataError: A picture does not decode.
        """
        column = columns["image"]
        pixels = decode_image_column(dataset, column, processor)
        return TensorTable({"pixel_values": pixels}, transform=Normalize.from_processor(processor))

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The losses of each row and then the painted picture, (B, 3 + 3 * H * W).

        The losses are the style and content loss of what was painted and the style loss of the photograph.
        """
        from .style_judge import judge_of

        photographs = (batch["pixel_values"].float() + 1) / 2
        judge = judge_of(model.config).to(photographs.device)
        painted = model(pixel_values=batch["pixel_values"]).reconstruction.float()
        style, content = judge.losses(painted, photographs)
        return torch.cat([torch.stack([style, content, judge.style_of(photographs)], 1), painted.flatten(1)], 1)

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """The style and content loss of each row, added up (N,)."""
        return predictions.outputs[:, [STYLE, CONTENT]].astype(np.float64).sum(axis=1)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`style_loss_ratio` and `content_loss`, the means over the rows, with bootstrap 95 % intervals."""
        losses = predictions.outputs[:, :LOSSES].astype(np.float64)

        def ratio(rows: NDArray[np.int64]) -> float:
            return float(losses[rows, STYLE].mean() / losses[rows, STYLE_BEFORE].mean())

        return {
            "style_loss_ratio": score_metric(ratio, len(losses), seed=seed),
            "content_loss": mean_metric(losses[:, CONTENT], seed=seed),
        }

    def figures(self, predictions: Predictions, table: TensorTable, folder: Path) -> list[Picture]:
        """Draw the first photographs, and below each what became of it."""
        from PIL import Image

        photographs = table.columns["pixel_values"][:SHOWN].cpu().numpy()  # (n, 3, H, W)
        painted = predictions.outputs[:SHOWN, LOSSES:].reshape(photographs.shape)
        rows = [photographs, (painted.clip(0, 1) * 255).round().astype(np.uint8)]
        grid = np.concatenate([np.concatenate(list(row), axis=2) for row in rows], axis=1)  # (3, 2 H, n W)
        Image.fromarray(grid.transpose(1, 2, 0)).save(folder / PICTURES_FILE, optimize=True)
        return [Picture(PICTURES_FILE, "Photographs of the evaluation data, and below each what the network paints.")]

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Refused: the answer is a picture and not a label.

        Raises:
            OptionError: Always; says which command paints.
        """
        raise OptionError("this model paints pictures and has no labels: `tsugiki stylize PICTURE --model NAME`")
