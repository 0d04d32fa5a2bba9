"""A small training, in this process, on two, or in one that is killed."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tsugiki.augmentation import Augmentation
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.images import Normalize
from tsugiki.snapshots.loading import create_model
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki.training.processes import is_main_process

ROWS, SIDE = 240, 16
EPOCHS, BATCH = 3, 16
STEPS = EPOCHS * ROWS // BATCH


def stripes() -> TensorTable:
    """Pictures of two classes: horizontal and vertical stripes under noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(ROWS) % 2
    wave = 80 * torch.sin(torch.arange(SIDE) * 1.5)
    pictures = torch.where(labels.view(-1, 1, 1).bool(), wave.view(1, SIDE, 1), wave.view(1, 1, SIDE)) + 128
    pictures = pictures + 40 * torch.randn(ROWS, SIDE, SIDE, generator=generator)
    pixels = pictures.clamp(0, 255).to(torch.uint8)[:, None]
    return TensorTable({"pixel_values": pixels, "labels": labels}, transform=Normalize((0.5,), (0.25,)))


def network(name: str) -> Any:
    """Both small; `normed` has batch normalisation."""
    torch.manual_seed(0)
    if name == "plain":
        return create_model(
            "plain", "image-classification", image_size=SIDE, conv_channels=[4, 6], hidden_sizes=[16, 8], num_labels=2
        )
    return create_model("normed", "image-classification", num_channels=1, stage_channels=[4, 8, 8], num_labels=2)


def train_plain(folder: Path) -> None:
    """The job of two processes without batch normalisation."""
    train(folder, "plain")


def train_normed(folder: Path) -> None:
    """The job of two processes with batch normalisation."""
    train(folder, "normed")


def train_normed_and_be_killed(folder: Path) -> None:
    """The job that SIGKILL ends in the middle of a random step, after the first checkpoint and before the last."""
    kill_at = random.randint(6, STEPS - 2)
    (folder / "killed_at").write_text(str(kill_at))
    train(folder, "normed", kill_at=kill_at)


def train(folder: Path, name: str, *, kill_at: int | None = None) -> dict[str, Any]:
    """Train a network, and write ``result.json`` (losses, processes, accuracy) and ``weights.safetensors``.

    Args:
        folder: Where they and the checkpoints go.
        name: As `network` takes it.
        kill_at: In the middle of this step the process ends itself with SIGKILL.

    Returns:
        What is in ``result.json``.
    """
    table = stripes()
    augmented = table.with_augmentation(Augmentation(pad_crop=2), seed=1) if name == "normed" else table
    if kill_at is not None:
        transform, steps = table.transform, [0]

        def counting(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            steps[0] += 1
            if steps[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            assert transform is not None
            return transform(batch)

        augmented.transform = counting
    model = network(name)
    result = fit(
        model,
        TrainingJob(
            augmented,
            folder / "run",
            {
                "num_train_epochs": EPOCHS,
                "per_device_train_batch_size": BATCH,
                "learning_rate": 0.01,
                "optim": "sgd",
                "optim_args": "momentum=0.9",
                "lr_scheduler_type": "cosine",
                "logging_strategy": "steps",
                "logging_steps": 1,
                "save_strategy": "steps",
                "save_steps": 4,
                "save_total_limit": 2,
                "seed": 3,
            },
            progress=False,
        ),
    )
    correct = task_named("image-classification").correct(predict_table(model, table))
    record = {
        "processes": result.processes,
        "steps": result.steps,
        "losses": [entry["loss"] for entry in result.history if "loss" in entry],
        "correct": int(correct.sum()),
    }
    if is_main_process():
        save_file(model.state_dict(), folder / "weights.safetensors")
        (folder / "result.json").write_text(json.dumps(record))
    return record
