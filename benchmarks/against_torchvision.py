"""Forward and backward of our classes against torchvision's own, on the same weights' shapes.

    python benchmarks/against_torchvision.py [--rounds 5] [--side 224] [--rows 16]

torchvision's Python package is read from the folder that `TSUGIKI_REFERENCE` names, as in the tests. Rounds alternate
between the two; the medians and the median of the rounds' ratios are printed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from tsugiki_vision.classifiers.densenet import DenseNetConfig, DenseNetForImageClassification
from tsugiki_vision.classifiers.googlenet import GoogLeNetConfig, GoogLeNetForImageClassification
from tsugiki_vision.classifiers.vgg import VGGConfig, VGGForImageClassification

from tests.vision.torchvision_reference import torchvision_models


def networks() -> dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]]:
    """Ours and theirs by name."""
    models = torchvision_models()
    return {
        "VGG-16": (lambda: VGGForImageClassification(VGGConfig(num_labels=1000)), models.vgg16),
        "DenseNet-121": (lambda: DenseNetForImageClassification(DenseNetConfig(num_labels=1000)), models.densenet121),
        "GoogLeNet": (
            lambda: GoogLeNetForImageClassification(GoogLeNetConfig.torchvision(num_labels=1000)),
            lambda: models.googlenet(aux_logits=False, init_weights=False),
        ),
    }


def seconds(network: nn.Module, pictures: Tensor) -> float:
    """One forward and backward in training mode."""
    network.zero_grad(set_to_none=True)
    started = time.perf_counter()
    output = network(pictures)
    logits = output if isinstance(output, Tensor) else output.logits
    logits.square().mean().backward()
    return time.perf_counter() - started


def main() -> None:
    """Print the ratio of each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--rows", type=int, default=16)
    arguments = parser.parse_args()
    pictures = torch.randn(arguments.rows, 3, arguments.side, arguments.side)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {tuple(pictures.shape)}")
    for name, (make_ours, make_theirs) in networks().items():
        ours, theirs = make_ours().train(), make_theirs().train()
        for network in (ours, theirs):
            seconds(network, pictures)  # warm up
        pairs = [(seconds(ours, pictures), seconds(theirs, pictures)) for _ in range(arguments.rounds)]
        ratio = statistics.median(one / other for one, other in pairs)
        medians = [statistics.median(times) for times in zip(*pairs, strict=True)]
        print(f"{name}: ours {medians[0]:.2f} s, torchvision {medians[1]:.2f} s, ratio {ratio:.3f}", flush=True)


if __name__ == "__main__":
    main()
