"""A process that counts: it takes jobs of `cooccurrence_runs` from its input and answers on its output, in JSON lines.

A plain program rather than `multiprocessing`: that reads the caller's main script again in every process, with all it
imports, which takes longer than counting a million words, and fails where a script has no guard against it.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tsugiki.errors import OutputError

from . import cooccurrence_runs as runs

JOBS: dict[str, Callable[..., list[Path]]] = {"count_piece": runs.count_piece, "merge_runs": runs.merge_runs}


@contextlib.contextmanager
def counting_processes(number: int) -> Iterator[Callable[..., Future[list[Path]]]]:
    """Something that takes jobs and gives their results later.

    Args:
        number: How many processes do them; with one it is this process, at once.

    Yields:
        A function that takes the name of a job, one of `JOBS`, and its arguments by name.
    """
    if number == 1:
        yield _at_once
        return
    processes = [_start() for _ in range(number)]
    idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
    for process in processes:
        idle.put(process)

    def do(name: str, arguments: dict[str, Any]) -> list[Path]:
        process = idle.get()
        try:
            return _ask(process, name, arguments)
        finally:
            idle.put(process)

    try:
        with ThreadPoolExecutor(number) as threads:
            try:
                yield lambda name, **arguments: threads.submit(do, name, arguments)
            except BaseException:
                for process in processes:
                    process.kill()
                threads.shutdown(cancel_futures=True)
                raise
    finally:
        for process in processes:
            process.communicate()  # closes its input, at which it ends


def _at_once(name: str, **arguments: Any) -> Future[list[Path]]:
    done: Future[list[Path]] = Future()
    done.set_result(JOBS[name](**arguments))
    return done


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", __name__]  # -P: modules of the current folder stay out
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def _ask(process: subprocess.Popen[str], name: str, arguments: dict[str, Any]) -> list[Path]:
    """Let a process do a job.

    Raises:
        OutputError: The job failed, or the process ended.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    answer = ""
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps([name, arguments], default=str) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    if not answer:
        raise OutputError("a counting process was ended from outside; lower memory_limit or the number of processes")
    stems, error = json.loads(answer)
    if error is not None:
        raise OutputError(f"counting failed in another process: {error}")
    return [Path(stem) for stem in stems]


def main() -> None:
    """Do jobs until the input ends."""
    for line in sys.stdin:
        name, arguments = json.loads(line)
        arguments["stem"] = Path(arguments["stem"])
        if "stems" in arguments:
            arguments["stems"] = [Path(stem) for stem in arguments["stems"]]
        stems: list[str] = []
        failure = None
        try:
            stems = [str(stem) for stem in JOBS[name](**arguments)]
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        print(json.dumps([stems, failure]), flush=True)


if __name__ == "__main__":
    main()
