"""Conformance checks that every plugin passes, a stranger's too.

In a plugin's own tests::

    from tsugiki import testing

    def test_family_passes_the_conformance_checks():
        testing.check_family("vision", "lenet")

On the command line: ``tsugiki check-plugin vision``.
"""

from __future__ import annotations

from .conformance import CheckResult, check_family, check_plugin, run_family_checks, run_plugin_checks
from .subject import ConformanceError

__all__ = [
    "CheckResult",
    "ConformanceError",
    "check_family",
    "check_plugin",
    "run_family_checks",
    "run_plugin_checks",
]
