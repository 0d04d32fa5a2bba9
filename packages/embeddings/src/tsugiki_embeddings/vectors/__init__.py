"""Word vectors: the object to ask, the models that hold them, files of other programs, and their commands."""

from __future__ import annotations

from typing import Any

__all__ = ["WordVectors"]


def __getattr__(name: str) -> Any:  # imported when used, for the manifest's references into this package load no torch
    if name == "WordVectors":
        from .word_vectors import WordVectors

        return WordVectors
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
