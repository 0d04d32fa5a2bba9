"""What was found, picture by picture or frame by frame, as lines, CSV or JSON, as it comes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from tsugiki.answers import Answers
from tsugiki.progress import above_bars

STANDARD_OUTPUT = "-"
CORNERS = ("xmin", "ymin", "xmax", "ymax")  # of a box, in pixels


class DetectionTable:
    """A line for each box; one that says so for a picture without any.

    Args:
        keys: What a picture is known by, such as ``input``, or ``frame`` and ``seconds``.
        file: Standard output.
        csv_to: ``-`` prints CSV, the name of a file collects it in `csv_text`.
        add_json: Prints an item of a JSON list.
        widths: Signs of the keys' columns in plain lines.
    """

    def __init__(
        self,
        keys: Sequence[str],
        file: TextIO,
        *,
        csv_to: str | None = None,
        add_json: Callable[[Any], None] | None = None,
        widths: Sequence[int] = (),
    ) -> None:
        self._keys, self._file, self._add_json = keys, file, add_json
        self._widths = widths or [len(key) for key in keys]
        self._lines = io.StringIO()
        self._csv = None
        self._plain = csv_to is None and add_json is None
        if csv_to is not None:
            self._csv = csv.writer(file if csv_to == STANDARD_OUTPUT else self._lines, lineterminator="\n")
            self._csv.writerow([*keys, "label", "score", *CORNERS, "error"])

    @property
    def csv_text(self) -> str:
        """What belongs in the file."""
        return self._lines.getvalue()

    def add(self, place: Mapping[str, Any], answers: Answers, error: str | None = None) -> None:
        """Tell what was found in a picture, or why nothing could be looked for."""
        with above_bars():
            if self._add_json is not None:
                self._add_json({**place, "error": error} if error else {**place, "predictions": answers})
            keys = [place[key] for key in self._keys]
            if self._csv is not None:
                for one in answers:
                    corners = [f"{one['box'][side]:.2f}" for side in CORNERS]
                    self._csv.writerow([*keys, one["label"], f"{one['score']:.6g}", *corners, ""])
                if not answers:
                    self._csv.writerow([*keys, *[""] * 6, error or ""])
            if self._plain and error is None:
                self._print(keys, answers)
            self._file.flush()

    def _print(self, keys: Sequence[Any], answers: Answers) -> None:
        start = "  ".join(f"{key!s:<{width}}" for key, width in zip(keys, self._widths, strict=True))
        for one in answers:
            left, top, right, bottom = (one["box"][side] for side in CORNERS)
            place = f"from {left:.1f}, {top:.1f} to {right:.1f}, {bottom:.1f}"
            print(f"{start}  {one['score']:.4f}  {one['label']}  {place}", file=self._file)
        if not answers:
            print(f"{start}  nothing found", file=self._file)
