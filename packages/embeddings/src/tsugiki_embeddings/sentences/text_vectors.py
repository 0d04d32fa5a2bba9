"""Vectors of texts by any model that gives one for a whole text, and what is found with them: the nearest lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tsugiki.errors import OptionError

from ..vectors.nearest_rows import unit_length

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH = 64  # texts whose vectors are computed at once


def text_vectors(name: str | Path, texts: Sequence[str], *, device: str | None = None) -> NDArray[np.float32]:
    """What a model makes of texts as a whole: of a sentence-BERT, of the mean of word vectors, of SCDV.

    Args:
        name: What `tsugiki.load` takes.
        texts: N texts; what is longer than the model reads is cut.
        device: Where to compute, such as ``cpu`` or ``cuda``; by default the best there is.

    Returns:
        (N, D).

    Raises:
        OptionError: The model gives no vector for a text.
        TsugikiError: There is no such model, or its snapshot is damaged.
    """
    from tsugiki.devices import moved
    from tsugiki.snapshots.snapshot import Snapshot

    snapshot = Snapshot.open(name)
    try:
        return vectors_of(moved(snapshot.model("base").float(), device), snapshot.processor(), texts)
    except OptionError as error:
        raise OptionError(f"{name} is a {error}") from error


def vectors_of(model: PreTrainedModel, tokenizer: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors (N, D) of texts by a model in eval mode, texts of like length together.

    Raises:
        OptionError: The model reads no text, or gives no vector for one.
    """
    import torch
    from tsugiki.progress import track

    if model.main_input_name != "input_ids":
        raise OptionError(f"{type(model).__name__}, which reads no text")
    by_length = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    found: list[NDArray[Any]] = []
    with torch.inference_mode():
        for start in track(range(0, len(texts), BATCH), "vectors of texts", unit="batch"):
            batch = [texts[row] for row in by_length[start : start + BATCH]]
            encoded = tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
            ids, mask = (encoded[part].long() for part in ("input_ids", "attention_mask"))  # (B, L); floats if L is 0
            if ids.shape[1] == 0:  # no text has a word
                ids, mask = torch.zeros(len(batch), 1, dtype=torch.long), torch.zeros(len(batch), 1, dtype=torch.long)
            outputs = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device))
            pooled = getattr(outputs, "pooler_output", None)
            if pooled is None or pooled.ndim != 2:
                raise OptionError(f"{type(model).__name__}, which has no vector for a text; name word vectors")
            found.append(pooled.float().cpu().numpy())
    vectors = np.concatenate(found)
    return vectors[np.argsort(by_length)]


def nearest_texts(
    name: str | Path, queries: Sequence[str], texts: Sequence[str], *, top_k: int = 10, device: str | None = None
) -> list[list[tuple[int, float]]]:
    """The texts that are nearest to each query by the cosine of their vectors.

    Args:
        name: As `text_vectors` takes it.
        queries: What to look for.
        texts: Where to look.
        top_k: Texts to return a query, at most.
        device: As `text_vectors` takes it.

    Returns:
        For each query the numbers of texts with their cosines, best first.

    Raises:
        OptionError: `top_k` is not at least 1, or the model gives no vector for a text.
        TsugikiError: There is no such model, or its snapshot is damaged.
    """
    if top_k < 1:
        raise OptionError(f"top_k must be at least 1, not {top_k}")
    vectors = unit_length(text_vectors(name, [*queries, *texts], device=device))
    cosines = vectors[: len(queries)] @ vectors[len(queries) :].T  # (Q, N)
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :top_k]
    return [[(int(row), float(near[row])) for row in rows] for rows, near in zip(best, cosines, strict=True)]
