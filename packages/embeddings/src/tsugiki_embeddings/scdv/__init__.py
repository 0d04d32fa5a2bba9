"""Sparse composite document vectors: the model, its arithmetic, its training, the vectorizer."""

from __future__ import annotations

from typing import Any

__all__ = ["SCDVVectorizer"]


def __getattr__(name: str) -> Any:  # imported when used, as the other names of this plugin are
    if name == "SCDVVectorizer":
        from .scdv_vectorizer import SCDVVectorizer

        return SCDVVectorizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
