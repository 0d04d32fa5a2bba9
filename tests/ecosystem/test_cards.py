"""The cards of the published checkpoints: the code they give their users runs as it stands."""

from __future__ import annotations

import re

import pytest
from tsugiki.known import CHECKPOINTS
from tsugiki.snapshot import resolve

USAGE = re.compile(r"## How to use it\n\n```(?P<language>\w*)\n(?P<code>.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_usage_on_a_card_runs(name):
    found = USAGE.search((resolve(name) / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    if found["language"] == "python":
        exec(compile(found["code"], f"{name}/README.md", "exec"), {})
    else:
        assert found["code"].startswith("tsugiki ")
