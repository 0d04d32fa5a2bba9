"""Evaluation: predictions in order, by whatever name the model and the data go."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from tsugiki import evaluate, load
from tsugiki.errors import DataError
from tsugiki.evaluation.evaluate import pick_split, predict_table, task_of
from tsugiki.snapshots.loading import load_processor

from .. import training_script
from ..recipes.test_train_recipe import striped


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = training_script.network("plain")
    model.config.id2label, model.config.label2id = {0: "lying", 1: "standing"}, {"lying": 0, "standing": 1}
    model.save_pretrained(folder)
    from tsugiki.registry import registry

    processor = registry().family("plain").processor_class()
    processor(size={"height": 16, "width": 16}, image_mean=[0.5], image_std=[0.25]).save_pretrained(folder)
    return folder


def test_predictions_are_in_order_whatever_the_batch_size(snapshot):
    model, table = load(snapshot), training_script.stripes()
    whole, parts = predict_table(model, table, batch_size=1000), predict_table(model, table, batch_size=7)
    assert np.allclose(whole.outputs, parts.outputs, atol=1e-5)
    assert np.array_equal(whole.labels, table.labels.numpy())
    with torch.inference_mode():
        expected = model(**{k: v for k, v in table.batch([5]).items() if k != "labels"}).logits
    assert np.allclose(whole.outputs[5], expected[0].numpy(), atol=1e-5)


def test_training_mode_is_restored(snapshot):
    model = load(snapshot).train()
    predict_table(model, training_script.stripes())
    assert model.training


def test_names_models_data_sets_and_tables_give_one_figure(snapshot):
    data = striped(range(80))
    figure = evaluate(snapshot, data)["accuracy"]
    assert evaluate(load(snapshot), data, processor=load_processor(snapshot))["accuracy"] == figure
    assert evaluate(load(snapshot), datasets.DatasetDict(test=data, train=data))["accuracy"] == figure
    assert evaluate(snapshot, training_script.stripes().select(range(80)))["accuracy"] == figure
    assert figure.n == 80


def test_splits_are_picked_in_order():
    rows = striped(range(4))
    assert pick_split(datasets.DatasetDict(train=rows, validation=rows, test=rows), None) == "test"
    assert pick_split(datasets.DatasetDict(train=rows, validation=rows), None) == "validation"
    assert pick_split(datasets.DatasetDict(other=rows), None) == "other"
    assert pick_split(rows, None) is None
    with pytest.raises(DataError, match="has the splits a, b; name one with split="):
        pick_split(datasets.DatasetDict(a=rows, b=rows), None)


def test_a_label_that_the_model_does_not_know_is_refused(snapshot):
    data = striped(range(8)).cast_column("label", datasets.ClassLabel(names=["lying", "leaning"]))
    with pytest.raises(DataError, match=r"'leaning' .* unknown to the model"):
        evaluate(snapshot, data)


def test_task_of_a_bare_network_must_be_named():
    from tsugiki import create_model

    assert task_of(create_model("plain", "image-classification")) == "image-classification"
    with pytest.raises(DataError, match="belongs to no registered task"):
        task_of(create_model("plain", "base"))
