"""One plugin is enough: load, predict and fine-tune with tsugiki-vision's wheel and its declared dependencies alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import datasets
import numpy as np
import tsugiki
from PIL import Image
from sklearn.datasets import load_digits
from tsugiki.evaluation import task_named


def main() -> None:
    digits = load_digits()
    pictures = [Image.fromarray((image * 255 / 16).astype(np.uint8)) for image in digits.images[:300]]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(num_classes=10)})
    data = datasets.Dataset.from_dict({"image": pictures, "label": digits.target[:300].tolist()}, features=features)

    model, processor = tsugiki.load("lenet5-mnist"), tsugiki.load_processor("lenet5-mnist")
    (answer,) = task_named("image-classification").predict(model, processor, pictures[:1], top_k=1)
    assert answer[0]["label"] in model.config.label2id, answer

    with tempfile.TemporaryDirectory() as folder:
        result = tsugiki.finetune(
            "lenet5-mnist",
            data.select(range(200)),
            output_dir=Path(folder, "mine"),
            depth="head",
            test=data.select(range(200, 300)),
        )
        accuracy = result.metrics["accuracy"].value
        assert accuracy > 0.5, f"a new head on 200 digits should do better than {accuracy}"
        reloaded = tsugiki.load(Path(folder, "mine"))
        assert reloaded.num_parameters() == result.model.num_parameters()
    print(f"one plugin is enough: predicted {answer[0]['label']}, fine-tuned to {accuracy:.3f}")


if __name__ == "__main__":
    main()
