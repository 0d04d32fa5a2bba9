"""Trainings by all that the toy's `squares` bring, in this process, on two, or in one that is killed."""

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
from tsugiki_toy.squares import Mosaic, PlainCodes

from . import training_script
from .training_script import SIDE

IDENTITIES, BATCH, EPOCHS = 6, 16, 2


class Kill(TrainerCallback):
    """Ends the process in the middle of an epoch, between two checkpoints."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 22:
            os.kill(os.getpid(), signal.SIGKILL)


def train(folder: Path, *callbacks: TrainerCallback) -> dict[str, Any]:
    """Train codes of identities: people x pictures, codes of all processes, mosaics, averaged weights."""
    table = training_script.stripes()
    table.columns["labels"] = torch.arange(len(table)) % IDENTITIES
    torch.manual_seed(0)
    config = PlainCodes.config_class(image_size=SIDE, conv_channels=[4, 6], hidden_sizes=[16, 8], num_labels=IDENTITIES)
    model = PlainCodes(config)
    arguments = {
        "num_train_epochs": EPOCHS,
        "per_device_train_batch_size": BATCH,
        "learning_rate": 0.005,
        "optim": "sgd",
        "optim_args": "momentum=0.9",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": 4,
        "save_total_limit": 2,
        "rows_per_class": 4,
        "ema_decay": 0.9,
        "seed": 3,
    }
    augmented = table.with_augmentation(Mosaic(flip=True, whole=0.5), seed=1)
    job = TrainingJob(augmented, folder / "run", arguments, progress=False)
    result = fit(model, job, callbacks=callbacks)
    record = {"processes": result.processes, "losses": [entry["loss"] for entry in result.history if "loss" in entry]}
    if is_main_process():
        save_file(model.state_dict(), folder / "weights.safetensors")
        (folder / "result.json").write_text(json.dumps(record))
    return record


def train_and_be_killed(folder: Path) -> None:
    """The job that SIGKILL ends."""
    train(folder, Kill())
