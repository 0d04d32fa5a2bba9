"""What normalisation does with small batches: one network, five normalisations, batches of 2, 8 and 64.

    python benchmarks/normalization_small_batches.py [--rows 4000] [--width 0.25] [--seeds 1]

All-CNN-C, narrowed and without dropout, learns from the same rows of CIFAR-10 in one pass, with a learning rate in
proportion to the batch (Goyal et al. 2017) so that small batches take as long a way in all. Printed is the accuracy on
test rows. Batch normalisation measures mean and variance on the batch: of two pictures they are noise in training, and
in evaluation other numbers take their place. The others look at one picture at a time and do not know the batch (Wu and
He 2018, figure 1).
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from statistics import mean

import torch
from tsugiki.data.load_data import load_split
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.picture_processing import ColorImageProcessor
from tsugiki.snapshots.loading import create_model
from tsugiki.tasks.image_classification import ImageClassification
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob

NORMALIZATIONS = ("batch", "layer", "instance", "group", "none")
BATCH_SIZES = (2, 8, 64)
LEARNING_RATE = 0.05  # of batches of 64
TEST_ROWS = 2000


def table(split: str, rows: int) -> TensorTable:
    """The first rows of a split; CIFAR-10's are in random order."""
    data = load_split("uoft-cs/cifar10", split)
    data = data.select(range(min(rows, len(data))))
    task, processor = ImageClassification(), ColorImageProcessor()
    columns = task.columns(data, {"label": "label"})
    return task.table(data, processor, columns, label_names=data.features["label"].names)


def accuracy(
    normalization: str, batch_size: int, train: TensorTable, test: TensorTable, width: float, seed: int
) -> float:
    """Train once and measure."""
    torch.manual_seed(seed)
    model = create_model(
        "all-cnn",
        "image-classification",
        num_labels=10,
        width_multiplier=width,
        normalization=normalization,
        input_dropout=0.0,
        dropout=0.0,
    )
    arguments = {
        "num_train_epochs": 1,
        "per_device_train_batch_size": batch_size,
        "learning_rate": LEARNING_RATE * batch_size / BATCH_SIZES[-1],
        "lr_scheduler_type": "cosine",
        "optim": "sgd",
        "optim_args": "momentum=0.9",
        "max_grad_norm": 1.0,  # without normalisation some starts would run away
        "seed": seed,
    }
    with tempfile.TemporaryDirectory() as folder:
        fit(model, TrainingJob(train, folder, arguments, progress=False))
    task = ImageClassification()
    return task.metrics(predict_table(model, test, task=task))["accuracy"].value


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000, help="training rows, seen once")
    parser.add_argument("--width", type=float, default=0.25, help="of the network's channels")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    train, test = table("train", options.rows), table("test", TEST_ROWS)
    print(f"accuracy in % on {len(test):,} test rows after one pass over {len(train):,}, mean of {options.seeds} seeds")
    print("normalisation  " + "  ".join(f"batch {size:3}" for size in BATCH_SIZES), flush=True)
    for normalization in NORMALIZATIONS:
        figures = [
            mean(accuracy(normalization, size, train, test, options.width, seed) for seed in range(options.seeds))
            for size in BATCH_SIZES
        ]
        print(f"{normalization:13}  " + "  ".join(f"{100 * figure:9.1f}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
