"""Trains a stylizer on photographs, without targets: a VGG judges what it paints (Johnson et al. 2016, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, number

from .style_judge import StyleJudge, judge_of
from .stylizer import StylizerModel
from .total_variation import total_variation_of


@dataclass(frozen=True)
class StylizerOptions(TrainerOptions):
    """How much the parts of the loss weigh.

    Attributes:
        alpha: Of the content.
        beta: Of the style.
        total_variation: Of the smoothness.
    """

    alpha: float = number(1.0, least=0)
    beta: float = number(10.0, least=0)
    total_variation: float = number(1.0, least=0)


class JudgedStylizer(nn.Module):
    """A stylizer whose loss is what the judge thinks of its pictures."""

    def __init__(self, stylizer: StylizerModel, judge: StyleJudge, weights: StylizerOptions) -> None:
        super().__init__()
        self.stylizer = stylizer
        self.config = stylizer.config
        self.judge = judge  # no submodule: it is frozen, and in no checkpoint
        self.weights = weights

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """The mean loss over photographs `(N, 3, H, W)`, from -1 to 1."""
        judge = self.judge.to(pixel_values.device)
        painted = self.stylizer(pixel_values).reconstruction.float()
        style, content = judge.losses(painted, (pixel_values + 1) / 2)
        smoothness = total_variation_of(painted) / painted[0].numel()
        losses = self.weights.alpha * content + self.weights.beta * style
        return {"loss": (losses + self.weights.total_variation * smoothness).mean()}


def train_stylizer(model: StylizerModel, job: TrainingJob) -> FitResult:
    """Train a stylizer in place, for the painting and with the VGG that its config names.

    Args:
        model: The stylizer.
        job: Its rows are photographs; its arguments are those of `fit` and of `StylizerOptions`. Without labels the
            validation's figure is the loss, whatever the task.

    Raises:
        OptionError: A weight is no number of at least 0, or an option is unknown.
        DataError: The painting is missing.
        TsugikiError: The VGG is missing.
    """
    options, job = job.split_options(StylizerOptions)
    judged: Any = JudgedStylizer(model, judge_of(model.config), options)
    arguments = job.arguments if job.validation is None else {"prediction_loss_only": True, **job.arguments}
    result = fit(judged, replace(job, arguments=arguments, task=None))
    model.eval()
    return result
