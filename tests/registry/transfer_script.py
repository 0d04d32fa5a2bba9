"""A small fine-tuning by the command, in this process, on two, or in one that is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from unittest.mock import patch

from tsugiki import cli
from tsugiki.training.processes import is_main_process, wait_for_all

from . import tiny_snapshots, transfer_data


def write_data(folder: Path) -> None:
    """Write training and test data into ``halves``, and an untrained network into ``base``."""
    tiny_snapshots.write_snapshot(folder / "base")
    (folder / "halves").mkdir()
    transfer_data.dataset(8).to_parquet(folder / "halves" / "train.parquet")
    transfer_data.dataset(10, seed=1).to_parquet(folder / "halves" / "test.parquet")


def finetune(folder: Path, output: Path) -> None:
    """``tsugiki finetune`` on the network and the data of a folder."""
    words = ["finetune", str(folder / "base"), str(folder / "halves"), "--output-dir", str(output)]
    assert cli.main([*words, "--depth", "2", "--max-steps", "12", "--learning-rate", "0.001"]) == 0


def finetune_by_two(folder: Path) -> None:
    """The job of two processes: they make ``model``."""
    if is_main_process():
        write_data(folder)
    wait_for_all()
    finetune(folder, folder / "model")


def finetune_spots_by_two(folder: Path) -> None:
    """The job of two processes that make ``model`` by the loss alone, of labels that are lists."""
    if is_main_process():
        tiny_snapshots.write_spots(folder / "base")
        transfer_data.spots(40).to_parquet(folder / "spots.parquet")
    wait_for_all()
    finetune_spots(folder, folder / "model")


def finetune_spots(folder: Path, output: Path) -> None:
    """``tsugiki finetune`` on spots, with the depth chosen."""
    words = ["finetune", str(folder / "base"), str(folder / "spots.parquet"), "--output-dir", str(output)]
    steps = ["--max-steps", "6", "--per-device-train-batch-size", "8"]
    assert cli.main([*words, *steps]) == 0


def finetune_and_be_killed(folder: Path) -> None:
    """The job that SIGKILL ends where the trained model is to be measured: it was making ``model``."""
    write_data(folder)
    with patch("tsugiki.transfer.outcome.measure", lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)):
        finetune(folder, folder / "model")
