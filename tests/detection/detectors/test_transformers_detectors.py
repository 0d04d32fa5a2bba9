"""Detectors that only transformers declares: fine-tuned by their folder, asked, verified; labels and scores theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
import tsugiki
from transformers.models.detr.image_processing_pil_detr import DetrImageProcessorPil
from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil
from transformers.models.yolos.image_processing_pil_yolos import YolosImageProcessorPil
from transformers.utils import ModelOutput
from tsugiki_detection.detectors.letterbox_processor import LetterboxImageProcessor
from tsugiki_detection.detectors.object_detection import ObjectDetection
from tsugiki_detection.detectors.transformers_detectors import in_one_frame, scores_by_softmax

from .detection_data import NAMES, pictures

SIZES = {"embedding_size": 8, "hidden_sizes": [8] * 4, "depths": [1] * 4}
NO_DOWNLOAD = {"backbone": None, "use_timm_backbone": False, "use_pretrained_backbone": False}
NARROW = {"d_model": 16, "decoder_layers": 1, "decoder_ffn_dim": 16, "decoder_attention_heads": 2, "num_queries": 8}
ENCODER = {"encoder_layers": 1, "encoder_ffn_dim": 16, "encoder_attention_heads": 2}
SHORTEST = {"shortest_edge": 64, "longest_edge": 96}


def resnet() -> Any:
    return transformers.ResNetConfig(**SIZES, out_features=["stage4"])


def yolos() -> tuple[Any, Any]:
    width = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.YolosConfig(**width, image_size=[64, 64], patch_size=8, num_detection_tokens=8, num_labels=3)
    return transformers.YolosForObjectDetection(config), YolosImageProcessorPil(size=SHORTEST)


def detr() -> tuple[Any, Any]:
    config = transformers.DetrConfig(backbone_config=resnet(), **NO_DOWNLOAD, **NARROW, **ENCODER, num_labels=3)
    return transformers.DetrForObjectDetection(config), DetrImageProcessorPil(size=SHORTEST)


def rt_detr() -> tuple[Any, Any]:
    backbone = transformers.RTDetrResNetConfig(**SIZES, out_features=["stage2", "stage3", "stage4"])
    fields = {"encoder_hidden_dim": 16, "encoder_in_channels": [8] * 3, "decoder_in_channels": [16] * 3}
    config = transformers.RTDetrConfig(
        backbone_config=backbone, **NO_DOWNLOAD, **NARROW, **fields, encoder_ffn_dim=16, num_labels=3, num_denoising=4
    )
    return transformers.RTDetrForObjectDetection(config), RTDetrImageProcessorPil(size={"height": 64, "width": 64})


KINDS = {"yolos": yolos, "detr": detr, "rt_detr": rt_detr}


def saved(kind: str, folder: Path) -> Path:
    """A folder as transformers alone writes it."""
    torch.manual_seed(0)
    model, processor = KINDS[kind]()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_one_is_fine_tuned_asked_and_verified(kind, tmp_path):
    data = pictures(12)
    base = saved(kind, tmp_path / kind)
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", max_steps=2, progress=False)
    assert "a new head for the labels 'square', 'disc'" in str(result.report)
    assert [name for _, name in sorted(result.model.config.id2label.items())] == NAMES
    assert tsugiki.verify(result.path, data).ok
    loaded, processor = tsugiki.load(result.path), tsugiki.load_processor(result.path)
    loaded.config.score_threshold = 0.0
    [answers] = ObjectDetection().predict(loaded, processor, [data[0]["image"]])
    assert len(answers) >= 8  # a box for each query and class
    assert all(0 <= one["box"]["xmin"] <= one["box"]["xmax"] <= 64 for one in answers)


@pytest.mark.parametrize("kind", KINDS)
def test_the_body_of_the_base_stays_and_heads_of_other_shape_are_fresh(kind, tmp_path):
    base = saved(kind, tmp_path / kind)
    result = tsugiki.finetune(base, pictures(12), output_dir=tmp_path / "mine", depth=1, max_steps=1, progress=False)
    before, after = tsugiki.load(base).state_dict(), result.model.state_dict()
    resized = {name for name, value in before.items() if value.shape != after[name].shape}
    assert resized
    assert all("class" in name or "score" in name for name in resized)
    lowest = next(name for name, _ in tsugiki.load(base).named_parameters())
    assert torch.equal(before[lowest], after[lowest])


def test_labels_are_those_of_their_own_processor(tmp_path):
    data = pictures(3)
    model, processor = rt_detr()
    task = ObjectDetection()
    batch = task.learning_rows(model, task.table(data, processor)).batch([0, 1, 2])
    annotations = [
        {
            "image_id": row,
            "annotations": [
                {"image_id": row, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
                for box, label in zip(one["bbox"], one["category"], strict=True)
            ],
        }
        for row, one in enumerate(data["objects"])
    ]
    theirs = processor(images=data["image"][:], annotations=annotations, return_tensors="pt")
    for ours, their in zip(batch["labels"], theirs["labels"], strict=True):
        assert torch.equal(ours["class_labels"], torch.as_tensor(their["class_labels"]))
        torch.testing.assert_close(ours["boxes"], torch.as_tensor(their["boxes"], dtype=torch.float32))
    torch.testing.assert_close(batch["pixel_values"], theirs["pixel_values"], atol=0.02, rtol=0)
    assert np.isfinite(model(**batch).loss.item())


def test_what_is_only_there_to_be_ignored_is_no_label():
    data = pictures(2)
    model, processor = yolos()
    task = ObjectDetection()
    table = task.table(data, processor)
    table.columns["labels"][0, 0, 5] = 1
    counts = [len(one["boxes"]) for one in task.learning_rows(model, table).batch([0, 1])["labels"]]
    assert counts == [len(data[0]["objects"]["bbox"]) - 1, len(data[1]["objects"]["bbox"])]


@pytest.mark.parametrize(("kind", "softmax"), [("yolos", True), ("detr", True), ("rt_detr", False)])
def test_scores_are_those_of_their_own_processor(kind, softmax):
    processor = KINDS[kind]()[1]
    assert scores_by_softmax(processor) is softmax
    frame = in_one_frame(processor)
    if kind == "rt_detr":
        assert frame is processor
        return
    assert isinstance(frame, LetterboxImageProcessor)
    assert frame.size == {"height": 64, "width": 64}
    generator = torch.Generator().manual_seed(0)
    output = ModelOutput(
        logits=3 * torch.randn(2, 20, 4, generator=generator),
        pred_boxes=torch.rand(2, 20, 4, generator=generator) * 0.2 + 0.4,
    )
    sizes = [(64, 64), (64, 64)]
    for ours, theirs in zip(
        frame.post_process_object_detection(output, 0.6, sizes),
        processor.post_process_object_detection(output, 0.6, sizes),
        strict=True,
    ):
        order = theirs["scores"].argsort(descending=True)
        assert len(order) > 3
        for name in ("scores", "labels", "boxes"):
            torch.testing.assert_close(ours[name], theirs[name][order])


def test_all_boxes_are_told_unless_somebody_says_how_many():
    torch.manual_seed(0)
    model, processor = detr()
    model.config.score_threshold = 0.0
    picture, task = pictures(1)[0]["image"], ObjectDetection()
    [every] = task.predict(model, processor, [picture])
    [few] = task.predict(model, processor, [picture], top_k=3)
    assert len(every) == 8  # queries
    assert few == every[:3]


@pytest.mark.parametrize(
    ("size", "side"),
    [({"shortest_edge": 48, "longest_edge": 96}, 48), ({"max_height": 72, "max_width": 96}, 96)],
)
def test_whatever_keeps_a_pictures_shape_becomes_a_square(size, side):
    frame = in_one_frame(DetrImageProcessorPil(size=size))
    assert frame.size == {"height": side, "width": side}
    fixed = DetrImageProcessorPil(size={"height": 40, "width": 60})
    assert in_one_frame(fixed) is fixed
