"""Non-maximum suppression: index by index the plain loop's and ONNX Runtime's answer, whatever the boxes are like."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tsugiki_detection.boxes import nms as module
from tsugiki_detection.boxes.nms import batched_nms, nms, soft_nms

THRESHOLDS = (0.0, 0.05, 0.3, 0.5, 0.7, 1.0)


def plain(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> list[int]:
    """The greedy rule, box by box."""
    corners = boxes.numpy()
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    left = list(np.argsort(-scores.numpy().astype(np.float64), kind="stable"))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(int(best))
        rest = np.array(left, dtype=int)
        width = np.minimum(corners[best, 2], corners[rest, 2]) - np.maximum(corners[best, 0], corners[rest, 0])
        height = np.minimum(corners[best, 3], corners[rest, 3]) - np.maximum(corners[best, 1], corners[rest, 1])
        inner = np.maximum(width, 0) * np.maximum(height, 0)
        with np.errstate(all="ignore"):
            iou = (inner / (area[best] + area[rest] - inner)).astype(np.float64)
        left = [int(one) for one in rest[~(iou > threshold)]]
    return kept


def scattered(count: int, generator: torch.Generator, side: float = 300, largest: float = 40) -> torch.Tensor:
    centre, size = torch.rand(count, 2, generator=generator) * side, torch.rand(count, 2, generator=generator) * largest
    return torch.cat([centre - size / 2, centre + size / 2], 1)


def on_objects(count: int, generator: torch.Generator, objects: int = 5) -> torch.Tensor:
    """As a detector gives them: many on each object."""
    centres = torch.rand(objects, 2, generator=generator) * 300
    centre = centres[torch.randint(objects, (count,), generator=generator)]
    centre = centre + torch.randn(count, 2, generator=generator) * 5
    size = 40 + torch.randn(count, 2, generator=generator) * 8
    return torch.cat([centre - size / 2, centre + size / 2], 1)


def whole_numbers(count: int, generator: torch.Generator) -> torch.Tensor:
    """Equal ones, without an area, inverted."""
    centre = torch.randint(20, (count, 2), generator=generator).float()
    size = torch.randint(-2, 8, (count, 2), generator=generator).float()
    return torch.cat([centre - size / 2, centre + size / 2], 1)


def of_all_sizes(count: int, generator: torch.Generator) -> torch.Tensor:
    centre = torch.rand(count, 2, generator=generator) * 300
    size = torch.exp(torch.rand(count, 2, generator=generator) * 7 - 1)
    return torch.cat([centre - size / 2, centre + size / 2], 1)


def in_a_row(count: int, generator: torch.Generator) -> torch.Tensor:
    """Each overlaps the next: whether the last one stays hangs on all before."""
    left = torch.arange(count).float()[:, None] * torch.tensor([[3.0, 0.0]])
    return torch.cat([left, left + 10], 1)


KINDS = (scattered, on_objects, whole_numbers, of_all_sizes, in_a_row)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_what_stays_is_what_the_plain_loop_keeps(kind, threshold):
    generator = torch.Generator().manual_seed(0)
    for trial in range(20):
        count = int(torch.randint(0, 300, (1,), generator=generator))
        boxes, scores = kind(count, generator), torch.rand(count, generator=generator)
        if trial % 2:
            scores = (scores * 10).round() / 10  # ties
        if kind is in_a_row:
            scores = torch.linspace(1, 0, count)
        assert nms(boxes, scores, threshold).tolist() == plain(boxes, scores, threshold)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_ways_of_many_boxes_keep_the_same(kind, monkeypatch):
    monkeypatch.setattr(module, "FEW", 64)  # so that a few hundred are many
    monkeypatch.setattr(module, "BLOCK", 8)
    monkeypatch.setattr(module, "MOST_ROUNDS", 3)
    generator = torch.Generator().manual_seed(1)
    for dense in (0, 4, 48):
        monkeypatch.setattr(module, "DENSE", dense)
        boxes, scores = kind(400, generator), torch.rand(400, generator=generator)
        for threshold in (0.0, 0.3, 0.6):
            assert nms(boxes, scores, threshold).tolist() == plain(boxes, scores, threshold)


def test_a_threshold_is_compared_in_float64():
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 3.0]])  # float32(0.3) is above 0.3
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.3).tolist() == [0]
    assert nms(boxes.double(), torch.tensor([0.9, 0.8]), 0.3).tolist() == [0, 1]


def test_onnx_runtime_keeps_the_same():
    names = ["boxes", "scores", "most", "iou", "score"]
    node = onnx.helper.make_node("NonMaxSuppression", names, ["kept"])
    types = [onnx.TensorProto.FLOAT] * 2 + [onnx.TensorProto.INT64] + [onnx.TensorProto.FLOAT] * 2
    shapes = [[1, None, 4], [1, 1, None], [1], [1], [1]]
    inputs = [onnx.helper.make_tensor_value_info(*one) for one in zip(names, types, shapes, strict=True)]
    output = onnx.helper.make_tensor_value_info("kept", onnx.TensorProto.INT64, [None, 3])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "nms", inputs, [output]), opset_imports=[onnx.helper.make_opsetid("", 17)]
    )
    model.ir_version = 10
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(2)
    for kind in (scattered, on_objects, of_all_sizes):
        boxes, scores = kind(200, generator), torch.rand(200, generator=generator)
        theirs = session.run(
            None,
            {
                "boxes": boxes.numpy()[None],
                "scores": scores.numpy()[None, None],
                "most": np.array([1000]),
                "iou": np.array([0.45], np.float32),
                "score": np.array([-1.0], np.float32),
            },
        )[0][:, 2]
        assert nms(boxes, scores, 0.45).tolist() == theirs.tolist()


def test_groups_do_not_touch_each_other():
    generator = torch.Generator().manual_seed(3)
    boxes, scores = on_objects(500, generator), torch.rand(500, generator=generator)
    groups = torch.randint(3, (500,), generator=generator)
    kept = batched_nms(boxes, scores, groups, 0.5)
    expected = []
    for group in range(3):
        rows = (groups == group).nonzero().flatten()
        expected += [int(rows[one]) for one in plain(boxes[rows], scores[rows], 0.5)]
    assert sorted(kept.tolist()) == sorted(expected)
    assert scores[kept].tolist() == sorted(scores[kept].tolist(), reverse=True)


def test_of_nothing_nothing_stays():
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []


@pytest.mark.parametrize(
    ("boxes", "scores", "threshold", "said"),
    [
        (torch.zeros(2, 5), torch.zeros(2), 0.5, r"\(N, 4\)"),
        (torch.zeros(2, 4), torch.zeros(3), 0.5, r"\(N,\)"),
        (torch.zeros(2, 4), torch.zeros(2), 1.5, "between 0 and 1"),
        (torch.full((1, 4), math.nan), torch.zeros(1), 0.5, "finite"),
        (torch.zeros(1, 4), torch.full((1,), math.inf), 0.5, "finite"),
    ],
)
def test_what_is_no_box_is_refused(boxes, scores, threshold, said):
    with pytest.raises(ValueError, match=said):
        nms(boxes, scores, threshold)


@pytest.mark.parametrize("sigma", [0.5, None])
def test_soft_suppression_follows_its_formula(sigma):
    generator = torch.Generator().manual_seed(4)
    boxes, scores = on_objects(40, generator, objects=3).double(), torch.rand(40, generator=generator).double()
    kept, final = soft_nms(boxes, scores, sigma=sigma, iou_threshold=0.3, score_threshold=0.05)
    left, expected = {number: float(score) for number, score in enumerate(scores)}, []
    while left and max(left.values()) >= 0.05:
        best = max(left, key=lambda number: (left[number], -number))
        expected.append((best, left.pop(best)))
        for number in left:
            low, high = (
                torch.maximum(boxes[best, :2], boxes[number, :2]),
                torch.minimum(boxes[best, 2:], boxes[number, 2:]),
            )
            inner = float((high - low).clamp(min=0).prod())
            areas = [float((boxes[one, 2:] - boxes[one, :2]).prod()) for one in (best, number)]
            iou = inner / (sum(areas) - inner)
            left[number] *= (1 - iou if iou > 0.3 else 1) if sigma is None else math.exp(-iou * iou / sigma)
    assert kept.tolist() == [number for number, _ in expected]
    np.testing.assert_allclose(final.numpy(), [score for _, score in expected], rtol=1e-12)


def test_soft_suppression_refuses_a_sigma_of_zero():
    with pytest.raises(ValueError, match="sigma"):
        soft_nms(torch.zeros(1, 4), torch.ones(1), sigma=0.0)
