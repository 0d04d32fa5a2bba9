"""A small recipe on striped pictures, and its training on two processes or in one that is killed."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets
import yaml
from PIL import Image
from transformers import TrainerCallback
from tsugiki import cli
from tsugiki.fingerprint import content_fingerprint
from tsugiki.recipes import train_recipe
from tsugiki.training.fit import fit
from tsugiki.training.processes import is_main_process, wait_for_all
from tsugiki_toy import squares

from . import training_script

PROSE = """Tells lying from standing stripes.

## Intended use

Tests.

## Limits

Stripes only.
"""


def striped(rows: range) -> datasets.Dataset:
    table = training_script.stripes()
    features = datasets.Features({"photo": datasets.Image(), "label": datasets.ClassLabel(names=["lying", "standing"])})
    pictures = [Image.fromarray(table.columns["pixel_values"][row, 0].numpy()) for row in rows]
    labels = [int(table.labels[row]) for row in rows]
    return datasets.Dataset.from_dict({"photo": pictures, "label": labels}, features=features)


def write_recipe(folder: Path) -> Path:
    """Write the recipe and, in ``mirror``, its data; returns the recipe's folder."""
    data = folder / "mirror" / "org" / "stripes" / "data"
    data.mkdir(parents=True)
    fingerprints = {}
    for split, rows in (("train", range(160)), ("test", range(160, 240))):
        part = striped(rows)
        part.to_parquet(data / f"{split}-00000-of-00001.parquet")
        fingerprints[split] = content_fingerprint(part)
    folder = folder / "stripes-mlp"
    folder.mkdir()
    recipe = {
        "name": "stripes-mlp",
        "plugin": "toy",
        "family": "flat",
        "task": "image-classification",
        "license": "apache-2.0",
        "config": {"image_size": 16, "hidden_sizes": [8]},
        "processor": {"size": {"height": 16, "width": 16}, "image_mean": [0.5], "image_std": [0.25]},
        "data": {
            "id": "org/stripes",
            "train": "train",
            "evaluation": "test",
            "license": "apache-2.0",
            "source": "a loom",
            "fingerprints": fingerprints,
        },
        "augmentation": {"pad_crop": 1},
        "training": {"num_train_epochs": 4, "per_device_train_batch_size": 32, "learning_rate": 0.01},
        "seeds": [0, 1],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "card.md").write_text(PROSE)
    return folder


def write_method_recipe(folder: Path) -> Path:
    """Write the recipe with the toy's `distil` in the place of `fit`, for one seed; returns the recipe's folder."""
    folder = write_recipe(folder)
    fields = yaml.safe_load((folder / "recipe.yaml").read_text())
    fields |= {"method": "toy:distil", "augmentation": {"kind": "mosaic", "whole": 0.5}, "seeds": [0]}
    fields["training"] |= {"num_train_epochs": 2, "share": 0.7}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(fields))
    return folder


def distil(folder: Path) -> None:
    """``tsugiki train`` of that recipe into ``out``, on as many processes as there are; it continues a killed one."""
    if is_main_process() and not (folder / "stripes-mlp").exists():
        write_method_recipe(folder)
    wait_for_all()
    with patch.dict(os.environ, {"TSUGIKI_DATASETS": str(folder / "mirror")}):
        assert cli.main(["train", str(folder / "stripes-mlp"), "--output-dir", str(folder / "out")]) == 0


class KillStudent(TrainerCallback):
    """Ends the process in the second epoch of the second of two trainings, of ten steps each."""

    begun = 0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.begun += 1
        if self.begun == 17:
            os.kill(os.getpid(), signal.SIGKILL)


def distil_and_be_killed(folder: Path) -> None:
    """The job that SIGKILL ends: `distil`, while the student learns from a teacher that is done."""
    squares.fit = partial(fit, callbacks=[KillStudent()])
    distil(folder)


def train_by_two(folder: Path) -> None:
    """The job of two processes: ``tsugiki train`` of the recipe with one seed, into ``out``."""
    if is_main_process():
        write_recipe(folder)
    wait_for_all()
    words = ["train", str(folder / "stripes-mlp"), "--output-dir", str(folder / "out"), "--seeds", "0"]
    with patch.dict(os.environ, {"TSUGIKI_DATASETS": str(folder / "mirror")}):
        assert cli.main(words) == 0


class Kill(TrainerCallback):
    """Ends the process inside the third epoch."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 13:
            os.kill(os.getpid(), signal.SIGKILL)


def train_and_be_killed(folder: Path) -> None:
    """The job that SIGKILL ends: the training of the recipe with one seed, into ``out``."""
    write_recipe(folder)
    os.environ["TSUGIKI_DATASETS"] = str(folder / "mirror")
    train_recipe.fit = partial(fit, callbacks=[Kill()])
    train_recipe.train(folder / "stripes-mlp", output_dir=folder / "out", seeds=[0], progress=False)
