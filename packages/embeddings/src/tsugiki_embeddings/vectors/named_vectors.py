"""Word vectors by what a person names them with: a model, or a file of another program."""

from __future__ import annotations

from pathlib import Path

from .word_vectors import WordVectors


def open_vectors(name: str | Path) -> WordVectors:
    """Open word vectors.

    Args:
        name: What `tsugiki.load` takes, or a file that `tsugiki_embeddings.vectors.interchange.read_vectors` reads.

    Raises:
        DataError: The file is broken, or the model holds no word vectors.
        TsugikiError: There is no such model, or its snapshot is damaged.
    """
    path = Path(name).expanduser()
    return WordVectors.from_file(path) if path.is_file() else WordVectors.load(name)
