"""Rows to batches on the device: tsugiki's tensor table against `datasets.with_transform` and a DataLoader.

    python benchmarks/small_data_loading.py [--rows 10000]

The peer decodes and processes each picture every epoch, with the best of 0 and 2 workers. Ours decodes once, which is
timed apart, and reads batches by indexing. Then both feed the same LeNet for an epoch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable
from typing import Any

import datasets
import torch
from torch.utils.data import DataLoader
from tsugiki.data.load_data import load_split
from tsugiki.evaluation import task_named
from tsugiki.registry import registry
from tsugiki.snapshots.loading import create_model
from tsugiki.tensor_table import TensorTable

BATCH_SIZE = 128


def peer(dataset: datasets.Dataset, processor: Any, workers: int) -> DataLoader:
    """The usual way: decode and process in the data set's transform, collate row by row."""

    def transform(rows: dict[str, list[Any]]) -> dict[str, Any]:
        pixels = processor(images=rows["image"], return_tensors="pt")["pixel_values"]
        return {"pixel_values": list(pixels), "labels": rows["label"]}

    return DataLoader(dataset.with_transform(transform), batch_size=BATCH_SIZE, shuffle=True, num_workers=workers)


def ours(table: TensorTable) -> DataLoader:
    """The loader that the Trainer makes over a table."""
    return DataLoader(table, batch_size=BATCH_SIZE, shuffle=True, collate_fn=lambda batch: batch)


def seconds_to_read(batches: Iterable[dict[str, torch.Tensor]], device: torch.device) -> float:
    """Time of one epoch of batches on the device."""
    started = time.perf_counter()
    for batch in batches:
        for value in batch.values():
            value.to(device)
    return time.perf_counter() - started


def seconds_to_train(batches: Iterable[dict[str, torch.Tensor]], device: torch.device) -> float:
    """Time of one epoch of LeNet."""
    model = create_model("lenet", "image-classification", image_size=28, padding=2, num_labels=10)
    model.to(device)  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    started = time.perf_counter()
    for batch in batches:
        loss = model(**{name: value.to(device) for name, value in batch.items()}).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - started


def main() -> None:
    """Print both ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset = load_split("ylecun/mnist", "train").select(range(options.rows))
    processor = registry().family("lenet").processor_class()(size={"height": 28, "width": 28})
    started = time.perf_counter()
    table = task_named("image-classification").table(dataset, processor).to(device)
    decoding = time.perf_counter() - started
    print(f"an epoch of {options.rows} rows of ylecun/mnist on {device}; decoded once in {decoding:.1f} s")

    readings = {
        w: [seconds_to_read(peer(dataset, processor, w), device) for _ in range(options.rounds)] for w in (0, 2)
    }
    best = min(readings, key=lambda workers: statistics.median(readings[workers]))
    theirs = statistics.median(readings[best])
    mine = statistics.median(seconds_to_read(ours(table), device) for _ in range(options.rounds))
    print(f"batches: with_transform ({best} workers) {theirs:.2f} s, table {mine:.3f} s: {theirs / mine:.0f} x")

    theirs = statistics.median(seconds_to_train(peer(dataset, processor, best), device) for _ in range(options.rounds))
    mine = statistics.median(seconds_to_train(ours(table), device) for _ in range(options.rounds))
    print(f"LeNet: with_transform {theirs:.2f} s, table {mine:.2f} s: {theirs / mine:.1f} x")


if __name__ == "__main__":
    main()
