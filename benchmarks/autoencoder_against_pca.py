"""What a deep autoencoder loses of a digit, against as many principal components.

    python benchmarks/autoencoder_against_pca.py [NAME or snapshot folder]

Hinton and Salakhutdinov 2006 reduced MNIST's digits to 30 numbers and brought them back: on the test digits the squared
error, summed over the pixels from 0 to 1, was 3.00 for their network and 13.87 for principal component analysis. This
prints both for a snapshot and its own code size, the components being those of the training digits. The network must
lose at most a third of what the components lose.
"""

from __future__ import annotations

import argparse
import sys

import torch
import tsugiki
from torch import Tensor
from tsugiki.data.load_data import load_split
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.tensor_table import TensorTable

DATA = "ylecun/mnist"
MOST = 1 / 3


def pixels_of(table: TensorTable) -> Tensor:
    """The pictures of a table as rows from 0 to 1, float64 (N, D)."""
    return table.columns["pixel_values"].flatten(1).double() / 255


def pca_error(train: Tensor, test: Tensor, components: int) -> float:
    """Mean squared error, summed over a row, of rows (M, D) projected on the components of training rows (N, D)."""
    mean = train.mean(0)
    centred = train - mean
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # in ascending order
    basis = vectors[:, -components:]  # (D, components)
    shifted = test - mean
    return float((shifted - shifted @ basis @ basis.T).square().sum(1).mean())


def main() -> int:
    """Print both errors; the exit code is 1 where the network loses more than it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="autoencoder-mnist", help="a checkpoint or a snapshot's folder")
    name = parser.parse_args().name
    task = task_named("image-reconstruction")
    model, processor = tsugiki.load(name), tsugiki.load_processor(name)
    train, test = (task.table(load_split(DATA, split), processor) for split in ("train", "test"))
    network = task.metrics(predict_table(model, test, task=task))["squared_error"]
    components = model.config.code_size
    principal = pca_error(pixels_of(train), pixels_of(test), components)
    ratio = network.value / principal
    print(f"squared error on {network.n:,} test digits of {DATA}, {components} numbers a digit")
    print(f"  {name}: {network}")
    print(f"  principal components: {principal:.4f}")
    print(f"  ratio: {ratio:.3f}, wanted at most {MOST:.3f}: {'yes' if ratio <= MOST else 'NO'}")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
