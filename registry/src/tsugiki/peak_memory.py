"""The most memory that this process has held so far."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")  # of Linux, where `getrusage` of a young process tells its parent's


def peak_memory() -> int:
    """Bytes in memory at the fullest moment since the process began; 0 where the system does not say."""
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
