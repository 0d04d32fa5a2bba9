"""Nuclei found by Otsu's threshold, by the U-Net and by the FCN, on the same pictures.

    python benchmarks/nuclei_segmentation.py [--models unet-nuclei fcn-nuclei] [--split validation] [--json]

Otsu's method (1979, A threshold selection method from gray-level histograms) takes the gray level that divides the
histogram of a picture into the two classes with the greatest variance between them; what is brighter counts as nucleus.
It learns nothing and is the usual first attempt at pictures of this kind. All are measured by the same task, and the
intervals draw the same pictures. Models are names or folders.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
import tsugiki
from numpy.typing import NDArray
from tsugiki.data.load_data import load_split
from tsugiki.evaluation.evaluate import model_label_names, predict_table
from tsugiki.metrics import Metric, bootstrap_interval
from tsugiki.predictions import Predictions
from tsugiki_detection.segmentation.semantic_image_processor import SemanticImageProcessor
from tsugiki_detection.segmentation.semantic_scores import PixelCounts
from tsugiki_detection.segmentation.semantic_segmentation import SemanticSegmentation

DATA = "tsugiki/nuclei"
GRAY = {"size": {"height": 256, "width": 256}, "image_mean": [0.0], "image_std": [1.0]}


def otsu_threshold(picture: NDArray[np.uint8]) -> int:
    """The gray level above which pixels belong to the brighter class."""
    shares = np.bincount(picture.ravel(), minlength=256) / picture.size
    below = shares.cumsum()  # share of the darker class, by its greatest level
    moments = (shares * np.arange(256)).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moments[-1] * below - moments) ** 2 / (below * (1 - below))
    return int(np.nan_to_num(between, posinf=0.0).argmax())


def otsu_answers(pictures: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """1 for nucleus, 0 for background (H, W) of each picture (N, 1, H, W)."""
    return [(picture[0] > otsu_threshold(picture[0])).astype(np.uint8) for picture in pictures]


def compare(models: list[str], split: str) -> dict[str, Any]:
    """The figures of Otsu's threshold and of each model, and the difference of each to Otsu's."""
    task, data = SemanticSegmentation(), load_split(DATA, split)
    names = task.label_names(data, task.columns(data))
    table = task.table(data, SemanticImageProcessor(**GRAY), label_names=names)
    labels = table.labels.numpy()
    started = time.perf_counter()
    found = {"otsu": Predictions(otsu_answers(table.columns["pixel_values"].numpy()), labels)}
    seconds = {"otsu": time.perf_counter() - started}
    for name in models:
        model, processor = tsugiki.load(name), tsugiki.load_processor(name)
        own = task.table(data, processor, label_names=model_label_names(model))
        started = time.perf_counter()
        found[name] = predict_table(model, own, task=task)
        seconds[name] = time.perf_counter() - started
    figures: dict[str, Any] = {}
    for name, predictions in found.items():
        metrics: dict[str, Metric] = task.metrics(predictions)
        figures[name] = {key: metric.to_dict() for key, metric in metrics.items()}
        figures[name]["pictures_per_second"] = len(data) / seconds[name]
        if name != "otsu":
            figures[name]["above_otsu"] = above(found["otsu"], predictions)
    return figures


def above(one: Predictions, other: Predictions) -> tuple[float, float]:
    """The 95 % interval of how far the `miou` of the second lies above that of the first, on the same pictures."""
    counts = [PixelCounts.of(each.outputs, each.labels) for each in (one, other)]

    def difference(rows: NDArray[np.int64]) -> float:
        first, second = ((each.right[rows].sum(0) / np.maximum(1, each.union[rows].sum(0))).mean() for each in counts)
        return float(second - first)

    return bootstrap_interval(len(one), difference)


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["unet-nuclei", "fcn-nuclei"])
    parser.add_argument("--split", default="validation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures = compare(options.models, options.split)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{'':14} {'miou':24} {'nucleus':24} {'dice':24} pictures/s  above Otsu")
    for name, of_model in figures.items():
        shown = [
            "{value:.4f} [{low:.4f}, {high:.4f}]".format(**of_model[key]) for key in ("miou", "iou_nucleus", "dice")
        ]
        gain = "{:+.3f} to {:+.3f}".format(*of_model["above_otsu"]) if "above_otsu" in of_model else ""
        print(
            f"{name:14} " + " ".join(f"{one:24}" for one in shown) + f" {of_model['pictures_per_second']:10.1f}  {gain}"
        )


if __name__ == "__main__":
    main()
