"""The page of what exports to ONNX, rendered from the record of the last measurement.

`tsugiki onnx-table --write` measures and writes the record, `tsugiki card --write` the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ..cards.results import table
from ..errors import CardError
from ..output import write_text

RECORD = "docs/onnx.json"
PAGE = "docs/onnx.md"
HEADER = ("model", "task", "ONNX", "opset", "batches", "largest difference")
RIGHT = ("opset", "batches", "largest difference")
_INTRODUCTION = """\
# What exports to ONNX

Every model of every plugin: a small one of each family, and every checkpoint. A file is compared with torch over kinds
of batches: 1, 2 and 5 rows, full and padded on either side where the model takes a mask, and a second length or size of
pictures where the network takes one. The difference is the largest of all, relative to the larger of 1 and the answers'
own size. What no graph can hold is refused, with the reason; no file is written.

This page is generated: `tsugiki onnx-table --write docs/onnx.json --overwrite` measures it, and
`tsugiki card --write` renders it.
"""


@dataclass(frozen=True)
class OnnxRow:
    """What came of one model.

    Attributes:
        plugin: The plugin that brings it.
        model: A family, of which a small instance was exported, or a checkpoint.
        task: The task of the model.
        status: ``exported``; ``refused`` where the model says of itself that it cannot; ``failed`` where it does not.
        reason: Why it is not exported.
        opset: Version of the operators.
        free_axes: What may have any size beside the rows.
        batches: Kinds of batches that it was compared on.
        max_difference: The largest difference to torch.
    """

    plugin: str
    model: str
    task: str
    status: Literal["exported", "refused", "failed"]
    reason: str = ""
    opset: int = 0
    free_axes: Sequence[str] = ()
    batches: int = 0
    max_difference: float | None = None

    def cells(self) -> tuple[str, ...]:
        """As `HEADER` names them."""
        if self.status != "exported" or self.max_difference is None:
            return f"`{self.model}`", self.task, f"{self.status}: {self.reason}", "", "", ""
        free = ", ".join(["rows", *(name.replace("_", " ") for name in self.free_axes)])
        difference = f"{self.max_difference:.0e}" if self.max_difference else "0"
        return f"`{self.model}`", self.task, f"any {free}", str(self.opset), str(self.batches), difference


def render_page(rows: Sequence[OnnxRow]) -> str:
    """The page, a table for each plugin."""
    plugins = dict.fromkeys(row.plugin for row in rows)
    tables = (
        f"## {plugin}\n\n{table(HEADER, [row.cells() for row in rows if row.plugin == plugin], right=RIGHT)}\n"
        for plugin in plugins
    )
    return "\n".join([_INTRODUCTION, *tables])


def read_record(file: Path) -> list[OnnxRow]:
    """The rows that `write_record` wrote.

    Raises:
        CardError: The file holds something else.
    """
    try:
        return [OnnxRow(**fields) for fields in json.loads(file.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise CardError(
            f"{file} is no record of exports ({error}); `tsugiki onnx-table --write` measures it"
        ) from error


def write_record(rows: Iterable[OnnxRow], file: Path) -> None:
    """Write rows as JSON, one a line; raises an OutputError where that fails."""
    lines = (json.dumps(asdict(row), ensure_ascii=False) for row in rows)
    write_text(file, "[\n" + ",\n".join(lines) + "\n]\n")
