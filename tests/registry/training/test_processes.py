"""A launch that started fewer processes than it was asked for is told of."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import pytest
from accelerate.commands.launch import launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env, prepare_simple_launcher_cmd_env
from tsugiki.training import processes


def asked(*words: str) -> argparse.Namespace:
    """What ``accelerate launch`` makes of its command line, as far as the environment needs it."""
    given = launch_command_parser().parse_args([*words, "script.py"])
    given.num_machines, given.mixed_precision, given.num_cpu_threads_per_process = 1, "no", 1
    given.dynamo_backend = given.dynamo_backend or "no"
    return given


@pytest.fixture
def launched(monkeypatch, caplog):
    """The lines that a process says whose environment is this."""
    processes._tell_once.cache_clear()

    def said(environment):
        for name in ("WORLD_SIZE", "MASTER_PORT", "ACCELERATE_MIXED_PRECISION"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        processes.tell_if_alone()
        processes.tell_if_alone()
        return caplog.messages

    yield said
    processes._tell_once.cache_clear()


def test_one_process_in_place_of_two_is_told_once(launched):
    _, environment = prepare_simple_launcher_cmd_env(asked("--cpu", "--num_processes", "2"))
    (line,) = launched(environment)
    assert "started this one alone" in line and "ACCELERATE_USE_CPU=1 accelerate launch --multi_gpu" in line


def test_one_process_that_was_asked_for_is_not_told_of(launched):
    _, environment = prepare_simple_launcher_cmd_env(asked("--cpu", "--num_processes", "1"))
    assert launched(environment) == []
    assert launched({}) == []


def test_two_processes_are_not_told_of(launched, monkeypatch):
    environment = prepare_multi_gpu_env(asked("--multi_gpu", "--num_processes", "2"))
    assert launched({**environment, "WORLD_SIZE": "2", "MASTER_PORT": "29500"}) == []


def test_the_launch_of_the_help_starts_two(tmp_path):
    """The line that `tsugiki train --help` shows, with another script."""
    script = tmp_path / "count.py"
    line = "f\"{os.environ['RANK']} of {os.environ['WORLD_SIZE']}\\n\".encode()"
    script.write_text(f"import os\nos.write(1, {line})\n")  # in one piece, for both write to one pipe
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--main_process_port", "0", str(script)]  # a free one, for other tests launch too
    done = subprocess.run(
        launch, env={**os.environ, "ACCELERATE_USE_CPU": "1"}, capture_output=True, text=True, timeout=120
    )
    assert sorted(done.stdout.splitlines()) == ["0 of 2", "1 of 2"], done.stderr[-500:]
