"""A small YOLO that nobody trained: what it says is nonsense, and always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import tsugiki
from tsugiki_detection.detectors.letterbox_processor import LetterboxImageProcessor

SIDE = 64


def tiny_detector(folder: Path, num_labels: int = 2) -> tuple[Any, LetterboxImageProcessor]:
    """Save model and processor in a folder, and return them."""
    torch.manual_seed(0)
    model = tsugiki.create_model(
        "yolo",
        num_labels=num_labels,
        image_size=(SIDE, SIDE),
        widths=(4, 8, 8, 16),
        depths=(0, 1, 0, 1),
        neck_size=8,
    )
    with torch.no_grad():  # livelier than fresh weights are, so that scores and classes differ from place to place
        for layer in model.predictor.layers:
            layer.weight.mul_(20)
    model.save_pretrained(folder)
    processor = LetterboxImageProcessor(size={"height": SIDE, "width": SIDE})
    processor.save_pretrained(folder)
    return model.eval(), processor
