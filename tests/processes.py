"""Jobs of tests in processes of their own: on two processes at once, or in one that is killed.

Starting Python and importing torch takes longer than such a job, so that each kind is started once for all tests, and
its jobs run one after another. A test names its job, a function of a folder, in a mark, and takes what was left there:

    @pytest.mark.two_processes(job=script.train)
    def test_two_processes_give_what_one_gives(made_by_two): ...

    @pytest.mark.killed(job=script.train_and_be_killed)
    def test_killed_and_run_again_gives_the_same(left_by_killed): ...

As a program, ``python processes.py two_processes|killed FOLDER MODULE:FUNCTION...``, this file runs them.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

REPO = Path(__file__).parents[1]
LAUNCHERS = {
    "two_processes": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
    "killed": [],
}
LOG, DONE = "log.txt", "done"

Job = Callable[[Path], object]


def name_of(job: Job) -> str:
    """What a process imports a job by."""
    return f"{job.__module__}:{job.__qualname__}"


def launch(kind: str, folder: Path, jobs: Iterable[str]) -> None:
    """Run jobs by name, each in a folder of its own within this one; what the processes said is in its log."""
    folder.mkdir()
    command = [sys.executable, *LAUNCHERS[kind], __file__, kind, str(folder), *jobs]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    environment["TSUGIKI_CACHE"] = str(folder / "cache")
    with (folder / LOG).open("w") as log:
        subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)


def result(folder: Path, job: Job) -> Path:
    """The folder that a job filled in the launch into `folder`; it fails where the job did not end as it should."""
    filled = folder / name_of(job)
    assert (filled / DONE).exists(), (folder / LOG).read_text()
    return filled


def run_together(folder: Path, job: Job) -> None:
    """Run a job of two processes in this one of them."""
    from tsugiki.training.processes import is_main_process, wait_for_all

    if is_main_process():
        folder.mkdir()
    wait_for_all()
    job(folder)
    wait_for_all()
    if is_main_process():
        (folder / DONE).touch()


def run_until_killed(folder: Path, job: Job) -> None:
    """Run a job in a copy of this process that must end by SIGKILL."""
    folder.mkdir()
    child = os.fork()
    if not child:
        job(folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"{name_of(job)} was not killed"
    (folder / DONE).touch()


def main() -> None:
    sys.path.insert(0, str(REPO))
    kind, folder, *names = sys.argv[1:]
    run = {"two_processes": run_together, "killed": run_until_killed}[kind]
    for name in names:
        module, _, function = name.partition(":")
        run(Path(folder, name), getattr(importlib.import_module(module), function))


if __name__ == "__main__":
    main()
