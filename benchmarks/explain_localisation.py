"""Whether the maps of `tsugiki explain` show where the object is, and whether they depend on what was learnt.

    python benchmarks/explain_localisation.py [--folder /tmp/explain_localisation] [--pictures 200] [--rows 4000]

Objects of CIFAR-10, 32 pixels a side, are pasted at random places on 96-pixel crops of photographs without any such
object (tsugiki/hymenoptera), and a ResNet-20 is trained on them from its CIFAR-10 checkpoint. On new objects and new
photographs two things are printed.

1. The share of a map's mass inside the box, its median over the pictures, against the box's share of the area. A map
   that knows nothing has a ratio of 1; Grad-CAM must have at least 2.
2. The sanity check of Adebayo et al. 2018 (cascading randomisation): layers are given fresh weights from the head
   downwards, and the rank correlation (Spearman) of the maps before and after is the median over the pictures. A map
   that shows what the network learnt must change: gradient and Grad-CAM must fall below 0.5. For guided
   backpropagation the figure is printed, whatever it is: it is known to lie near edge detection.

The trained classifier is kept in the folder, and a run that was killed goes on where it was.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import tsugiki
from scipy.stats import spearmanr
from torch import Tensor
from tsugiki.data.load_data import load_split
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.images import Normalize
from tsugiki.output import atomic_folder, quiet_transformers
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki.transfer.stages import head_of, stages_of
from tsugiki_vision.explain.saliency_maps import grad_cam, gradient_map, guided_backprop

START = "resnet20-cifar10"
OBJECT, SIDE = 32, 96
SHARE_OF_AREA = (OBJECT / SIDE) ** 2
BATCH_SIZE = 50
TRAINING = {
    "num_train_epochs": 3,
    "per_device_train_batch_size": 50,
    "learning_rate": 0.03,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 20,
    "optim": "sgd",
    "optim_args": "momentum=0.9,nesterov=true",
    "weight_decay": 0.0005,
    "save_strategy": "epoch",
    "save_total_limit": 1,
}
Maps = Callable[[torch.nn.Module, Tensor, Tensor], Tensor]
METHODS: dict[str, Maps] = {
    "gradient": gradient_map,  # type: ignore[dict-item]
    "grad-cam": grad_cam,  # type: ignore[dict-item]
    "guided": lambda model, pixels, target: guided_backprop(model, pixels, target).abs().amax(1),  # type: ignore[arg-type]
}


def pasted(split: str, backgrounds: str, rows: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures uint8 (N, 3, 96, 96), labels (N,), and the top left corners of the objects (N, 2)."""
    draws = np.random.default_rng(seed)
    objects = load_split("uoft-cs/cifar10", split)
    photographs = [np.asarray(row["image"].convert("RGB")) for row in load_split("tsugiki/hymenoptera", backgrounds)]
    photographs = [one for one in photographs if min(one.shape[:2]) >= SIDE]
    chosen = objects.select(draws.choice(len(objects), rows, replace=False))
    pictures = np.empty((rows, SIDE, SIDE, 3), np.uint8)
    corners = draws.integers(0, SIDE - OBJECT + 1, (rows, 2))
    for row, (thing, (top, left)) in enumerate(zip(chosen["img"], corners, strict=True)):
        photograph = photographs[draws.integers(len(photographs))]
        y, x = (draws.integers(0, length - SIDE + 1) for length in photograph.shape[:2])
        pictures[row] = photograph[y : y + SIDE, x : x + SIDE]
        pictures[row, top : top + OBJECT, left : left + OBJECT] = np.asarray(thing.convert("RGB"))
    return torch.from_numpy(pictures).permute(0, 3, 1, 2), torch.tensor(chosen["label"]), torch.from_numpy(corners)


def trained_classifier(folder: Path, rows: int) -> torch.nn.Module:
    """The classifier in `folder`; trained and kept there if it is not."""
    place = folder / f"classifier-{rows}"
    if not place.exists():
        with atomic_folder(place, keep_partial=lambda partial: any(partial.glob("run/checkpoint-*"))) as partial:
            model = tsugiki.load(START, image_size=SIDE)
            processor = tsugiki.load_processor(START)
            pictures, labels, _ = pasted("train", "train", rows, seed=0)
            table = TensorTable(
                {"pixel_values": pictures, "labels": labels}, transform=Normalize.from_processor(processor)
            )
            result = fit(model, TrainingJob(table, partial / "run", TRAINING, title="pasted objects"))
            print(f"trained in {result.seconds:.0f} s on {result.device}")
            with quiet_transformers():
                model.save_pretrained(partial)
            type(processor)(**{**processor.to_dict(), "size": {"height": SIDE, "width": SIDE}}).save_pretrained(partial)
    return tsugiki.load(place)


def maps_of(method: Maps, model: torch.nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
    """Maps of the true class (N, H, W), a batch at a time."""
    batches = zip(pixels.split(BATCH_SIZE), labels.split(BATCH_SIZE), strict=True)
    return torch.cat([method(model, part, target) for part, target in batches])


def share_inside(maps: Tensor, corners: Tensor) -> Tensor:
    """The share of each map's mass that lies in the box (N,)."""
    place = torch.arange(SIDE)
    inside = (place >= corners[:, :, None]) & (place < corners[:, :, None] + OBJECT)  # (N, 2, 96)
    boxes = inside[:, 0, :, None] & inside[:, 1, None, :]  # (N, 96, 96)
    return (maps * boxes).sum(dim=(1, 2)) / maps.sum(dim=(1, 2)).clamp(min=1e-12)


def rank_correlation(before: Tensor, after: Tensor) -> float:
    """The median over the pictures of Spearman's correlation; 0 for a map that has become constant."""
    found = [
        0.0 if one.max() == one.min() or other.max() == other.min() else spearmanr(one.ravel(), other.ravel()).statistic
        for one, other in zip(before.numpy(), after.numpy(), strict=True)
    ]
    return float(np.median(found))


def main() -> None:
    """Train where needed, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/explain_localisation"))
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rows", type=int, default=4000)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)

    model = trained_classifier(arguments.folder, arguments.rows)
    pictures, labels, corners = pasted("test", "validation", arguments.pictures, seed=1)
    table = TensorTable(
        {"pixel_values": pictures, "labels": labels},
        transform=Normalize.from_processor(tsugiki.load_processor(START)),
    )
    task = task_named("image-classification")
    accuracy = task.metrics(predict_table(model, table, batch_size=BATCH_SIZE, task=task))["accuracy"]  # type: ignore[arg-type]
    pixels = table.batch(range(len(table)))["pixel_values"]
    print(f"accuracy on {len(table)} new pictures {accuracy}\n")

    before = {name: maps_of(method, model, pixels, labels) for name, method in METHODS.items()}
    print(f"share of the mass inside the box, which is {SHARE_OF_AREA:.3f} of the area")
    print(f"{'map':<10} {'median':>8} {'ratio':>8}")
    for name, maps in before.items():
        median = float(share_inside(maps, corners).median())
        print(f"{name:<10} {median:>8.3f} {median / SHARE_OF_AREA:>8.2f}")

    randomised = copy.deepcopy(model).eval()
    print("\nrank correlation with the maps of the trained network, randomised from the head down to")
    print(f"{'layer':<24}" + "".join(f"{name:>10}" for name in METHODS))
    torch.manual_seed(0)
    fresh = type(model)(copy.deepcopy(model.config)).state_dict()  # type: ignore[operator,call-overload]
    for name in [head_of(model)[0], *(stage.name for stage in reversed(stages_of(model)))]:  # type: ignore[arg-type]
        weights = {key: value for key, value in fresh.items() if key.startswith(f"{name}.")}
        randomised.load_state_dict(weights, strict=False)
        figures = [
            rank_correlation(before[key], maps_of(method, randomised, pixels, labels))
            for key, method in METHODS.items()
        ]
        print(f"{name:<24}" + "".join(f"{figure:>10.2f}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
