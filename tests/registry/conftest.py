"""The core alone: of all plugins these tests see the toy, in this process and in those that they start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..conftest import own_registrations
from .toy_alone import toy_alone


@pytest.fixture(scope="package", autouse=True)
def _only_the_toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with toy_alone(tmp_path_factory.mktemp("site")), own_registrations(empty=True):
        yield


@pytest.fixture(autouse=True)
def _own_registrations() -> Iterator[None]:
    with own_registrations():
        yield
