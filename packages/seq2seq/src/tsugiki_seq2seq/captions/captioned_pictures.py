"""Tables of pictures that know their captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tsugiki.errors import DataError
from tsugiki.images import Normalize
from tsugiki.tensor_table import Batch, TensorTable

from .caption_scores import plain_caption

PICTURE = "picture"


class CaptionedPictures:
    """Normalises pictures and knows their captions; the transform of a caption table.

    Args:
        normalize: Of the pixels.
        references: The captions of every picture.
        tokenizer: Of the captions.

    Attributes:
        normalize: As given.
        references: As given; row n of the table, however selected, has the number ``columns["picture"][n]``.
        tokenizer: As given.
    """

    def __init__(self, normalize: Normalize, references: Sequence[Sequence[str]], tokenizer: Any) -> None:
        self.normalize = normalize
        self.references = references
        self.tokenizer = tokenizer

    def __call__(self, batch: Batch) -> Batch:
        """``pixel_values`` float32 (B, C, H, W)."""
        return self.normalize({"pixel_values": batch["pixel_values"]})


def captioned(table: TensorTable) -> CaptionedPictures:
    """What a caption table knows of its captions.

    Raises:
        DataError: It is another kind of table.
    """
    if not isinstance(table.transform, CaptionedPictures):
        raise DataError("captioning works on a table of captioned pictures; make it with ImageCaptioning().table(…)")
    return table.transform


def caption_tokens(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """The tokens of each caption with ``</s>`` at the end."""
    ids = tokenizer([plain_caption(text) for text in texts], add_special_tokens=False)["input_ids"]
    return [[*row, tokenizer.eos_token_id] for row in ids]
