"""Encoder-decoders by name, of this project or of anyone else, and texts in the form in which they read and write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsugiki.errors import OptionError, SnapshotError

if TYPE_CHECKING:
    from tsugiki.snapshots.snapshot import Snapshot


def load_translator(snapshot: Snapshot) -> tuple[Any, Any]:
    """The encoder-decoder of a snapshot and its tokenizer.

    One of an installed plugin's family is read as `tsugiki.load` reads it. What else has a ``config.json``, in a
    folder or on the Hub, goes through ``AutoModelForSeq2SeqLM`` and ``AutoTokenizer``, from safetensors alone.

    Args:
        snapshot: The snapshot.

    Returns:
        The model, in eval mode, and its tokenizer.

    Raises:
        TsugikiError: It cannot be read.
        OptionError: It is no encoder-decoder that writes texts.
    """
    from tsugiki.registry import registry

    family = registry().family_of_model_type(snapshot.config["model_type"])
    ours = family is not None and not family.declaration.is_builtin
    if ours or snapshot.provenance is not None:
        model: Any = snapshot.model()
        tokenizer = snapshot.processor()
    else:
        model, tokenizer = _load_foreign(snapshot.folder)
    check_translator(model, snapshot.name)
    return model, tokenizer


def _load_foreign(folder: Path) -> tuple[Any, Any]:
    """A model and a tokenizer by transformers' Auto classes."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        model = AutoModelForSeq2SeqLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # OSError, ValueError, ImportError, and tokenizers' plain Exception
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SnapshotError(f"{folder} cannot be read as an encoder-decoder with its tokenizer: {reason}") from error
    return model.eval(), tokenizer


def check_translator(model: Any, name: str) -> None:
    """Refuse what is no encoder-decoder from text to text.

    Raises:
        OptionError: Names the model and its class.
    """
    writes = getattr(model.config, "is_encoder_decoder", False) and model.can_generate()
    reads = model.main_input_name == "input_ids" and not getattr(model.config, "reads_dialogues", False)
    if not (writes and reads):
        raise OptionError(
            f"{name} is a {type(model).__name__}, no encoder-decoder from text to text; name a translator"
        )


def encode_texts(tokenizer: Any, texts: Sequence[str], *, targets: bool = False) -> list[list[int]]:
    """The tokens of each text as a model of this tokenizer reads or writes it.

    A tokenizer that adds special tokens by itself, as most do, is left to it. Behind the tokens of one that adds none,
    as those of this project, comes its end token.

    Args:
        tokenizer: Of the model.
        texts: What to encode.
        targets: Whether the model writes them, which matters to tokenizers of two languages.

    Returns:
        Token numbers of each text.
    """
    if not texts:
        return []
    given = {"text_target": list(texts)} if targets else {"text": list(texts)}
    rows = tokenizer(**given)["input_ids"]
    if tokenizer("a")["input_ids"] == tokenizer("a", add_special_tokens=False)["input_ids"]:
        return [[*row, tokenizer.eos_token_id] for row in rows]
    return [list(row) for row in rows]
