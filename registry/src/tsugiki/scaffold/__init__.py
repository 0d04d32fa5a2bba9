"""The scaffold behind `tsugiki new-plugin`: a small plugin that works as it is, to be changed into one's own."""

from __future__ import annotations

from .new_plugin import Written, new_plugin

__all__ = ["Written", "new_plugin"]
