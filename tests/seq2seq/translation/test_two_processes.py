"""Two processes: the losses and weights of one at the same global batch, whatever the lengths of the texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from .. import training_script


@pytest.fixture(scope="module")
def made_by_one(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    training_script.train_all(folder)
    return folder


@pytest.mark.two_processes(job=training_script.train_all)
@pytest.mark.parametrize("family", training_script.SIZES)
def test_two_processes_give_the_losses_of_one_at_the_same_global_batch(family, made_by_one, made_by_two):
    folders = (made_by_one, made_by_two)
    one, two = (json.loads((folder / f"{family}.json").read_text()) for folder in folders)
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["steps"] == two["steps"] == len(one["losses"]) == training_script.STEPS
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-4)
    assert one["losses"][-1] < one["losses"][0]
    expected, weights = (load_file(folder / f"{family}.safetensors") for folder in folders)
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-4, msg=name)
