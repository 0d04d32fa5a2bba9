"""What of the installed models exports to ONNX, measured one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import ExportRefusedError, OptionError
from ..export.export_onnx import export_onnx
from ..recipes.onnx_page import OnnxRow
from ..registry import registry
from .conformance import installed_plugin
from .subject import Subject


def survey(plugin: str | None = None) -> Iterator[OnnxRow]:
    """Export a small model of every family for every task, and every checkpoint, and compare with torch.

    Args:
        plugin: Only this one's; by default those of all plugins.

    Raises:
        PluginError: It is not installed, or broken.

    Yields:
        A row for each, the families of a plugin before its checkpoints.
    """
    found = registry()
    for name in found.plugins if plugin is None else (installed_plugin(plugin).name,):
        for family in found.families():
            if family.plugin_name != name:
                continue
            for task in family.declaration.tasks:
                with tempfile.TemporaryDirectory(prefix="tsugiki-onnx-") as folder:
                    subject = Subject(family, task, Path(folder), family.declaration.example)
                    yield _row(name, family.name, task, subject.awake_model)
        for checkpoint in found.checkpoints():
            if checkpoint.plugin_name == name:
                yield _row(name, checkpoint.name, _task_of(checkpoint.path), f"{name}:{checkpoint.name}")


def _task_of(folder: Path) -> str:
    from ..snapshots.provenance import Provenance

    provenance = Provenance.find(folder)
    return "" if provenance is None else provenance.task


def _row(plugin: str, model: str, task: str, source: str | Callable[[], Any]) -> OnnxRow:
    with tempfile.TemporaryDirectory(prefix="tsugiki-onnx-") as folder:
        try:
            export = export_onnx(source() if callable(source) else source, Path(folder, "model.onnx"), check=True)
        except OptionError as error:
            reason = str(error).partition("cannot be exported to ONNX: ")[2] or str(error)
            status: Any = "refused" if isinstance(error, ExportRefusedError) else "failed"
            return OnnxRow(plugin, model, task, status, reason)
    difference = export.max_difference
    rounded = None if difference is None else float(f"{difference:.1e}")
    return OnnxRow(plugin, model, task, "exported", "", export.opset, export.free_axes, export.trials, rounded)
