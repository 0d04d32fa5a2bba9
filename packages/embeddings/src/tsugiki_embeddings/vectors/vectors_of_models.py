"""Between models and tables of word vectors: those of a snapshot or a model, and a model of vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from tsugiki.errors import DataError, OptionError
from tsugiki.snapshots.snapshot import Snapshot
from tsugiki.snapshots.strict_loading import read_header, weights_file

from ..words.spelling import plain_word, plain_words
from ..words.word_tokenizer import PAD_TOKEN, SPECIAL, UNKNOWN_TOKEN, WORDS, word_list, word_tokenizer
from .vector_table import VectorTable
from .word_vectors_model import WordVectorsConfig, WordVectorsModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

FAMILIES = ("word-vectors", "fasttext")
ANY_WORD = r"\S+"  # of vocabularies whose words are not all made of letters
DTYPES = ("float32", "auto")
_STORED: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "I64": np.dtype("<i8")}
_HEADER_LENGTH = 8  # bytes; a safetensors file starts with the length of its header, a little-endian uint64


def load_vectors(name: str | Path, *, dtype: str = "float32") -> VectorTable:
    """Load the vectors of a snapshot, checked.

    Args:
        name: What `tsugiki.load` takes.
        dtype: ``float32``, or ``auto`` for the matrix as it is stored.

    Raises:
        DataError: It holds no word vectors.
        OptionError: The dtype is none of the two.
        TsugikiError: There is no such model, or its snapshot is damaged.
    """
    if dtype not in DTYPES:
        raise OptionError(f"dtype={dtype!r} is none of {' and '.join(DTYPES)}")
    snapshot = _open(name)
    return vectors_of_model(snapshot.model("base", dtype), snapshot.processor())


def vectors_of_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> VectorTable:
    """The vectors of a model without those of the special tokens; float16 stays, bfloat16 becomes float32.

    A model that composes vectors of unknown words (fastText) does so for the queries too.

    Raises:
        DataError: Model and tokenizer do not belong together.
    """
    table: Any = model.get_input_embeddings()
    weight = table.weight.detach().cpu()  # (V, D)
    words = word_list(tokenizer)
    if len(words) != len(weight):
        raise DataError(f"a tokenizer of {len(words):,} words does not fit a model of {len(weight):,}")
    matrix = (weight.float() if weight.dtype == torch.bfloat16 else weight).numpy()
    counts: Any = getattr(model, "counts", None)
    compose: Any = getattr(model, "vector", None)

    def composed(unknown: Sequence[str]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return torch.stack([compose(word) for word in unknown]).float().cpu().numpy()

    return VectorTable(
        words[SPECIAL:],
        matrix[SPECIAL:],
        counts[SPECIAL:].cpu().numpy() if counts is not None and counts.any() else None,
        composed if callable(compose) else None,
    )


def map_vectors(name: str | Path) -> VectorTable:
    """Open the vectors of a snapshot of the family ``word-vectors`` without reading the matrix.

    The matrix is a `numpy.memmap` of ``model.safetensors``. Neither its hash nor its values are checked, which would
    read it; queries refuse NaN when they first need the rows' lengths.

    Raises:
        DataError: It holds no word vectors, or they are stored in a format that numpy cannot map.
        TsugikiError: There is no such model, or its snapshot is damaged.
    """
    snapshot = _open(name)
    if snapshot.family.name != FAMILIES[0]:
        raise DataError(f"{name} is of the family {snapshot.family.name}; only {FAMILIES[0]} are mapped, load it whole")
    path = weights_file(snapshot.folder)
    stored = read_header(path)
    for tensor in ("embeddings.weight", "counts"):
        if tensor not in stored:
            raise DataError(f"{path} lacks {tensor!r} and holds no word vectors")
    words = word_list(snapshot.processor())
    matrix, counts = (_map_tensor(path, tensor) for tensor in ("embeddings.weight", "counts"))
    if len(words) != len(matrix):
        raise DataError(f"{path} holds {len(matrix):,} rows, and the tokenizer beside it {len(words):,} words")
    return VectorTable(words[SPECIAL:], matrix[SPECIAL:], np.array(counts[SPECIAL:]) if counts.any() else None)


def model_of_vectors(vectors: VectorTable) -> tuple[WordVectorsModel, PreTrainedTokenizerFast]:
    """A model of the family ``word-vectors`` and its tokenizer, in the precision of the matrix.

    The tokenizer ignores case if no word has any, and parts texts at spaces if some words are not made of letters. It
    has the words as it reads them; of several that read the same it finds one.
    """
    kept = [row for row, word in enumerate(vectors.words) if word not in (PAD_TOKEN, UNKNOWN_TOKEN)]
    words = plain_words([vectors.words[row] for row in kept])
    if not words:
        raise DataError("the vocabulary holds special tokens and no word")
    matrix = vectors.matrix if len(kept) == len(vectors.words) else vectors.matrix[kept]
    config = WordVectorsConfig(vocab_size=SPECIAL + len(words), hidden_size=vectors.matrix.shape[1])
    model = WordVectorsModel(config)
    if matrix.dtype == np.float16:
        model.half()
    table = model.embeddings.weight.detach().numpy()  # shares the model's memory
    table[:SPECIAL], table[SPECIAL:] = 0, matrix
    if vectors.counts is not None:
        model.counts[SPECIAL:] = torch.from_numpy(vectors.counts[kept])
    lowercase = all(word == word.lower() for word in words)
    tokenizer = word_tokenizer(words, lowercase=lowercase, pattern=WORDS)
    alone = tokenizer(words, return_attention_mask=False)["input_ids"]
    rows = enumerate(zip(words, alone, strict=True), SPECIAL)
    if any(read != [number] for number, (word, read) in rows if word == plain_word(word)):
        tokenizer = word_tokenizer(words, lowercase=lowercase, pattern=ANY_WORD)
    return model.eval(), tokenizer


def _open(name: str | Path) -> Snapshot:
    """The snapshot of this name, if it is one of word vectors."""
    snapshot = Snapshot.open(name)
    if snapshot.family.name not in FAMILIES:
        raise DataError(
            f"{name} is of the family {snapshot.family.name!r} and no table of word vectors; tsugiki list --task "
            "word-similarity names those that are; in texts, look with tsugiki search"
        )
    return snapshot


def _map_tensor(path: Path, name: str) -> np.memmap[Any, Any]:
    """One tensor of a safetensors file that `read_header` has found sound."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER_LENGTH), "little")
        entry = json.loads(file.read(length))[name]
    if entry["dtype"] not in _STORED:
        raise DataError(f"{path}: {name} is stored as {entry['dtype']}, which cannot be mapped; load it whole")
    offset = _HEADER_LENGTH + length + entry["data_offsets"][0]
    return np.memmap(path, _STORED[entry["dtype"]], mode="r", offset=offset, shape=tuple(entry["shape"]))
