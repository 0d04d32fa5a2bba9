"""What a killed training continues from: states, folders of one run, phases."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from tsugiki.errors import OptionError, OutputError
from tsugiki.output import Unfinished
from tsugiki.tensor_table import TensorTable
from tsugiki.training import resumable
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.phases import join_results, run_phase
from tsugiki.training.resumable import PHASE, STATE, StateFile, clear_checkpoints, has_progress


def job(folder: Path, **attributes: object) -> TrainingJob:
    return TrainingJob(TensorTable({"labels": torch.zeros(2)}), folder, **attributes)


class Tied(nn.Module):
    """Two layers that share their weights, as embeddings and output of a language model do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight


def test_a_state_comes_back_as_it_was_written(tmp_path):
    state = StateFile(tmp_path / "deep" / STATE, {"sizes": (2, 3), "rate": 0.1})
    assert state.read() is None
    tensors = {"a": torch.arange(6).view(2, 3).T, "b": torch.tensor(1.5)}
    state.write(tensors, {"history": [{"loss": 0.25}], "steps": 7})
    found, record = StateFile(tmp_path / "deep" / STATE, {"sizes": [2, 3], "rate": 0.1}).read()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert record == {"history": [{"loss": 0.25}], "steps": 7}


def test_the_state_of_another_run_is_refused(tmp_path):
    StateFile(tmp_path / STATE, {"seed": 0}).write({"a": torch.zeros(1)}, {})
    with pytest.raises(OptionError, match="other options or other data; remove it to start anew"):
        StateFile(tmp_path / STATE, {"seed": 1}).read()


def test_what_tells_runs_apart_is_not_legible_in_their_folders(tmp_path):
    run = {"options": {"hub_token": "hf_secret"}, "data": "/home/alice/clinic"}
    unfinished = Unfinished(tmp_path / "out")
    unfinished.claim(run, replace=False)
    StateFile(unfinished.folder / STATE, run).write({"a": torch.zeros(1)}, {})
    files = list(unfinished.folder.iterdir())
    assert len(files) == 2
    for file in files:
        assert b"hf_secret" not in file.read_bytes()
        assert b"alice" not in file.read_bytes()


def test_a_write_that_fails_leaves_the_state_before_it(tmp_path, monkeypatch):
    state = StateFile(tmp_path / STATE, {})
    state.write({"a": torch.ones(1)}, {"step": 1})

    def full(tensors, path, **options):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resumable, "save_file", full)
    with pytest.raises(OutputError, match="no space left on the disk"):
        state.write({"a": torch.zeros(1)}, {"step": 2})
    assert state.read() == ({"a": torch.ones(1)}, {"step": 1})
    assert [path.name for path in tmp_path.iterdir()] == [STATE]


@pytest.mark.parametrize("left", ["checkpoint-3", f"phase/{STATE}", f"a/b/{PHASE}"])
def test_progress_is_what_a_run_can_continue_from(tmp_path, left):
    assert not has_progress(tmp_path)
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).mkdir() if left.startswith("checkpoint") else (tmp_path / left).touch()
    assert has_progress(tmp_path)


def test_a_phase_is_trained_once_and_its_checkpoints_go(tmp_path):
    calls = []

    def train(model: Tied, phase: TrainingJob) -> FitResult:
        calls.append(phase.title)
        nn.init.constant_(model.first.weight, 7.0)
        StateFile(phase.output_dir / STATE, {}).write({"a": torch.zeros(1)}, {})
        (phase.output_dir / "checkpoint-1").mkdir()
        return FitResult(2.0, [{"epoch": 1.0, "loss": 0.5}], steps=4)

    phase = job(tmp_path, title="both").phase("first")
    result = run_phase(Tied(), phase, train)
    assert [path.name for path in phase.output_dir.iterdir()] == [PHASE]
    again = Tied()
    assert run_phase(again, phase, train) == result
    assert calls == ["both: first"]
    assert (again.first.weight == 7).all()
    assert again.second.weight is again.first.weight
    anew = job(tmp_path, title="both", resume=False).phase("first")
    run_phase(Tied(), anew, lambda model, phase: FitResult(1.0))
    assert run_phase(Tied(), phase, train).seconds == 1.0


def test_results_of_phases_are_joined_with_running_epochs():
    joined = join_results(
        [
            FitResult(2.0, [{"epoch": 1.0}, {"epoch": 2.0}], 4),
            FitResult(1.0),
            FitResult(3.0, [{"epoch": 1.0}], 5, 1, 0.9),
        ]
    )
    assert [entry["epoch"] for entry in joined.history] == [1, 2, 3]
    assert (joined.seconds, joined.steps, joined.best_metric) == (6.0, 9, 0.9)


def test_clearing_keeps_what_is_done(tmp_path):
    (tmp_path / "checkpoint-2").mkdir()
    for name in (STATE, PHASE):
        (tmp_path / name).touch()
    clear_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [PHASE]
    clear_checkpoints(tmp_path)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1"])
def test_a_seed_is_a_whole_number(tmp_path, seed):
    with pytest.raises(OptionError, match="seed must be a whole number of at least 0"):
        _ = job(tmp_path, arguments={"seed": seed}).seed
