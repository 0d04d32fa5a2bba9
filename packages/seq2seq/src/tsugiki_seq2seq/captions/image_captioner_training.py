"""Training of captioners: the decoder learns on what the frozen encoder saw of every picture."""

from __future__ import annotations

from dataclasses import replace

from tsugiki.snapshots.backbones import load_backbone
from tsugiki.training.fit import fit
from tsugiki.training.job import FitResult, TrainingJob

from .caption_pairs import pair_table
from .image_captioner import ImageCaptionerForConditionalGeneration


def train_captioner(model: ImageCaptionerForConditionalGeneration, job: TrainingJob) -> FitResult:
    """Train the decoder of a captioner. A model with fresh weights is given those of its config's `encoder` first.

    Args:
        model: The captioner; changed in place.
        job: Its rows are pictures with their captions; their augmentation may be a flip.

    Raises:
        OptionError: An option is refused, or the augmentation is more than a flip.
    """
    if model.config.encoder is not None and not model.config._name_or_path:
        load_backbone(model.encoder.backbone, model.config.encoder)
    validation = None if job.validation is None else pair_table(model, job.validation)
    return fit(model, replace(job, train=pair_table(model, job.train), validation=validation))
