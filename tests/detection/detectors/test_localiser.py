"""Localisation: where nothing is there, box and classes carry no loss; the loss is its formula; it learns."""

from __future__ import annotations

import math

import pytest
import torch
from tsugiki_detection.boxes.overlap import overlap
from tsugiki_detection.detectors.localiser import LocaliserConfig, LocaliserForObjectDetection, localiser_loss

TINY = {
    "image_size": (64, 64),
    "widths": (4, 8, 8),
    "depths": (0, 1, 0),
    "neck_size": 8,
    "grid_size": 2,
    "dropout": 0.0,
}


def labels_of(*objects: tuple[float, ...]) -> torch.Tensor:
    labels = torch.zeros(1, len(objects), 8)
    labels[0, :, :5] = torch.tensor(objects)
    return labels


def answer() -> dict[str, torch.Tensor]:
    return {
        "objectness": torch.tensor([[0.4]], requires_grad=True),
        "pred_boxes": torch.tensor([[[0.4, 0.5, 0.3, 0.4]]], requires_grad=True),
        "logits": torch.tensor([[[0.7, -0.2, 0.1]]], requires_grad=True),
    }


def test_where_nothing_is_there_boxes_and_classes_have_no_gradient():
    found = answer()
    localiser_loss(found, labels_of((-100, 0, 0, 0, 0)), 2.0).backward()
    assert torch.equal(found["pred_boxes"].grad, torch.zeros(1, 1, 4))
    assert torch.equal(found["logits"].grad, torch.zeros(1, 1, 3))
    assert found["objectness"].grad.item() == pytest.approx(1 / (1 + math.exp(-0.4)))


def test_the_loss_is_its_formula():
    found = {name: value.detach() for name, value in answer().items()}
    loss = localiser_loss(found, labels_of((1, 0.5, 0.5, 0.4, 0.4)), 2.0).item()

    def entropy(logit: float, right: float) -> float:
        p = 1 / (1 + math.exp(-logit))
        return -right * math.log(p) - (1 - right) * math.log(1 - p)

    corners = torch.tensor([0.25, 0.3, 0.55, 0.7]), torch.tensor([0.3, 0.3, 0.7, 0.7])
    box = 1 - overlap(*corners, "ciou").item()
    classes = entropy(0.7, 0) + entropy(-0.2, 1) + entropy(0.1, 0)
    assert loss == pytest.approx(entropy(0.4, 1) + 2 * box + classes, rel=1e-5)


def test_of_several_objects_the_largest_counts():
    found = {name: value.detach() for name, value in answer().items()}
    small, large = (0, 0.2, 0.2, 0.1, 0.1), (1, 0.5, 0.5, 0.4, 0.4)
    both = localiser_loss(found, labels_of(small, large), 2.0)
    assert both.item() == pytest.approx(localiser_loss(found, labels_of(large), 2.0).item())


def test_a_picture_has_one_candidate():
    model = LocaliserForObjectDetection(LocaliserConfig(**TINY, num_labels=3)).eval()
    with torch.inference_mode():
        output = model(torch.randn(2, 3, 64, 80))
    assert output.logits.shape == (2, 1, 3)
    assert output.pred_boxes.shape == (2, 1, 4)
    assert output.objectness.shape == (2, 1)


def test_a_few_steps_find_where_things_are():
    torch.manual_seed(0)
    model = LocaliserForObjectDetection(LocaliserConfig(**TINY, num_labels=1))
    pixels, labels = torch.zeros(8, 3, 64, 64), torch.zeros(8, 1, 8)
    for row in range(8):
        left, top = 4 + 5 * row, 40 - 4 * row
        pixels[row, :, top : top + 16, left : left + 16] = 1
        labels[row, 0, 1:5] = torch.tensor([(left + 8) / 64, (top + 8) / 64, 0.25, 0.25])
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    first = None
    for _ in range(40):
        loss = model(pixels, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first = loss.item() if first is None else first
    assert loss.item() < 0.5 * first
