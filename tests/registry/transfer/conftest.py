"""A tiny base and easy pictures for the tests of this room."""

from __future__ import annotations

import datasets
import pytest

from .. import transfer_data
from ..tiny_snapshots import write_snapshot


@pytest.fixture
def base(tmp_path):
    return write_snapshot(tmp_path / "base")


@pytest.fixture
def data():
    return datasets.DatasetDict(train=transfer_data.dataset(8), test=transfer_data.dataset(6, seed=1))
