"""Trains a stylizer on photographs, without targets: a VGG judges what it paints (Johnson et al. 2016, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from tsugiki.errors import OptionError
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import FitResult, fit

from .style_judge import StyleJudge, judge_of
from .stylizer import StylizerModel
from .total_variation import total_variation_of

WEIGHTS = {"alpha": 1.0, "beta": 10.0, "total_variation": 1.0}  # of content, style and smoothness


class JudgedStylizer(nn.Module):
    """A stylizer whose loss is what the judge thinks of its pictures."""

    def __init__(self, stylizer: StylizerModel, judge: StyleJudge, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.stylizer = stylizer
        self.config = stylizer.config
        self.judge = judge  # no submodule: it is frozen, and in no checkpoint
        self.weights = dict(weights)

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """The mean loss over photographs `(N, 3, H, W)`, from -1 to 1."""
        judge = self.judge.to(pixel_values.device)
        painted = self.stylizer(pixel_values).reconstruction.float()
        style, content = judge.losses(painted, (pixel_values + 1) / 2)
        smoothness = total_variation_of(painted) / painted[0].numel()
        losses = self.weights["alpha"] * content + self.weights["beta"] * style
        return {"loss": (losses + self.weights["total_variation"] * smoothness).mean()}


def train_stylizer(
    model: StylizerModel,
    train: TensorTable,
    *,
    output_dir: str | Path,
    arguments: Mapping[str, Any],
    validation: TensorTable | None = None,
    task: Task | None = None,
    progress: bool = True,
    title: str = "training",
) -> FitResult:
    """Train a stylizer in place, for the painting and with the VGG that its config names.

    Args:
        model: The stylizer.
        train: Photographs, augmented if the table says so.
        output_dir: Folder of the run, for checkpoints.
        arguments: Fields of `TrainingArguments`, and `alpha`, `beta` and `total_variation`, the weights of the content,
            style and smoothness of what is painted.
        validation: Photographs on which the loss is measured after each epoch.
        task: Of no use here: without labels the loss is the validation's figure.
        progress: Show a progress bar.
        title: What the bar calls the run.

    Raises:
        OptionError: A weight is no number of at least 0, or an option is unknown.
        DataError: The painting is missing.
        TsugikiError: The VGG is missing.
    """
    options = dict(arguments)
    weights = {name: options.pop(name, default) for name, default in WEIGHTS.items()}
    for name, value in weights.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise OptionError(f"training option {name} must be a number of at least 0, not {value!r}")
    judged: Any = JudgedStylizer(model, judge_of(model.config), weights)
    if validation is not None:
        options.setdefault("prediction_loss_only", True)
    result = fit(
        judged,
        train,
        output_dir=output_dir,
        arguments=options,
        validation=validation,
        progress=progress,
        title=title,
    )
    model.eval()
    return result
