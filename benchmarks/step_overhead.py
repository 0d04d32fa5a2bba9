"""Training through tsugiki's `fit` against a hand-written PyTorch loop over the same tensors.

    python benchmarks/step_overhead.py [--rounds 5]

Both sides take the same rows in batches of the same size, normalise them, and step the same optimizer on the same
network. Whole runs are timed, the Trainer's start-up inside `train` included; rounds alternate, and the median of their
ratios is printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

import torch
from torch import nn
from tsugiki.images import Normalize
from tsugiki.snapshots.loading import create_model
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob

CASES = [  # name, family, config, picture (C, H, W), batch size, steps
    ("LeNet, batch 128", "lenet", {"image_size": 28, "padding": 2}, (1, 28, 28), 128, 150),
    ("LeNet, batch 1,024", "lenet", {"image_size": 28, "padding": 2}, (1, 28, 28), 1024, 30),
    ("ResNet-20, batch 128", "cifar-resnet", {"depth": 20}, (3, 32, 32), 128, 12),
]


def by_hand(model: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, batch_size: int, steps: int) -> float:
    """A plain loop: shuffle, index, normalise, forward, backward, step."""
    channels = pixels.shape[1]
    mean, std = torch.full((channels, 1, 1), 0.5), torch.full((channels, 1, 1), 0.25)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    model.train()
    started = time.perf_counter()
    order = torch.randperm(len(pixels))
    for step in range(steps):
        rows = order[step * batch_size : (step + 1) * batch_size]
        inputs = (pixels[rows].float() / 255 - mean) / std
        loss = nn.functional.cross_entropy(model(pixel_values=inputs).logits, labels[rows])
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return time.perf_counter() - started


def through_fit(model: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, batch_size: int) -> float:
    """The project's path."""
    channels = pixels.shape[1]
    table = TensorTable(
        {"pixel_values": pixels, "labels": labels}, transform=Normalize((0.5,) * channels, (0.25,) * channels)
    )
    arguments = {
        "num_train_epochs": 1,
        "per_device_train_batch_size": batch_size,
        "learning_rate": 1e-3,
        "lr_scheduler_type": "linear",
        "optim": "adamw_torch_fused",
    }
    with tempfile.TemporaryDirectory() as folder:
        return fit(model, TrainingJob(table, folder, arguments, progress=False)).seconds  # type: ignore[arg-type]


def main() -> None:
    """Print the ratio of each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}; median of {rounds} rounds")
    for name, family, config, shape, batch_size, steps in CASES:
        rows = batch_size * steps
        pixels = torch.randint(0, 256, (rows, *shape), dtype=torch.uint8)
        labels = torch.randint(0, 10, (rows,))

        def model(family: str = family, config: dict = config) -> nn.Module:
            return create_model(family, "image-classification", num_labels=10, **config)

        by_hand(model(), pixels, labels, batch_size, 3)  # warm up
        hand, ours = [], []
        for _ in range(rounds):
            hand.append(by_hand(model(), pixels, labels, batch_size, steps))
            ours.append(through_fit(model(), pixels, labels, batch_size))
        ratio = statistics.median(a / b for a, b in zip(ours, hand, strict=True))
        print(
            f"{name}: by hand {1e3 * statistics.median(hand) / steps:.2f} ms a step, "
            f"fit {1e3 * statistics.median(ours) / steps:.2f} ms, ratio {ratio:.3f}"
        )


if __name__ == "__main__":
    main()
