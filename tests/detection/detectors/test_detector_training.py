"""Training of detectors: anchors from the data, two processes as one, a kill as none, and that a few steps teach."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tsugiki.training.job import TrainingJob
from tsugiki.transfer.graft import graft
from tsugiki_detection.boxes.anchors import mean_anchor_iou
from tsugiki_detection.detectors.box_labels import BOX, CLASS
from tsugiki_detection.detectors.detector_training import train_detector
from tsugiki_detection.detectors.fitted_anchors import anchors_of
from tsugiki_detection.detectors.letterbox_processor import LetterboxImageProcessor
from tsugiki_detection.detectors.object_detection import ObjectDetection
from tsugiki_detection.detectors.yolo import YOLOConfig, YOLOForObjectDetection

from . import detector_script
from .detection_data import NAMES, pictures
from .detector_script import ARGUMENTS, FIELDS

PROCESSOR = LetterboxImageProcessor(size={"height": 64, "width": 64})


@pytest.fixture(scope="module")
def by_groups(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    detector_script.train_by_groups(folder)
    return folder


@pytest.mark.two_processes(job=detector_script.train_by_groups)
def test_two_processes_learn_what_one_learns(by_groups, made_by_two):
    one, two = (json.loads((folder / "result.json").read_text()) for folder in (by_groups, made_by_two))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["losses"] == pytest.approx(one["losses"], rel=2e-3)


@pytest.mark.killed(job=detector_script.train_and_be_killed)
def test_a_kill_equals_none(left_by_killed, tmp_path):
    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    detector_script.train(unbroken)
    folder = shutil.copytree(left_by_killed, tmp_path / "killed")
    assert not (folder / "result.json").exists()
    detector_script.train(folder)
    assert (folder / "weights.safetensors").read_bytes() == (unbroken / "weights.safetensors").read_bytes()
    assert len(load_file(folder / "weights.safetensors")) > 20


def test_anchors_of_the_finest_level_are_the_smallest():
    table = ObjectDetection().table(pictures(20), PROCESSOR)
    anchors = anchors_of(table.labels, 2, 3, seed=0)
    flat = torch.tensor(anchors).flatten(0, 1)
    assert flat.prod(1).tolist() == sorted(flat.prod(1).tolist())
    sizes = table.labels[table.labels[..., CLASS] >= 0][:, BOX][:, 2:].double().numpy()
    assert mean_anchor_iou(sizes, flat.double().numpy()) > 0.9
    empty = table.select([0])
    empty.columns["labels"][..., CLASS] = -100
    assert len(anchors_of(empty.labels, 2, 3, seed=0)) == 2


def test_training_sets_anchors_and_the_score_to_ask_for(tmp_path):
    task = ObjectDetection()
    table, validation = task.table(pictures(16), PROCESSOR), task.table(pictures(4, seed=1), PROCESSOR)
    torch.manual_seed(0)
    model = YOLOForObjectDetection(YOLOConfig(**FIELDS, score_threshold=0.123))
    job = TrainingJob(
        table, tmp_path / "run", {**ARGUMENTS, "num_train_epochs": 1}, validation=validation, task=task, progress=False
    )
    result = train_detector(model, job)
    assert model.config.anchors == anchors_of(table.labels, 2, 3, seed=job.seed)
    assert model.config.score_threshold != 0.123
    assert {"eval_map", "eval_map_50"} <= set(result.history[-1])
    model.save_pretrained(tmp_path / "saved")
    assert YOLOConfig.from_pretrained(tmp_path / "saved").anchors == model.config.anchors


def test_a_new_head_takes_its_anchors_from_the_new_boxes_and_an_old_one_keeps_its_own():
    data, task = pictures(12), ObjectDetection()
    columns = task.columns(data)
    anchors = [[[0.5, 0.5]] * 3, [[0.9, 0.9]] * 3]
    fresh = {name: value for name, value in FIELDS.items() if name not in ("num_labels", "id2label", "label2id")}
    base = YOLOForObjectDetection(YOLOConfig(**fresh, anchors=anchors, id2label={0: "cat"}))
    adaptation = task.relabelled(task.adapted(base, PROCESSOR, data, columns), base, NAMES)
    fitted = anchors_of(task.table(data, PROCESSOR).labels, 2, 3, seed=0)
    assert adaptation.head_fields["anchors"] == fitted
    assert graft(base, adaptation.head_fields).config.anchors == fitted
    knows = YOLOForObjectDetection(YOLOConfig(**fresh, anchors=anchors, id2label=dict(enumerate(NAMES))))
    assert task.relabelled(task.adapted(knows, PROCESSOR, data, columns), knows, NAMES).head_fields == {}
