"""Collects the tests of the peers only where `nox -s peers` fetched them, and marks what can't apply."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from .not_applicable import NOT_APPLICABLE, NotApplicable
from .transformers_tests import VARIABLE

if VARIABLE not in os.environ:
    collect_ignore_glob = ["test_*.py"]

# Of transformers' tests; their own conftest.py, which declares them, is no part of the source distribution.
MARKERS = (
    "accelerate_tests", "all_flash_attn_test", "flash_attn_test", "flash_attn_3_test", "flash_attn_4_test", "generate",
    "is_agent_test", "is_expert_parallel_test", "is_fsdp_test", "is_pipeline_test", "is_staging_test",
    "is_tensor_parallel_test", "is_training_test", "order", "slow", "torch_compile_test", "torch_export_test",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", f"{marker}: of transformers' tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What can't apply is expected to fail."""
    for item in items:
        tests = getattr(item, "cls", None)
        if not hasattr(tests, "subject"):
            continue
        for entry in NOT_APPLICABLE:
            if entry.matches(f"{tests.kind}.{item.name}", tests.subject):
                item.add_marker(pytest.mark.xfail(reason=entry.reason, strict=entry.strict))
                break


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say for what reasons nothing was looked at, and which entries of the list a whole run did not need."""
    if VARIABLE not in os.environ:
        return
    reasons = Counter(report.wasxfail for report in terminalreporter.stats.get("xfailed", []))
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} not applicable: {reason}")
    if not _is_whole(config):
        return
    for entry in _not_needed(terminalreporter):
        terminalreporter.write_line(f"not_applicable.py: nothing needs {entry.tests} {entry.subjects}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole run fails on an entry of the list that it did not need."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if VARIABLE in os.environ and reporter is not None and _is_whole(session.config) and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED if _not_needed(reporter) else session.exitstatus


def _is_whole(config: pytest.Config) -> bool:
    return not config.option.keyword and config.option.file_or_dir == ["tests/peers"]


def _not_needed(reporter: pytest.TerminalReporter) -> list[NotApplicable]:
    used = {report.wasxfail for report in reporter.stats.get("xfailed", [])}
    return [entry for entry in NOT_APPLICABLE if entry.strict and entry.reason not in used]
