"""The command line. `main` is the entry point; each command's module is imported only when that command is used."""

from __future__ import annotations

from .dispatch import main

__all__ = ["main"]
