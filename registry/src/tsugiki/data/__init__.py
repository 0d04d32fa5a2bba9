"""Data sets by name: folders, tables, the Hub and its mirror, and parts of them."""

from .load_data import load_split

__all__ = ["load_split"]
