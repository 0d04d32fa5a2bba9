"""Fine-tuning in processes of its own: two at once, and one that is killed."""

from __future__ import annotations

import pytest
from tsugiki.fingerprint import file_sha256
from tsugiki.output import partial_path
from tsugiki.snapshots.provenance import Provenance

from .. import transfer_script


@pytest.mark.two_processes(job=transfer_script.finetune_by_two)
def test_two_processes_make_one_snapshot_that_says_so(made_by_two):
    output = made_by_two / "model"
    assert Provenance.read(output).hardware.processes == 2
    assert not partial_path(output).exists()


@pytest.mark.killed(job=transfer_script.finetune_and_be_killed)
def test_killed_and_run_again_gives_the_weights_of_an_unbroken_run(left_by_killed, tmp_path):
    unbroken, output = tmp_path / "unbroken", left_by_killed / "model"
    assert not output.exists()
    assert partial_path(output).exists()
    transfer_script.finetune(left_by_killed, unbroken)
    transfer_script.finetune(left_by_killed, output)
    assert file_sha256(output / "model.safetensors") == file_sha256(unbroken / "model.safetensors")
    assert not partial_path(output).exists()
