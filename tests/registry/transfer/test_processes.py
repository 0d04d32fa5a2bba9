"""Fine-tuning in processes of its own: two at once, and one that is killed."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from tsugiki.fingerprint import file_sha256
from tsugiki.output import partial_path
from tsugiki.snapshots.provenance import Provenance

from .. import transfer_script


@pytest.mark.two_processes(job=transfer_script.finetune_by_two)
def test_two_processes_make_one_snapshot_that_says_so(made_by_two):
    output = made_by_two / "model"
    assert Provenance.read(output).hardware.processes == 2
    assert not partial_path(output).exists()


@pytest.mark.two_processes(job=transfer_script.finetune_spots_by_two)
def test_two_processes_by_the_loss_alone_give_what_one_gives(made_by_two, tmp_path):
    two, one = made_by_two / "model", tmp_path / "one"
    transfer_script.finetune_spots(made_by_two, one)
    records = [Provenance.read(output).transfer for output in (two, one)]
    assert records[0].depth == records[1].depth
    assert records[0].training.learning_rate == records[1].training.learning_rate
    weights = [load_file(output / "model.safetensors") for output in (two, one)]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-4, atol=1e-5)


@pytest.mark.killed(job=transfer_script.finetune_and_be_killed)
def test_killed_and_run_again_gives_the_weights_of_an_unbroken_run(left_by_killed, tmp_path):
    unbroken, output = tmp_path / "unbroken", left_by_killed / "model"
    assert not output.exists()
    assert partial_path(output).exists()
    transfer_script.finetune(left_by_killed, unbroken)
    transfer_script.finetune(left_by_killed, output)
    assert file_sha256(output / "model.safetensors") == file_sha256(unbroken / "model.safetensors")
    assert not partial_path(output).exists()
