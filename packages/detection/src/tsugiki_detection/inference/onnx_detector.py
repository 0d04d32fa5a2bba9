"""A detector as an ONNX file from pictures to boxes: network, scores and non-maximum suppression in one graph."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from tsugiki.errors import OptionError, PluginError
from tsugiki.eval_mode import eval_mode
from tsugiki.export.quiet_stdout import quiet_stdout
from tsugiki.output import atomic_file
from tsugiki.output_path import check_output_path

from ..boxes.box_formats import convert_boxes
from ..boxes.nms import batched_nms
from ..detectors.letterbox_processor import MOST_DETECTIONS, LetterboxImageProcessor, class_scores

if TYPE_CHECKING:
    from transformers import PreTrainedModel

OPSET = 17
INPUTS = ("pixel_values", "iou_threshold", "score_threshold")
OUTPUTS = ("boxes", "scores", "classes", "pictures")
TRACED_ROWS = 2
CHECKED_ROWS = (1, 3)
TOLERANCE = 1e-4
UNLIKE = 0.01  # share of boxes without a counterpart: of two with equal scores, rounding decides which one stays
DETECTION = "object-detection"


@dataclass(frozen=True)
class DetectorExport:
    """An exported detector.

    Attributes:
        path: The file.
        size_bytes: Its size.
        frame: Height and width of the pictures that it takes.
        iou_threshold: Of the suppression, where a run gives none.
        score_threshold: Least score, likewise.
        labels: The names of the classes, by number.
        max_difference: The largest difference of a box or a score to torch's, over the batches of `CHECKED_ROWS`; None
            where it was not measured.
    """

    path: Path
    size_bytes: int
    frame: tuple[int, int]
    iou_threshold: float
    score_threshold: float
    labels: list[str]
    max_difference: float | None = None


class _Suppression(torch.autograd.Function):
    """ONNX's operator NonMaxSuppression, and the same in torch."""

    @staticmethod
    def forward(
        ctx: Any, boxes: Tensor, scores: Tensor, iou_threshold: Tensor, score_threshold: Tensor, most: int
    ) -> Tensor:
        """See `suppressed`."""
        return suppressed(boxes, scores, float(iou_threshold), float(score_threshold), most)

    @staticmethod
    def symbolic(g: Any, boxes: Any, scores: Any, iou_threshold: Any, score_threshold: Any, most: int) -> Any:
        """The operator."""
        limit = g.op("Constant", value_t=torch.tensor([most]))
        return g.op("NonMaxSuppression", boxes, scores, limit, iou_threshold, score_threshold)


def suppressed(boxes: Tensor, scores: Tensor, iou_threshold: float, score_threshold: float, most: int) -> Tensor:
    """What stays of candidates, as ONNX's operator counts it.

    Args:
        boxes: Corners (B, Q, 4).
        scores: (B, C, Q).
        iou_threshold: Of two boxes of one class that overlap by more, the better one stays.
        score_threshold: What scores no more goes.
        most: Boxes of one class in one picture.

    Returns:
        Numbers of picture, class and candidate, int64 (K, 3); by picture, class, and falling score.
    """
    chosen = []
    for picture, (corners, by_class) in enumerate(zip(boxes, scores, strict=True)):
        for label, score in enumerate(by_class):
            [candidates] = (score > score_threshold).nonzero(as_tuple=True)
            one_class = torch.zeros(len(candidates), dtype=torch.int64)
            kept = candidates[batched_nms(corners[candidates], score[candidates], one_class, iou_threshold)][:most]
            chosen += [(picture, label, number) for number in kept.tolist()]
    return torch.tensor(chosen, dtype=torch.int64, device=boxes.device).reshape(-1, 3)


class _Boxes(nn.Module):
    """From pictures to what is in them, in one forward pass."""

    def __init__(self, model: PreTrainedModel, most: int) -> None:
        super().__init__()
        self.model, self.most = model, most

    def forward(self, pixel_values: Tensor, iou_threshold: Tensor, score_threshold: Tensor) -> tuple[Tensor, ...]:
        """`OUTPUTS` of pictures (B, C, H, W)."""
        outputs = self.model(pixel_values=pixel_values, return_dict=True)
        scores = class_scores(outputs)  # (B, Q, C)
        corners = convert_boxes(outputs["pred_boxes"].float(), "cxcywh", "xyxy")  # (B, Q, 4)
        chosen = _Suppression.apply(corners, scores.transpose(1, 2), iou_threshold, score_threshold, self.most)
        pictures, classes, candidates = chosen[:, 0], chosen[:, 1], chosen[:, 2]
        return corners[pictures, candidates], scores[pictures, candidates, classes], classes, pictures


def export_detector(
    model_or_name: PreTrainedModel | str | Path,
    file: str | Path,
    *,
    processor: LetterboxImageProcessor | None = None,
    max_detections: int = MOST_DETECTIONS,
    check: bool | None = None,
    overwrite: bool = False,
) -> DetectorExport:
    """Write a detector as an ONNX file, whole or not at all.

    The graph takes ``pixel_values`` (B, C, H, W) of the processor's frame, any number of them, and, where a run gives
    them, ``iou_threshold`` and ``score_threshold``, each float32 (1,). It gives ``boxes`` (K, 4), corners in fractions
    of the frame, ``scores`` (K,), ``classes`` (K,) and ``pictures`` (K,), the number of the picture in the batch; by
    picture, class and falling score. That is what the processor's ``post_process_object_detection`` gives, but that all
    candidates compete, where the processor takes the best thousand, and `max_detections` counts by class. The names of
    the classes stand in the file's metadata.

    Args:
        model_or_name: A detector of this plugin, or what `tsugiki.load` takes.
        file: The file to write.
        processor: Its processor, where a model is given.
        max_detections: Boxes of one class in one picture, at most.
        check: Run the file with onnxruntime on two sizes of batches; torch must agree. By default where it is
            installed.
        overwrite: Replace a file that is there.

    Returns:
        What was written.

    Raises:
        PluginError: A package that is needed is missing; says which extra brings it.
        OutputError: The file cannot be written, or is there and not to be replaced.
        OptionError: The model is no detector whose boxes are suppressed, or the file does not do as torch does.
    """
    target = check_output_path(file, (), overwrite=overwrite)
    _require("onnx")
    check = importlib.util.find_spec("onnxruntime") is not None if check is None else check
    if check:
        _require("onnxruntime")
    if max_detections < 1:
        raise OptionError(f"max_detections must be at least 1, not {max_detections}")
    model, processor = _detector(model_or_name, processor)
    defaults = float(processor.iou_threshold), float(getattr(model.config, "score_threshold", 0.5))
    frame = int(processor.size["height"]), int(processor.size["width"])
    network = _Boxes(model, max_detections)
    with eval_mode(network), atomic_file(target, overwrite=overwrite) as partial:
        _export(network, frame, defaults, partial)
        _complete(partial, defaults, model)
        difference = _difference(network, frame, defaults, partial) if check else None
    return DetectorExport(target, target.stat().st_size, frame, *defaults, _labels(model), difference)


def _detector(
    model_or_name: PreTrainedModel | str | Path, processor: LetterboxImageProcessor | None
) -> tuple[PreTrainedModel, LetterboxImageProcessor]:
    from tsugiki.evaluation.evaluate import task_of
    from tsugiki.snapshots.snapshot import Snapshot

    model: Any = model_or_name
    if isinstance(model_or_name, str | Path):
        snapshot = Snapshot.open(model_or_name)
        model, processor = snapshot.model(), snapshot.processor()
    if task_of(model) != DETECTION:
        raise OptionError(f"{type(model).__name__} is no detector; `tsugiki export` writes what it gives")
    if not isinstance(processor, LetterboxImageProcessor) or processor.no_object_class:
        raise OptionError(
            f"boxes of {type(model).__name__} with {type(processor).__name__} are not suppressed; `tsugiki export` "
            "writes what it gives"
        )
    return model, processor


def _labels(model: Any) -> list[str]:
    return [str(model.config.id2label[number]) for number in range(model.config.num_labels)]


def _example(network: _Boxes, frame: tuple[int, int], rows: int) -> Tensor:
    channels = getattr(network.model.config, "num_channels", 3)
    return torch.randn((rows, channels, *frame), generator=torch.Generator().manual_seed(rows)).to(network.model.device)


def _export(network: _Boxes, frame: tuple[int, int], defaults: tuple[float, float], file: Path) -> None:
    inputs = (_example(network, frame, TRACED_ROWS), *(torch.tensor([value]) for value in defaults))
    try:
        with warnings.catch_warnings(), torch.no_grad(), quiet_stdout():
            warnings.simplefilter("ignore")  # tracing tells of every shape that it fixes
            torch.onnx.export(
                network,
                inputs,
                str(file),
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_axes={"pixel_values": {0: "batch"}, **{name: {0: "detections"} for name in OUTPUTS}},
                opset_version=OPSET,
                dynamo=False,
            )
    except OSError:
        raise
    except Exception as error:
        line = str(error).split("\n")[0] or type(error).__name__
        raise OptionError(f"{type(network.model).__name__} cannot be exported to ONNX: {line}") from error


def _complete(file: Path, defaults: tuple[float, float], model: PreTrainedModel) -> None:
    """Let the thresholds be left out, and name the classes."""
    import onnx

    graph = onnx.load(str(file))
    for name, value in zip(INPUTS[1:], defaults, strict=True):
        graph.graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [1], [value]))
    names = json.dumps(dict(enumerate(_labels(model))), ensure_ascii=False)
    onnx.helper.set_model_props(graph, {"classes": names})
    onnx.checker.check_model(graph)
    onnx.save(graph, str(file))


def _difference(network: _Boxes, frame: tuple[int, int], defaults: tuple[float, float], file: Path) -> float:
    """The largest difference between the file and torch, at the usual thresholds and at a low score."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an error that it logs is raised too
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for rows in CHECKED_ROWS:
        pixel_values = _example(network, frame, rows)
        with torch.inference_mode():
            scores = class_scores(network.model(pixel_values=pixel_values, return_dict=True))
            typical = float(scores.flatten().quantile(0.9)) if scores.numel() < 2**20 else defaults[1]
            for least in (defaults[1], typical):
                thresholds = torch.tensor([defaults[0]]), torch.tensor([least])
                expected = network(pixel_values, *thresholds)
                given = dict(zip(INPUTS, (pixel_values, *thresholds), strict=True))
                answers = session.run(list(OUTPUTS), {name: value.cpu().numpy() for name, value in given.items()})
                found = [torch.from_numpy(answer) for answer in answers]
                difference, unlike = _compared(found, [tensor.cpu() for tensor in expected])
                both = len(found[0]) + len(expected[0])
                if unlike > UNLIKE * both:
                    raise OptionError(
                        f"of {both} boxes that the file and torch find in {rows} pictures, {unlike} have no counterpart"
                    )
                largest = max(largest, difference)
    return largest


def _compared(found: Sequence[Tensor], expected: Sequence[Tensor]) -> tuple[float, int]:
    """The largest difference of boxes to their counterparts, and how many on either side have none.

    Both are `OUTPUTS`. Their order is not compared: rounding decides which of two equal scores comes first.
    """
    sides = [
        torch.cat([boxes.double(), torch.stack([scores.double(), classes.double(), pictures.double()], 1)], 1)
        for boxes, scores, classes, pictures in (found, expected)
    ]
    if not len(sides[0]) or not len(sides[1]):
        return 0.0, len(sides[0]) + len(sides[1])
    apart = torch.cdist(sides[0], sides[1], p=float("inf"))
    nearest = torch.cat([apart.amin(0), apart.amin(1)])
    alike = nearest <= TOLERANCE
    return float(nearest[alike].max()) if alike.any() else 0.0, int((~alike).sum())


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise PluginError(f"exporting needs the package {package!r}; install it with: pip install 'tsugiki[onnx]'")
