"""Ensembles: the mean of the members' probabilities, matched by the names of the classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tsugiki import evaluate, load
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.ensemble import evaluate_ensemble
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.registry import registry

from .. import training_script
from ..recipes.test_train_recipe import striped


def write_member(folder, seed: int, names: list[str]):
    torch.manual_seed(seed)
    model = training_script.network("plain")
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: number for number, name in enumerate(names)}
    model.save_pretrained(folder)
    processor = registry().family("plain").processor_class()
    processor(size={"height": 16, "width": 16}, image_mean=[0.5], image_std=[0.25]).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    return [
        write_member(folder / "a", 1, ["lying", "standing"]),
        write_member(folder / "b", 2, ["standing", "lying"]),
        write_member(folder / "c", 3, ["lying", "standing"]),
    ]


def test_members_answer_together(members):
    data = striped(range(60))
    result = evaluate_ensemble(members, data)
    table = training_script.stripes().select(range(60))
    probabilities = []
    for folder, order in zip(members, ([0, 1], [1, 0], [0, 1]), strict=True):
        probabilities.append(softmax(predict_table(load(folder), table).outputs[:, order], axis=-1))
        assert result.members[str(folder)] == evaluate(folder, data)
    right = np.mean(probabilities, axis=0).argmax(1) == table.labels.numpy()
    assert result.metrics["accuracy"].value == pytest.approx(right.mean())


def test_one_member_is_no_ensemble(members):
    with pytest.raises(OptionError, match="two or more different members"):
        evaluate_ensemble([members[0], members[0]], striped(range(4)))


def test_other_classes_are_refused(members, tmp_path):
    stranger = write_member(tmp_path / "d", 4, ["lying", "running"])
    with pytest.raises(DataError, match="with the classes lying, running"):
        evaluate_ensemble([members[0], stranger], striped(range(4)))
