"""A picture of a snapshot: what a task draws, provenance records and a card shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """An image file of a snapshot folder with its caption."""

    file: str
    caption: str
