"""Nuclei counted one by one: by Otsu's threshold and connected parts, and by the instance segmenter.

    python benchmarks/nuclei_instances.py [--models instance-nuclei] [--split validation] [--json]

What is brighter than Otsu's threshold (1979) and holds together is one nucleus, so that those which touch become one. A
part scores by how far its mean brightness lies above the threshold. All are measured by the same task. Models are names
or folders.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
import tsugiki
from nuclei_segmentation import DATA, GRAY, otsu_threshold
from numpy.typing import NDArray
from scipy import ndimage
from tsugiki.data.load_data import load_split
from tsugiki.evaluation.evaluate import model_label_names, predict_table
from tsugiki.predictions import Predictions
from tsugiki_detection.segmentation.instance_grouping import renumbered
from tsugiki_detection.segmentation.instance_image_processor import InstanceImageProcessor
from tsugiki_detection.segmentation.instance_scores import kept_row
from tsugiki_detection.segmentation.instance_segmentation import InstanceSegmentation

FIGURES = ("f1_50", "mask_map_50", "pq")


def connected_parts(picture: NDArray[np.uint8]) -> dict[str, Any]:
    """Parts of a picture (H, W) that are brighter than Otsu's threshold, as predictions keep them."""
    threshold = otsu_threshold(picture)
    parts, count = ndimage.label(picture > threshold)
    numbers = np.arange(1, count + 1)
    brightness = np.asarray(ndimage.mean(picture, parts, numbers), np.float64).reshape(-1)
    return kept_row(renumbered(parts, (brightness - threshold) / 255, np.zeros(count, np.int64)), 0.0)


def compare(models: list[str], split: str) -> dict[str, Any]:
    """The figures of connected parts and of each model."""
    task, data = InstanceSegmentation(), load_split(DATA, split)
    names = task.label_names(data, task.columns(data))
    table = task.table(data, InstanceImageProcessor(**GRAY), label_names=names)
    started = time.perf_counter()
    parts = [connected_parts(picture[0]) for picture in table.columns["pixel_values"].numpy()]
    found = {"otsu": (Predictions(parts, table.labels.numpy()), time.perf_counter() - started)}
    for name in models:
        model, processor = tsugiki.load(name), tsugiki.load_processor(name)
        own = task.table(data, processor, label_names=model_label_names(model))
        started = time.perf_counter()
        found[name] = predict_table(model, own, task=task), time.perf_counter() - started
    return {
        name: {
            **{key: metric.to_dict() for key, metric in task.metrics(predictions).items()},
            "pictures_per_second": len(data) / seconds,
        }
        for name, (predictions, seconds) in found.items()
    }


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["instance-nuclei"])
    parser.add_argument("--split", default="validation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures = compare(options.models, options.split)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{'':16} " + " ".join(f"{name:24}" for name in FIGURES) + " pictures/s")
    for name, of_model in figures.items():
        shown = ["{value:.4f} [{low:.4f}, {high:.4f}]".format(**of_model[key]) for key in FIGURES]
        print(f"{name:16} " + " ".join(f"{one:24}" for one in shown) + f" {of_model['pictures_per_second']:10.1f}")


if __name__ == "__main__":
    main()
