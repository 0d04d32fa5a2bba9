"""What every task has, what tasks with named labels have besides, and the one way that serves both."""

from __future__ import annotations

import inspect

import pytest
import torch
from datasets import Dataset
from tsugiki.labelled_task import BoundTask, LabelledTask
from tsugiki.registry import registry
from tsugiki.shared_tasks import SHARED_TASKS
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable

from ..task_labels import check_labels

DATA = Dataset.from_dict({"text": ["a"], "label": ["x"]})
TABLE = TensorTable({"input_ids": torch.zeros(1, 2)})


class Plain(Task):
    name = "plain"

    def read_rows(self, dataset, processor, columns):
        return TABLE

    def row_scores(self, predictions):
        return predictions.outputs

    def metrics(self, predictions, *, seed=0):
        return {}

    def figures(self, predictions, table, folder):
        return ["drawn"]

    def answer(self, model, processor, inputs, *, top_k):
        return []


class Labelled(Plain, LabelledTask):
    name = "labelled"

    def label_names(self, dataset, columns):
        return ["x", "y"]

    def read_rows(self, dataset, processor, columns, label_names=()):
        return list(label_names)

    def figures(self, predictions, table, folder, *, label_names=()):
        return list(label_names)


def test_the_base_class_knows_nothing_of_labels_and_right_answers():
    assert not {"label_names", "config_fields", "correct", "counted", "has_classes"} & set(dir(Task))
    for method in (Task.table, Task.figures):
        assert "label_names" not in inspect.signature(method).parameters


def test_a_task_without_labels_is_served_like_one_with_them():
    bound = BoundTask.to_data(Plain(), DATA, {})
    assert (list(bound.label_names), bound.config_fields()) == ([], {})
    assert bound.table(DATA, None) is TABLE
    assert bound.figures(None, TABLE, None) == ["drawn"]
    assert BoundTask(Plain(), ["LABEL_0", "LABEL_1"]).table(DATA, None) is TABLE  # what a config without labels has


def test_the_labels_of_training_data_reach_config_table_and_figures():
    bound = BoundTask.to_data(Labelled(), DATA, {})
    assert bound.config_fields() == {"id2label": {0: "x", 1: "y"}, "label2id": {"x": 0, "y": 1}}
    assert bound.table(DATA, None) == bound.figures(None, None, None) == ["x", "y"]


@pytest.mark.parametrize("name", sorted(SHARED_TASKS))
def test_only_tasks_with_labels_take_their_names(name):
    check_labels(registry().task_class(name))
