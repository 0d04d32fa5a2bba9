"""Two processes: the losses and weights of one at the same global batch, whatever the lengths of the texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from .. import training_script


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """What one process and two made of all families."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for family in training_script.SIZES:
        training_script.train(family, one)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, str(Path(training_script.__file__)), str(two)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return one, two


@pytest.mark.parametrize("family", training_script.SIZES)
def test_two_processes_give_the_losses_of_one_at_the_same_global_batch(family, folders):
    one, two = (json.loads((folder / f"{family}.json").read_text()) for folder in folders)
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["steps"] == two["steps"] == len(one["losses"]) == training_script.STEPS
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-4)
    assert one["losses"][-1] < one["losses"][0]
    expected, weights = (load_file(folder / f"{family}.safetensors") for folder in folders)
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-4, msg=name)
