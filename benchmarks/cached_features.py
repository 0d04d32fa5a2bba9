"""Training a head on cached features against running the frozen network every epoch.

    python benchmarks/cached_features.py [--rows 2000] [--epochs 5]

Both sides train the same linear head with the same optimizer, batches and number of epochs; the network below it is a
ResNet-20 whose weights do not matter for the time. One side computes features in epoch 1 and reads them from epoch 2
on. Printed are the time of an epoch from the second on and the ratio, the largest difference between the logits of the
two ways, and what a changed weight, processor or row does to the cache's key.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tsugiki.images import Normalize
from tsugiki.snapshots.loading import create_model
from tsugiki.tensor_table import TensorTable
from tsugiki.transfer.features import feature_key, head_features
from tsugiki.transfer.stages import head_of, only_top_trained

BATCH_SIZE = 128
RATE = 0.01


def epochs(head: nn.Module, labels: Tensor, count: int, logits: Callable[[Tensor], Tensor]) -> list[float]:
    """Train a head; `logits` gives those of some rows. Returns the time of every epoch."""
    optimizer = torch.optim.SGD(head.parameters(), lr=RATE)
    generator = torch.Generator().manual_seed(0)
    times = []
    for _ in range(count):
        started = time.perf_counter()
        for rows in torch.randperm(len(labels), generator=generator).split(BATCH_SIZE):
            optimizer.zero_grad()
            F.cross_entropy(logits(rows), labels[rows]).backward()
            optimizer.step()
        times.append(time.perf_counter() - started)
    return times


def keys_change(table: TensorTable) -> dict[str, bool]:
    """Whether the key follows a changed weight, processor and row."""
    model = create_model("cifar-resnet", num_labels=10).eval()
    key = feature_key(model, table)
    brighter = TensorTable(table.columns, transform=Normalize((0.4,), (0.2,)))
    other = TensorTable(
        {**table.columns, "pixel_values": table.columns["pixel_values"].clone()}, transform=table.transform
    )
    other.columns["pixel_values"][0, 0, 0, 0] += 1
    found = {"processor": feature_key(model, brighter) != key, "row": feature_key(model, other) != key}
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1e-3
    return {"weight": feature_key(model, table) != key, **found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    columns = {
        "pixel_values": torch.randint(0, 256, (arguments.rows, 3, 32, 32), dtype=torch.uint8),
        "labels": torch.randint(0, 10, (arguments.rows,)),
    }
    table = TensorTable(columns, transform=Normalize((0.5,), (0.25,)))
    model = create_model("cifar-resnet", num_labels=10).eval()
    head = head_of(model)[1]
    start = {name: value.clone() for name, value in head.state_dict().items()}

    with only_top_trained(model, 0), tempfile.TemporaryDirectory() as folder:
        os.environ["TSUGIKI_CACHE"] = folder
        frozen = epochs(head, table.labels, arguments.epochs, lambda rows: network_logits(model, table, rows))
        slow = head.weight.detach().clone()
        head.load_state_dict(start)
        started = time.perf_counter()
        features = head_features(model, table)
        first = time.perf_counter() - started
        cached = epochs(head, table.labels, arguments.epochs, lambda rows: head(features[rows]))
        rows = torch.arange(min(256, arguments.rows))
        with torch.inference_mode():
            difference = (network_logits(model, table, rows) - head(features[rows])).abs().max().item()
    each, once = statistics.median(frozen[1:]), statistics.median(cached[1:])
    print(f"frozen ResNet-20 every epoch: {each:.3f} s an epoch ({arguments.rows:,} rows)")
    print(f"cached features: {once:.4f} s an epoch from the second on, {first:.3f} s once for the features")
    print(f"ratio from the second epoch on: {each / once:.0f} x (goal: 20)")
    trained = (slow - head.weight).abs().max().item()
    print(f"largest difference of logits {difference:.1e} (goal: 1e-5), of the trained heads' weights {trained:.1e}")
    print(", ".join(f"key changes with {what}: {changes}" for what, changes in keys_change(table).items()))


def network_logits(model: nn.Module, table: TensorTable, rows: Tensor) -> Tensor:
    """Logits of some rows through the whole network."""
    return model(pixel_values=table.batch(rows)["pixel_values"]).logits


if __name__ == "__main__":
    main()
