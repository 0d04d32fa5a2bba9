"""Overlaps by their formulas, written out for single boxes."""

from __future__ import annotations

import math

import pytest
import torch
from tsugiki_detection.boxes.box_formats import FORMATS, box_areas, clip_boxes, convert_boxes
from tsugiki_detection.boxes.overlap import overlap, pairwise_iou


def some_boxes(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 10
    return torch.cat([low, low + 0.1 + torch.rand(count, 2, generator=generator, dtype=torch.float64) * 10], 1)


def by_hand(a: list[float], b: list[float], kind: str) -> float:
    inner = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner
    iou = inner / union
    wide, high = max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])
    if kind == "iou":
        return iou
    if kind == "giou":
        return iou - (wide * high - union) / (wide * high)
    distance = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
    diou = iou - distance / (wide**2 + high**2)
    if kind == "diou":
        return diou
    v = 4 / math.pi**2 * (math.atan((b[2] - b[0]) / (b[3] - b[1])) - math.atan((a[2] - a[0]) / (a[3] - a[1]))) ** 2
    return diou - v * v / (1 - iou + v)


@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
def test_each_overlap_is_its_formula(kind):
    boxes, others = some_boxes(50, 0), some_boxes(50, 1)
    expected = [by_hand(a, b, kind) for a, b in zip(boxes.tolist(), others.tolist(), strict=True)]
    torch.testing.assert_close(overlap(boxes, others, kind), torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(overlap(boxes, boxes, kind), torch.ones(50, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["giou", "diou", "ciou"])
def test_boxes_apart_are_drawn_together(kind):
    box = torch.tensor([0.0, 0.0, 1.0, 1.0], requires_grad=True)
    overlap(box, torch.tensor([5.0, 0.0, 6.0, 1.0]), kind).backward()
    assert box.grad is not None
    assert box.grad[2] > 0  # its right side moves to the right


def test_pairs_are_all_pairs():
    boxes, others = some_boxes(4, 2), some_boxes(3, 3)
    found = pairwise_iou(boxes, others)
    assert found.shape == (4, 3)
    assert found[2, 1] == pytest.approx(by_hand(boxes[2].tolist(), others[1].tolist(), "iou"))
    assert pairwise_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="siou"):
        overlap(torch.zeros(4), torch.zeros(4), "siou")


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_formats_lead_to_each_other_and_back(source, target):
    boxes = convert_boxes(some_boxes(10, 4), "xyxy", source)
    torch.testing.assert_close(convert_boxes(convert_boxes(boxes, source, target), target, source), boxes)
    assert convert_boxes(torch.tensor([1.0, 2.0, 4.0, 6.0]), "xyxy", "cxcywh").tolist() == [2.5, 4, 3, 4]


def test_formats_that_are_none_are_refused():
    with pytest.raises(ValueError, match="yxyx"):
        convert_boxes(torch.zeros(4), "yxyx", "xyxy")
    with pytest.raises(ValueError, match=r"\(\.\.\., 4\)"):
        convert_boxes(torch.zeros(5), "xywh", "xyxy")


def test_boxes_are_cut_at_the_borders():
    assert clip_boxes(torch.tensor([[-2.0, 3.0, 30.0, 9.0]]), 20, 8).tolist() == [[0, 3, 20, 8]]
    assert box_areas(torch.tensor([[1.0, 1.0, 4.0, 3.0]])).tolist() == [6]
