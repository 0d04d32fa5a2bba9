"""Images to tensors: decoded once by the model's own processor, normalised on the device.

The processor's resize, crop and colour conversion run once per picture and give uint8; rescaling and normalisation
are repeated per batch, where they cost next to nothing. Together they equal ``processor(images)``.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile
from torch import Tensor

from .columns import check_rows
from .deep_pixels import eight_bits
from .errors import DataError
from .fingerprint import encoded_media
from .heic import INSTALL, SUFFIXES, can_open_heic, is_heic, register_heic
from .web import fetch, is_address

if TYPE_CHECKING:
    from datasets import Dataset

_SHOWN = 80  # characters of a text that a message shows
_CHUNK = 512  # small pictures that a processor gets at once
PIXELS_AT_ONCE = 2**22  # of pictures that are held decoded; one that is larger is held alone
_ONLY_RECOGNISED = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF"}  # and not decoded, but where another package does
_FIRST_QUARTER_TURN = 5  # of the orientations of EXIF, 1 to 8
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OPENED_BY_JPEG = {"MPO"}  # the format of cameras with two lenses, which begins with a JPEG


def open_image(source: Any, *, name: str = "image", all_frames: bool = False) -> Image.Image:
    """Open and decode one picture.

    Args:
        source: A PIL image, encoded bytes, a path, or a ``{"bytes", "path"}`` row of `datasets`.
        name: How an error calls it.
        all_frames: Whether the frames of an animated picture are wanted; else its first is decoded.

    Returns:
        The picture, upright: the orientation that a camera noted is applied, as `datasets` does. Gray of more than 8
        bits is scaled to 8, see `tsugiki.deep_pixels`.

    Raises:
        DataError: It does not decode.
    """
    if isinstance(source, dict):
        source = source["bytes"] if source.get("bytes") is not None else source.get("path")
    try:
        if isinstance(source, bytes):
            source = io.BytesIO(source)
        if isinstance(source, Image.Image):
            source.load()
            return source if all_frames else eight_bits(source)
        picture = _opened(source)
        _set_upright(picture)
        return picture if all_frames else eight_bits(picture)
    except Exception as error:  # Pillow raises many kinds: OSError, SyntaxError, ValueError, DecompressionBombError
        reason = "it is empty" if source is None else str(error).split("<")[0].strip() or type(error).__name__
        raise DataError(f"{name} does not decode as an image: {reason}; replace or remove it") from error


def image_size(source: Any, *, name: str = "image") -> tuple[int, int]:
    """Width and height of a picture by its header, before it is turned upright.

    Args:
        source: As `open_image` takes it.
        name: How an error calls it.

    Raises:
        DataError: There is no such header.
    """
    return _size_by_header(source, name, lambda picture: picture.size)


def upright_size(source: Any, *, name: str = "image") -> tuple[int, int]:
    """Width and height of a picture by its header, as `open_image` turns it upright.

    Args:
        source: As `open_image` takes it.
        name: How an error calls it.

    Raises:
        DataError: There is no such header.
    """

    def read(picture: Image.Image) -> tuple[int, int]:
        width, height = picture.size
        return (height, width) if _lies_on_its_side(picture) else (width, height)

    return _size_by_header(source, name, read)


def _size_by_header(source: Any, name: str, read: Callable[[Image.Image], tuple[int, int]]) -> tuple[int, int]:
    """What is read of a picture that is opened and not decoded; the size of one that is decoded already."""
    if isinstance(source, dict):
        source = source["bytes"] if source.get("bytes") is not None else source.get("path")
    if isinstance(source, Image.Image):
        return source.size
    try:
        with _opened(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
            return read(picture)
    except Exception as error:  # of many kinds, as in `open_image`
        raise DataError(f"{name} does not open as an image; replace or remove it") from error


def _lies_on_its_side(picture: Image.Image) -> bool:
    """Whether a photograph that is not decoded yet is turned by a quarter when it is set upright."""
    try:
        if isinstance(picture, PngImageFile) and not _notes_stand_last(picture):
            notes = Image.Image.getexif(picture)  # its own method decodes all pixels first
        else:
            notes = picture.getexif()
    except Exception:  # as in `_set_upright`
        return False
    tags: Any = getattr(picture, "tag_v2", {})  # of TIFF, whose size Pillow may have turned already
    stored = (tags.get(ExifTags.Base.ImageWidth), tags.get(ExifTags.Base.ImageLength))
    if tags and picture.size != stored:
        return False
    return notes.get(ExifTags.Base.Orientation, 1) >= _FIRST_QUARTER_TURN


def _notes_stand_last(picture: PngImageFile) -> bool:
    """Whether the notes of a PNG stand behind its pixels, where they are met after decoding."""
    file = picture.fp
    assert file is not None
    position = file.tell()
    file.seek(len(_PNG_SIGNATURE))
    after_pixels = False
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        after_pixels = after_pixels or head[4:] == b"IDAT"
        if after_pixels and head[4:] in (b"eXIf", b"iTXt", b"tEXt", b"zTXt"):
            break
        file.seek(int.from_bytes(head[:4]) + 4, io.SEEK_CUR)
    file.seek(position)
    return after_pixels and head[4:] in (b"eXIf", b"iTXt", b"tEXt", b"zTXt")


def _opened(source: Any) -> Image.Image:
    """Open a picture with Pillow, a photograph in HEIC with what opens that for Pillow."""
    try:
        return Image.open(source)
    except UnidentifiedImageError as error:
        if not is_heic(source):
            raise
        if not register_heic():
            raise ValueError(f"it is HEIC, which another package reads: {INSTALL}") from error
        return Image.open(source)


def _set_upright(picture: Image.Image) -> None:
    """Decode a photograph and turn it as the camera noted; notes that cannot be read turn nothing."""
    picture.load()
    try:
        picture.getexif()
    except Exception:  # Pillow raises many kinds here too
        return
    for notes in ("exif", "Raw profile type exif"):  # or Pillow writes them anew, and fails where one is malformed
        picture.info.pop(notes, None)
    ImageOps.exif_transpose(picture, in_place=True)


def pixels_of(picture: Any) -> int:
    """Height times width of a Pillow image; 0 of anything else."""
    return picture.width * picture.height if isinstance(picture, Image.Image) else 0


def fetch_image(source: Any, *, timeout: float | None = None) -> Any:
    """Open what transformers' pipelines take for a picture: a Pillow image, a path, an address, or base64 text.

    Args:
        source: One of these; anything else comes back as it is.
        timeout: Seconds to wait for an address.

    Raises:
        DataError: It does not decode, or an address cannot be fetched.
        ValueError: A text is none of these.
    """
    if isinstance(source, str) and is_address(source):
        source = fetch(source, timeout=timeout)
    elif isinstance(source, str) and not _is_file(source):
        shown = repr(source[:_SHOWN])
        try:
            content = base64.b64decode("".join(source.rpartition(",")[2].split()), validate=True)
        except ValueError as error:
            raise ValueError(
                f"{shown} is no picture: neither a file, an address (http://, https://), nor base64"
            ) from error
        return open_image(content, name=f"{shown}, no file and taken for base64,")
    return open_image(source) if isinstance(source, str | bytes | Path | Image.Image) else source


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except OSError:  # base64, longer than the name of any file
        return False


def decode_images(
    sources: Iterable[Any],
    processor: Any,
    *,
    name: Callable[[int], str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Decode pictures with the processor's own resize, crop and colour conversion.

    Args:
        sources: What `open_image` takes, one per picture.
        processor: An image processor of transformers.
        name: Names the picture with this number in errors.
        progress: Called with the number of pictures done so far.

    Returns:
        uint8 (N, C, H, W).

    Raises:
        DataError: A picture does not decode, or the processor gives them different sizes.
    """
    parts: list[Tensor] = []
    chunk: list[Image.Image] = []
    pixels, done = 0, 0

    def flush() -> None:
        nonlocal pixels, done
        if chunk:
            parts.append(_process(chunk, processor))
            done += len(chunk)
            chunk.clear()
            pixels = 0
            if progress is not None:
                progress(done)

    for number, source in enumerate(sources):
        picture = open_image(source, name=name(number) if name else f"image {number}")
        if len(chunk) == _CHUNK or pixels + pixels_of(picture) > PIXELS_AT_ONCE:
            flush()
        chunk.append(picture)
        pixels += pixels_of(picture)
    flush()
    if not parts:
        raise DataError("there are no images to decode")
    if len({part.shape[1:] for part in parts}) != 1:
        raise DataError("the processor gives pictures of different sizes; set its size to a height and a width")
    return torch.cat(parts)


def decode_image_column(dataset: Dataset, column: str, processor: Any) -> Tensor:
    """Decode the pictures of a column of a data set as `decode_images` does.

    Raises:
        DataError: There are no rows, a picture does not decode (named by its file and row), or sizes differ.
    """
    from datasets import Image as ImageFeature

    check_rows(dataset)
    encoded = dataset.select_columns([column]).cast_column(column, ImageFeature(decode=False))
    path: str | None = None

    def sources() -> Iterator[Any]:
        nonlocal path
        for source in encoded_media(encoded, column):
            path = source["path"] if source else None
            yield source

    # The name is asked for right after its picture was taken, while `path` is that picture's.
    return decode_images(sources(), processor, name=lambda row: f"image {path!r} (row {row})" if path else f"row {row}")


def _process(pictures: Sequence[Image.Image], processor: Any) -> Tensor:
    try:
        arrays = processor(images=list(pictures), do_rescale=False, do_normalize=False)["pixel_values"]
        stacked = np.stack([np.asarray(array) for array in arrays])  # (n, C, H, W)
    except ValueError as error:
        raise DataError(f"the processor refuses a picture: {error}") from error
    return torch.from_numpy(np.clip(np.rint(stacked), 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Normalize:
    """Raw ``pixel_values`` in 0..255 to the model's float32 inputs: (x * rescale - mean) / deviation, by channel.

    Attributes:
        mean: Per channel, after rescaling.
        std: Per channel, after rescaling.
        rescale: Factor of the raw values, usually 1/255.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    rescale: float = 1 / 255

    @classmethod
    def from_processor(cls, processor: Any) -> Normalize:
        """What an image processor does to pictures that it has resized; measured where it is one of transformers' own.

        Raises:
            DataError: It does more than scale and shift the values of each channel.
        """
        if type(processor).__module__.startswith("transformers.models."):
            return _measured(processor)

        def numbers(value: Any, default: float) -> tuple[float, ...]:
            if value is None:
                return (default,)
            return (float(value),) if isinstance(value, int | float) else tuple(float(item) for item in value)

        normalises = getattr(processor, "do_normalize", False)
        return cls(
            mean=numbers(processor.image_mean, 0.0) if normalises else (0.0,),
            std=numbers(processor.image_std, 1.0) if normalises else (1.0,),
            rescale=float(processor.rescale_factor) if getattr(processor, "do_rescale", True) else 1.0,
        )

    def __call__(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Normalise ``pixel_values`` (B, C, H, W); other columns pass through."""
        pixels = batch["pixel_values"]
        mean = torch.tensor(self.mean, device=pixels.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=pixels.device).view(-1, 1, 1)
        scaled = pixels.to(torch.float32, copy=True).mul_(self.rescale / std).sub_(mean / std)
        return {**batch, "pixel_values": scaled}


def _measured(processor: Any) -> Normalize:
    """How a processor scales and shifts the values of each channel, by what it makes of a picture of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((512, 512), Image.Resampling.NEAREST)
    plain = processor(images=[picture], do_rescale=False, do_normalize=False)["pixel_values"][0]
    raw = np.asarray(plain, np.float64)  # (C, H, W)
    made = np.asarray(processor(images=[picture])["pixel_values"][0], np.float64)
    mean, std = [], []
    for before, after in zip(raw, made, strict=True):
        slope, offset = np.polyfit(before.ravel(), after.ravel(), 1)
        if abs(before * slope + offset - after).max() > 1e-3 * max(1.0, abs(after).max()) or not slope:
            raise DataError(f"{type(processor).__name__} does more to pictures than to resize, scale and shift them")
        mean.append(float(-offset / slope))
        std.append(float(1 / slope))
    return Normalize(tuple(mean), tuple(std), 1.0)


def is_image_file(path: Path) -> bool:
    """Whether a file's suffix is one that Pillow opens by itself, or HEIC where that can be opened."""
    if path.suffix.lower() in SUFFIXES:
        return can_open_heic()
    kind = Image.registered_extensions().get(path.suffix.lower())
    return kind in _OPENED_BY_JPEG or (kind in Image.OPEN and kind not in _ONLY_RECOGNISED)
