"""Fine-tuning in processes of its own: two at once, and one that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tsugiki.fingerprint import file_sha256
from tsugiki.output import partial_path
from tsugiki.snapshots.provenance import Provenance

from .. import transfer_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "halves"
    folder.mkdir()
    transfer_data.dataset(8).to_parquet(folder / "train.parquet")
    transfer_data.dataset(10, seed=1).to_parquet(folder / "test.parquet")
    return folder


def finetune(data: Path, output: Path, *launcher: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *launcher, "-m", "tsugiki", "finetune", "lenet5-mnist", str(data)]
    command += ["--output-dir", str(output), "--depth", "2", "--max-steps", "12", "--learning-rate", "0.001"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_two_processes_make_one_snapshot_that_says_so(data, tmp_path):
    output = tmp_path / "model"
    done = finetune(data, output, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    assert done.returncode == 0, done.stderr
    assert Provenance.read(output).hardware.processes == 2
    assert not partial_path(output).exists()


def test_killed_and_run_again_gives_the_weights_of_an_unbroken_run(data, tmp_path):
    unbroken, output = tmp_path / "unbroken", tmp_path / "model"
    done = finetune(data, unbroken)
    assert done.returncode == 0, done.stderr
    killing = tmp_path / "killing.py"
    killing.write_text(
        "import os, signal, sys\n"
        "from tsugiki.transfer import finetune\n"
        "measure = finetune.measure\n"
        "def kill(*arguments): os.kill(os.getpid(), signal.SIGKILL)\n"
        "finetune.measure = kill\n"
        "from tsugiki.cli import main\n"
        "sys.exit(main())\n"
    )
    command = ["finetune", "lenet5-mnist", str(data), "--output-dir", str(output), "--depth", "2"]
    command += ["--max-steps", "12", "--learning-rate", "0.001"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, str(killing), *command], env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not output.exists()
    assert partial_path(output).exists()
    done = finetune(data, output)
    assert done.returncode == 0, done.stderr
    assert file_sha256(output / "model.safetensors") == file_sha256(unbroken / "model.safetensors")
    assert not partial_path(output).exists()
