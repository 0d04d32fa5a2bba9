"""A small training of a detector with mosaics and averaged weights, on one process or two, or in one that is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import TrainerCallback
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki.training.processes import is_main_process
from tsugiki_detection.detectors.box_augmentation import BoxAugmentation
from tsugiki_detection.detectors.letterbox_processor import LetterboxImageProcessor
from tsugiki_detection.detectors.object_detection import ObjectDetection
from tsugiki_detection.detectors.yolo import YOLOConfig, YOLOForObjectDetection

from .detection_data import pictures

ARGUMENTS: dict[str, Any] = {
    "num_train_epochs": 2,
    "per_device_train_batch_size": 4,
    "learning_rate": 0.003,
    "logging_strategy": "steps",
    "logging_steps": 1,
    "save_strategy": "steps",
    "save_steps": 3,
    "save_total_limit": 2,
    "ema_decay": 0.9,
    "seed": 3,
    "use_cpu": True,
}
AUGMENTATION = BoxAugmentation(flip=True, zoom=0.2, translate=0.1, brightness=0.2, mosaic=0.5)
FIELDS = {"image_size": (64, 64), "widths": (4, 8, 8, 16), "depths": (0, 1, 0, 1), "neck_size": 8, "num_labels": 2}


class Kill(TrainerCallback):
    """Ends the process between two checkpoints."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 5:
            os.kill(os.getpid(), signal.SIGKILL)


def train(folder: Path, *callbacks: TrainerCallback, normalization: str = "batch") -> None:
    """Train, and leave weights and losses."""
    table = ObjectDetection().table(pictures(16), LetterboxImageProcessor(size={"height": 64, "width": 64}))
    torch.manual_seed(0)
    model = YOLOForObjectDetection(YOLOConfig(**FIELDS, normalization=normalization))
    augmented = table.with_augmentation(AUGMENTATION, seed=1)
    result = fit(model, TrainingJob(augmented, folder / "run", ARGUMENTS, progress=False), callbacks=callbacks)
    if is_main_process():
        save_file(model.state_dict(), folder / "weights.safetensors")
        losses = [entry["loss"] for entry in result.history if "loss" in entry]
        (folder / "result.json").write_text(json.dumps({"processes": result.processes, "losses": losses}))


def train_and_be_killed(folder: Path) -> None:
    """Train and be killed."""
    train(folder, Kill())


def train_by_groups(folder: Path) -> None:
    """Train with normalisation by groups of channels, which no other picture of the batch changes."""
    train(folder, normalization="group")
