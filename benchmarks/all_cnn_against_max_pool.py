"""All-CNN against its max-pool twin on CIFAR-10: is a convolution with stride 2 better than pooling?

    python benchmarks/all_cnn_against_max_pool.py [--seeds 3] [--epochs 20] [--width 0.25] [--rows 50000]
        [--twin conv_pool] [--folder runs/all_cnn_against_max_pool]

Springenberg et al. 2014 (table 3) compare All-CNN with ConvPool-CNN (`conv_pool`: as many layers and parameters) and
with the base network (`max_pool`: fewer). Both sides get the same pictures, order, augmentation and schedule, and
All-CNN and ConvPool-CNN the same first weights. The last epoch is measured on the test split; nothing is chosen on it.
Every finished run leaves a file in the folder, and an unfinished one its checkpoint, so that a stopped comparison goes
on.

Printed are the accuracies, the difference of every pair of runs, and the mean difference with a 95 % interval from a
bootstrap over seeds and test rows together (the answers of a pair to a row stay together).
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import set_seed
from tsugiki.augmentation import Augmentation
from tsugiki.data.load_data import load_split
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.metrics import bootstrap_interval, share_metric
from tsugiki.output import write_json
from tsugiki.picture_processing import ColorImageProcessor
from tsugiki.snapshots.loading import create_model
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob

ALL_CNN = "all_conv"
MEAN, DEVIATION = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]
AUGMENTATION = Augmentation(flip=True, pad_crop=4)


def tables(rows: int) -> tuple[TensorTable, TensorTable]:
    """So many training pictures, drawn at random, and all test pictures."""
    task, processor = task_named("image-classification"), ColorImageProcessor(image_mean=MEAN, image_std=DEVIATION)
    train, test = (task.table(load_split("uoft-cs/cifar10", split), processor) for split in ("train", "test"))
    drawn = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:rows]
    return train.select(drawn.sort().values), test


def training_options(options: argparse.Namespace) -> dict[str, Any]:
    """The schedule of the recipe `allcnn-c-cifar10`, over another number of epochs."""
    return {
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": options.rows_a_step,
        "learning_rate": options.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,
        "optim": "sgd",
        "optim_args": "momentum=0.9",
        "weight_decay": 1e-3,
        "bf16": not options.fp32,
        "channels_last": True,
        "save_strategy": "epoch",
        "save_total_limit": 1,
    }


def right_answers(
    options: argparse.Namespace, reduction: str, seed: int, train: TensorTable, test: TensorTable
) -> NDArray[np.bool_]:
    """Which test rows one run answers right (N,): trained now, or read from its file."""
    config = {
        "model": options.model,
        "reduction": reduction,
        "width_multiplier": options.width,
        "normalization": options.normalization,
    }
    training = training_options(options)
    settings = {"config": config, "training": training, "rows": len(train), "seed": seed}
    name = f"{options.model}-{reduction}-seed{seed}"
    file = options.folder / f"{name}.json"
    if file.exists():
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["settings"] != settings:
            raise SystemExit(f"{file} is a run with other settings; name another --folder, or remove it")
    else:
        options.folder.mkdir(parents=True, exist_ok=True)
        set_seed(seed)
        network = create_model("all-cnn", "image-classification", num_labels=10, **config)
        result = fit(
            network,
            TrainingJob(
                train.with_augmentation(AUGMENTATION, seed=seed),
                options.folder / name,
                {**training, "seed": seed},
                title=name,
            ),
        )
        predictions = predict_table(network.to("cpu"), test)
        answers = predictions.outputs.argmax(1) == predictions.labels
        record = {
            "settings": settings,
            "accuracy": float(answers.mean()),
            "seconds": round(result.seconds, 1),
            "parameters": network.num_parameters(),
            "history": result.history,
            "right": "".join("01"[int(answer)] for answer in answers),
        }
        write_json(file, record)
        shutil.rmtree(options.folder / name, ignore_errors=True)
    answers = np.array([letter == "1" for letter in record["right"]])
    metric = share_metric(answers)
    print(
        f"{name}: {100 * metric.value:.2f} % [{100 * metric.low:.2f}, {100 * metric.high:.2f}], "
        f"{record['parameters']:,} parameters, {record['seconds']:.0f} s",
        flush=True,
    )
    return answers


def main() -> None:
    """Train what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=20)
    parser.add_argument("--width", type=float, default=0.25, help="of all channels; 1 in the paper")
    parser.add_argument("--rows", type=int, default=50_000, help="training pictures")
    parser.add_argument("--model", choices=["A", "B", "C"], default="C")
    parser.add_argument("--twin", choices=["conv_pool", "max_pool", "stride"], default="conv_pool")
    parser.add_argument("--normalization", choices=["none", "batch"], default="none", help="none in the paper")
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--rows-a-step", type=int, default=128)
    parser.add_argument("--fp32", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("runs/all_cnn_against_max_pool"))
    options = parser.parse_args()
    train, test = tables(options.rows)
    pairs = []
    for seed in range(options.seeds):
        ours, twins = (right_answers(options, form, seed, train, test) for form in (ALL_CNN, options.twin))
        pairs.append(ours.astype(np.float64) - twins)
        print(f"seed {seed}: All-CNN is {100 * pairs[-1].mean():+.2f} points from {options.twin}", flush=True)
    differences = np.stack(pairs)  # (seeds, rows)
    generator = np.random.default_rng(1)

    def redrawn(rows: NDArray[np.int64]) -> float:
        seeds = generator.integers(0, len(differences), len(differences))
        return float(differences[np.ix_(seeds, rows)].mean())

    low, high = bootstrap_interval(differences.shape[1], redrawn)
    print(
        f"All-CNN-{options.model} against {options.twin}, {options.seeds} seeds: "
        f"{100 * differences.mean():+.2f} points, 95 % interval [{100 * low:+.2f}, {100 * high:+.2f}]"
    )


if __name__ == "__main__":
    main()
