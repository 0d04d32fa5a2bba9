"""A training or a fine-tuning that is killed at a file operation continues to the files of an undisturbed one.

Some of the operations here; `python -m tests.registry.every_kill` tries them all.
"""

from __future__ import annotations

import pytest

from ..every_kill import COMMANDS, Killer
from ..kills import KILLED, in_fork

SHARES = {
    "train": [0.9],
    "method": [0.45],
    "pictures": [0.6, 0.97],
    "stopping": [0.5],
    "texts": [0.8],
    "spots": [0.4, 0.9],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_and_started_again_leaves_what_an_undisturbed_run_does(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TSUGIKI_CACHE", "set by the runs")
    monkeypatch.setenv("TSUGIKI_DATASETS", "likewise")
    killer = Killer(name, tmp_path)
    assert {share: killer.fault_at(int(share * killer.operations)) for share in SHARES[name]} == dict.fromkeys(
        SHARES[name], ""
    )
    assert killer.starts_again() == ""


def test_a_fork_tells_how_it_ended():
    def fail():
        raise RuntimeError

    assert in_fork(lambda: 5) == (0, 5)
    assert in_fork(fail)[0] == 1
    assert KILLED not in (0, 1)
