"""One plugin is enough: a detector learns from a few pictures, with the wheel and what it declares alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import tsugiki
from datasets import ClassLabel, Dataset, Features, Image, Value
from datasets import List as ListOf
from PIL import Image as Pillow

FEATURES = Features(
    {
        "image": Image(),
        "objects": {
            "bbox": ListOf(ListOf(Value("float32"), length=4)),
            "category": ListOf(ClassLabel(names=["square"])),
        },
    }
)
TINY = {"image_size": [64, 64], "widths": [8, 16, 16], "depths": [0, 1, 0], "neck_size": 16, "levels": 1}


def pictures(count: int) -> Dataset:
    """Dark pictures with a bright square each."""
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        pixels = generator.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        left, top = (int(one) for one in generator.integers(0, 40, 2))
        pixels[top : top + 20, left : left + 20] = 230
        objects = {"bbox": [[left, top, 20, 20]], "category": [0]}
        rows.append({"image": Pillow.fromarray(pixels), "objects": objects})
    return Dataset.from_list(rows, features=FEATURES)


def main() -> None:
    data = pictures(48)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        model = tsugiki.create_model("yolo", "object-detection", **TINY, id2label={0: "square"})
        model.save_pretrained(base)
        tsugiki.registry.registry().family("yolo").processor_class()(size={"height": 64, "width": 64}).save_pretrained(
            base
        )
        result = tsugiki.finetune(
            base, data, output_dir=Path(folder, "mine"), depth="all", max_steps=120, learning_rate=3e-3, progress=False
        )
        found = tsugiki.pipeline(result.path, "object-detection")(data[0]["image"], threshold=0.05)
    precision = result.metrics["map_50"].value
    assert precision > 0.5, f"squares should be found better than {precision}"
    assert found, "the pipeline should find a square"
    print(f"one plugin is enough: squares found with a mean average precision of {precision:.3f}")


if __name__ == "__main__":
    main()
