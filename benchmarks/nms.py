"""Non-maximum suppression on one core: `tsugiki_detection.boxes.nms`, the plain loop, and ONNX Runtime's operator.

    python benchmarks/nms.py [--rounds 7] [--sets 10000]

Boxes as a detector gives them, many on each object, and boxes scattered over a picture; 1,000 and 100,000 of them. Of
several rounds the fastest counts. Wherever another way is timed too, it must keep the same boxes. The plain loop is
left out where it takes minutes.

`--sets` compares so many random sets instead, of up to 60 boxes: scattered, on a few objects, and of whole numbers,
with equal scores, equal boxes, and boxes that have no area or are inverted. These last ONNX Runtime turns around, so
that only the plain loop is asked about them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki_detection.boxes.nms import nms

THRESHOLD = 0.5
FEW = 10_000  # boxes up to which the plain loop runs


def on_objects(count: int, objects: int, size: float, side: float, generator: torch.Generator) -> Tensor:
    """So many boxes near so many objects, corners (N, 4)."""
    chosen = torch.randint(objects, (count,), generator=generator)
    centre = (torch.rand(objects, 2, generator=generator) * side)[chosen]
    extent = (size * (0.7 + 0.6 * torch.rand(objects, 2, generator=generator)))[chosen]
    centre = centre + torch.randn(count, 2, generator=generator) * size * 0.1
    extent = extent * torch.exp(torch.randn(count, 2, generator=generator) * 0.15)
    return torch.cat([centre - extent / 2, centre + extent / 2], 1)


def scattered(count: int, side: float, generator: torch.Generator) -> Tensor:
    """Boxes of 10 to 60 pixels a side anywhere, corners (N, 4)."""
    centre = torch.rand(count, 2, generator=generator) * side
    extent = 10 + 50 * torch.rand(count, 2, generator=generator)
    return torch.cat([centre - extent / 2, centre + extent / 2], 1)


def whole_numbers(count: int, least: int, generator: torch.Generator) -> Tensor:
    """Boxes of a few pixels whose sides are at least so long, corners (N, 4)."""
    corner = torch.randint(20, (count, 2), generator=generator).float()
    return torch.cat([corner, corner + torch.randint(least, 8, (count, 2), generator=generator)], 1)


def plain(boxes: Tensor, scores: Tensor) -> list[int]:
    """The rule as it is written: the best that is left stays and strikes what it overlaps."""
    corners = boxes.numpy()
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    order = np.argsort(-scores.numpy(), kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low, high = np.maximum(corners[best, :2], corners[rest, :2]), np.minimum(corners[best, 2:], corners[rest, 2:])
        inner = np.maximum(high - low, 0).prod(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            order = rest[~((inner / (area[best] + area[rest] - inner)).astype(np.float64) > THRESHOLD)]
    return kept


def onnx_operator(threads: int = 1) -> Callable[[Tensor, Tensor], NDArray[np.int64]]:
    """ONNX Runtime's NonMaxSuppression."""
    names = ["boxes", "scores", "most", "iou"]
    node = onnx.helper.make_node("NonMaxSuppression", names, ["kept"])
    kinds = [onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.FLOAT]
    shapes: list[list[int | None]] = [[1, None, 4], [1, 1, None], [1], [1]]
    inputs = [onnx.helper.make_tensor_value_info(*one) for one in zip(names, kinds, shapes, strict=True)]
    output = onnx.helper.make_tensor_value_info("kept", onnx.TensorProto.INT64, [None, 3])
    graph = onnx.helper.make_graph([node], "nms", inputs, [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 10
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(boxes: Tensor, scores: Tensor) -> NDArray[np.int64]:
        given = {"boxes": boxes.numpy()[None], "scores": scores.numpy()[None, None]}
        limits = {"most": np.array([len(boxes)]), "iou": np.array([THRESHOLD], np.float32)}
        return session.run(None, {**given, **limits})[0][:, 2]

    return run


def fastest(run: Callable[[], object], rounds: int) -> float:
    """Milliseconds of the fastest of several rounds."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return 1000 * min(seconds)


def compare_sets(sets: int) -> None:
    """Print how many random sets keep the same boxes as the plain loop's and the operator's.

    Raises:
        AssertionError: One does not.
    """
    generator, operator = torch.Generator().manual_seed(0), onnx_operator()
    of_operator = boxes_seen = kept_boxes = 0
    for number in range(sets):
        count = int(torch.randint(0, 61, (1,), generator=generator))
        kind = number % 4
        if kind == 0:
            boxes = scattered(count, 150, generator)
        elif kind == 1:
            boxes = on_objects(count, 4, 40, 200, generator)
        else:
            boxes = whole_numbers(count, 1 if kind == 2 else -3, generator)
        scores = torch.rand(count, generator=generator)
        if number % 8 > 3:
            scores = (scores * 10).round() / 10
        kept = nms(boxes, scores, THRESHOLD).tolist()
        assert kept == plain(boxes, scores), f"set {number}"
        boxes_seen, kept_boxes = boxes_seen + count, kept_boxes + len(kept)
        if kind != 3 and count:
            assert operator(boxes, scores).tolist() == kept, f"set {number}"
            of_operator += 1
    print(
        f"{sets:,} sets equal to the plain loop, {of_operator:,} of them to ONNX Runtime's operator too; "
        f"{kept_boxes:,} of {boxes_seen:,} boxes stay"
    )


def main() -> None:
    """Time every way on every kind of boxes, or compare random sets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sets", type=int, help="compare so many random sets instead")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.sets:
        compare_sets(given.sets)
        return
    rounds = given.rounds
    generator = torch.Generator().manual_seed(0)
    operator = onnx_operator()
    kinds = {
        "1,000 on 20 objects": on_objects(1000, 20, 60, 640, generator),
        "1,000 on 50 objects": on_objects(1000, 50, 40, 640, generator),
        "1,000 scattered": scattered(1000, 640, generator),
        "100,000 on 100 objects": on_objects(100_000, 100, 60, 4000, generator),
        "100,000 on 1,000 objects": on_objects(100_000, 1000, 60, 4000, generator),
        "100,000 scattered": scattered(100_000, 4000, generator),
    }
    print("| boxes | kept | tsugiki, ms | ONNX Runtime, ms | ratio | plain loop, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, boxes in kinds.items():
        scores = torch.rand(len(boxes), generator=generator)
        kept = nms(boxes, scores, THRESHOLD)
        ours = fastest(lambda boxes=boxes, scores=scores: nms(boxes, scores, THRESHOLD), rounds)
        few = len(boxes) <= FEW
        theirs = fastest(lambda boxes=boxes, scores=scores: operator(boxes, scores), rounds if few else 1)
        assert operator(boxes, scores).tolist() == kept.tolist()
        loop = ""
        if few:
            assert plain(boxes, scores) == kept.tolist()
            loop = f"{fastest(lambda boxes=boxes, scores=scores: plain(boxes, scores), rounds):.1f}"
        print(f"| {name} | {len(kept):,} | {ours:.2f} | {theirs:.1f} | {theirs / ours:.1f} | {loop} |", flush=True)


if __name__ == "__main__":
    main()
