"""Gray pictures of more than 8 bits, or of floats, as 8 bits: X-rays, depth, microscopy.

Pillow's own conversion clips them at 255, so that nearly all becomes white, or black. Here black to white is the range
that the file states or that the type has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIXTEEN_BITS = 2**16 - 1
_USUAL = (255, _SIXTEEN_BITS, 2**31 - 1, 2**32 - 1)  # white in whole numbers of 32 bits, which say nothing of it
_USUAL_OF_FLOATS = (1, 255, _SIXTEEN_BITS)
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT, _SMALLEST, _GREATEST = 258, 262, 339, 340, 341  # tags of TIFF
_UNSIGNED, _SIGNED, _WHITE_IS_ZERO = 1, 2, 0


def eight_bits(picture: Image.Image) -> Image.Image:
    """A gray picture of 16 or 32 bits or of floats scaled to 8 bits; any other as it is.

    White is what the file states (TIFF: its bits, or its tags of the smallest and greatest sample), else 65535 for 16
    bits. Whole numbers of 32 bits and floats say nothing of white: it is the smallest of 1 (floats), 255, 65535 and the
    type's greatest that all values fit below. Where some are negative, black is minus white.
    This is chosen for each picture, so that of one set in 32 bits or floats a much darker picture may be scaled
    otherwise (250 stays 250, 260 becomes 1): state the range in the tags, or save such a set in 16 bits.

    Args:
        picture: A picture, its first frame.

    Returns:
        A picture of mode ``L``, or ``LA`` where the file calls a value transparent.

    Raises:
        ValueError: Values are greater than all of these, and nothing states a range.
    """
    if picture.mode not in ("I", "F") and not picture.mode.startswith("I;16"):
        return picture
    tags: Any = getattr(picture, "tag_v2", {})
    bits, sample_format = _first(tags.get(_BITS)), _first(tags.get(_SAMPLE_FORMAT)) or _UNSIGNED
    values = np.asarray(picture)
    if bits == 32 and sample_format == _UNSIGNED and values.dtype == np.int32:
        values = values.view(np.uint32)
    white = _first(tags.get(_GREATEST))
    black = _first(tags.get(_SMALLEST)) if white is not None else None
    if white is None and bits is not None and bits <= 16 and picture.mode != "F":
        white = 2 ** (bits - (sample_format == _SIGNED)) - 1
    elif white is None and (
        picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in ("PNG", "PPM"))
    ):
        white = _SIXTEEN_BITS
    gray = _scaled(values, white, black)
    if _first(tags.get(_PHOTOMETRIC)) == _WHITE_IS_ZERO:
        gray = 255 - gray
    made = Image.fromarray(gray)
    if isinstance(transparent := picture.info.get("transparency"), int):
        made.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return made


def eight_bit_array(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers of more than 8 bits scaled to uint8 as `eight_bits` does; other arrays as they are."""
    if not np.issubdtype(values.dtype, np.integer) or values.dtype.itemsize == 1:
        return values
    return _scaled(values, _SIXTEEN_BITS if values.dtype.kind == "u" and values.dtype.itemsize == 2 else None, None)


def _scaled(values: NDArray[Any], white: float | None, black: float | None) -> NDArray[np.uint8]:
    """Values from black to white as uint8 0..255, rounded; see `eight_bits` where they are not given."""
    floats = values.dtype.kind == "f"
    if floats:
        values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    if white is None:
        finite = values[np.isfinite(values)] if floats else values
        greatest = max(float(finite.max(initial=0)), -float(finite.min(initial=0)))
        white = next((usual for usual in (_USUAL_OF_FLOATS if floats else _USUAL) if greatest <= usual), None)
        if white is None:
            raise ValueError(f"its values reach {greatest:g}, and nothing states which of them is white")
    if black is None:
        black = -white if values.min(initial=0) < 0 else 0
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        levels = np.arange(_SIXTEEN_BITS + 1, dtype=np.float64)
        return _rounded((levels - black) * (255 / (white - black)))[values]
    return _rounded((values.astype(np.float64 if not floats else values.dtype) - black) * (255 / (white - black)))


def _rounded(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _first(value: Any) -> Any:
    """The first of several samples' values of a tag."""
    return value[0] if isinstance(value, tuple) and value else value
