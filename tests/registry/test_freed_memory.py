from __future__ import annotations

import resource
import sys

import pytest
import torch
from tsugiki.freed_memory import keep_freed_memory

LARGE = 64 * 2**20  # bytes, above what glibc keeps of itself


def faults(repeats=20):
    """Pages that were fetched while large blocks were taken and given back."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(repeats):
        torch.ones(LARGE, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone")
def test_freed_blocks_are_kept_in_the_block_and_given_back_after_it():
    fetched = faults()
    with keep_freed_memory():
        kept = min(faults() for _ in range(4))  # what else is allocated moves the blocks at first
    assert kept < fetched / 10
    assert faults() > fetched / 2
    with keep_freed_memory(wanted=False):
        assert faults() > fetched / 2


def test_an_error_in_the_block_gives_it_back_too():
    with pytest.raises(ValueError, match="astray"), keep_freed_memory():
        raise ValueError("astray")
