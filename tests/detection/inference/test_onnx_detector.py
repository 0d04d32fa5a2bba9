"""A detector in ONNX, suppression included, held against the processor's own post-processing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import tsugiki
from tsugiki.errors import OptionError, OutputError
from tsugiki_detection.inference import export_command
from tsugiki_detection.inference.onnx_detector import OUTPUTS, export_detector, suppressed

from .tiny_detector import SIDE, tiny_detector

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    model, processor = tiny_detector(folder / "yolo", num_labels=3)
    export = export_detector(folder / "yolo", folder / "yolo.onnx")
    session = onnxruntime.InferenceSession(str(export.path), providers=["CPUExecutionProvider"])
    return model, processor, export, session


def ask(session, pixels: torch.Tensor, **thresholds: float) -> list[np.ndarray]:
    given = {name: np.array([value], np.float32) for name, value in thresholds.items()}
    return session.run(list(OUTPUTS), {"pixel_values": pixels.numpy(), **given})


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize(("threshold", "iou_threshold"), [(0.05, 0.6), (0.02, 0.2), (0.1, 0.9)])
@torch.inference_mode()
def test_the_graph_finds_what_the_processor_finds(exported, rows, threshold, iou_threshold):
    model, processor, _, session = exported
    pixels = torch.randn((rows, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(rows))
    boxes, scores, classes, pictures = ask(session, pixels, iou_threshold=iou_threshold, score_threshold=threshold)
    own = type(processor)(size=dict(processor.size), iou_threshold=iou_threshold)
    expected = own.post_process_object_detection(model(pixel_values=pixels), threshold, max_detections=10**6)
    assert sum(len(one["scores"]) for one in expected) == len(scores) > 0
    for number, one in enumerate(expected):
        mine = pictures == number
        order = np.argsort(-scores[mine], kind="stable")
        np.testing.assert_allclose(scores[mine][order], one["scores"], atol=1e-5)
        np.testing.assert_array_equal(classes[mine][order], one["labels"])
        np.testing.assert_allclose(boxes[mine][order], one["boxes"], atol=1e-4)


@torch.inference_mode()
def test_thresholds_may_be_left_out_and_nothing_is_an_answer(exported):
    model, processor, export, session = exported
    pixels = torch.randn((2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(7))
    usual = ask(session, pixels)
    given = ask(session, pixels, iou_threshold=processor.iou_threshold, score_threshold=model.config.score_threshold)
    for one, other in zip(usual, given, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [len(one) for one in ask(session, pixels, score_threshold=1.0)] == [0, 0, 0, 0]
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == {
        str(number): name for number, name in model.config.id2label.items()
    }
    assert export.max_difference < 1e-4
    assert export.frame == (SIDE, SIDE)


@torch.inference_mode()
def test_suppression_counts_as_the_operator_does(exported, tmp_path):
    import onnx

    names = ["boxes", "scores", "most", "iou", "least"]
    node = onnx.helper.make_node("NonMaxSuppression", names, ["chosen"])
    kinds = [onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, *[onnx.TensorProto.FLOAT] * 2]
    inputs = [onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in zip(names, kinds, strict=True)]
    chosen = onnx.helper.make_tensor_value_info("chosen", onnx.TensorProto.INT64, None)
    graph = onnx.helper.make_graph([node], "nms", inputs, [chosen])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    low, size = torch.rand((3, 80, 2), generator=generator), torch.rand((3, 80, 2), generator=generator)
    boxes, scores = torch.cat([low, low + size], -1), torch.rand((3, 4, 80), generator=generator)
    for most, iou, least in ((100, 0.5, 0.3), (3, 0.2, 0.0), (100, 0.9, 0.99)):
        values = (boxes.numpy(), scores.numpy(), np.array([most]), *np.array([[iou], [least]], np.float32))
        [expected] = session.run(None, dict(zip(names, values, strict=True)))
        np.testing.assert_array_equal(suppressed(boxes, scores, iou, least, most), expected)


def test_the_command_writes_and_tells(exported, tmp_path, capsys):
    file = tmp_path / "cells.onnx"
    folder = exported[2].path.parent / "yolo"
    export_command.command(str(folder), str(file), json=True, max_detections=5)
    facts = json.loads(capsys.readouterr().out)
    assert facts["outputs"] == list(OUTPUTS)
    assert facts["opset"] == 17
    assert facts["size_bytes"] == file.stat().st_size
    with pytest.raises(OutputError, match="exists already"):
        export_command.command(str(folder), str(file))
    export_command.command(str(folder), str(file), overwrite=True, check=False)
    assert "iou_threshold 0.6" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert len(session.get_inputs()) == 1  # those that may be left out are no inputs for onnxruntime
    assert len(session.get_overridable_initializers()) == 2


def test_what_is_no_detector_is_refused(exported, tmp_path):
    model, *_ = exported
    with pytest.raises(OptionError, match="is no detector"):
        export_detector("lenet5-mnist", tmp_path / "a.onnx")
    with pytest.raises(OptionError, match="are not suppressed"):
        export_detector(model, tmp_path / "a.onnx", processor=tsugiki.load_processor("lenet5-mnist"))
    with pytest.raises(OptionError, match="at least 1"):
        export_detector(model, tmp_path / "a.onnx", max_detections=0)
    assert list(tmp_path.iterdir()) == []
