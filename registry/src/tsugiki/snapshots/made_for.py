"""For what inputs a model was made, by its processor: pictures of a size, recordings of a rate, texts of words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .processors import PLACES, PREPROCESSOR
from .resolve import CONFIG

PICTURES, CLIPS, RECORDINGS, TEXTS = "pictures", "clips", "recordings", "texts"
_TOKENIZER, _TOKENIZER_CONFIG, _SEVERAL = "tokenizer.json", "tokenizer_config.json", "processor_config.json"
_UNLIMITED = 10**9  # from here on, a tokenizer's limit is none
_PIECES = ("BPE", "WordPiece", "Unigram")
_MEDIA_PARTS = ("image_processor", "feature_extractor")
_GREY = 1  # channel


@dataclass(frozen=True)
class MadeFor:
    """For what inputs a model was made; what is not known is None or empty.

    Attributes:
        kind: ``pictures``, ``clips``, ``recordings`` or ``texts``.
        height: Of a picture, in pixels.
        width: Of a picture, in pixels.
        channels: Of a picture: 1 where it is grey, 3 where it is in colour.
        frames: Of a clip.
        sampling_rate: Samples of a recording a second.
        seconds: Of a recording, the most that is read of it.
        unit: What texts are cut into: ``words``, ``pieces of words`` or ``characters``.
        vocabulary: How many of them are known.
        lower_cased: Whether capitals are read as small letters.
        longest: How many of them are read of a text, at most.
    """

    kind: str
    height: int | None = None
    width: int | None = None
    channels: int | None = None
    frames: int | None = None
    sampling_rate: int | None = None
    seconds: float | None = None
    unit: str = ""
    vocabulary: int | None = None
    lower_cased: bool = False
    longest: int | None = None

    @property
    def short_side(self) -> int | None:
        """Pixels of the shorter side of a picture."""
        return None if self.height is None or self.width is None else min(self.height, self.width)

    @property
    def is_grey(self) -> bool:
        """Whether pictures are read without their colours."""
        return self.channels == _GREY

    def __str__(self) -> str:
        parts = [self.kind]
        if self.frames is not None:
            parts.append(f"{self.frames} frames")
        if self.height is not None:
            parts.append(f"{self.height} x {self.width}")
        if self.channels is not None:
            parts.append("grey" if self.is_grey else "colour" if self.channels == 3 else f"{self.channels} channels")
        if self.sampling_rate is not None:
            parts.append(f"{self.sampling_rate:,} Hz")
        if self.seconds is not None:
            parts.append(f"{self.seconds:g} s")
        if self.unit:
            known = "" if self.vocabulary is None else f"{self.vocabulary:,} "
            parts.append(f"{known}{'lower-cased ' if self.lower_cased else ''}{self.unit}")
        if self.longest is not None:
            parts.append(f"up to {self.longest:,}")
        return ", ".join(parts)

    @property
    def brief(self) -> str:
        """The kind and the size, in a few letters."""
        parts = ["audio" if self.kind == RECORDINGS else self.kind.removesuffix("s")]
        if self.height is not None:
            parts.append(f"{self.height}" if self.height == self.width else f"{self.height}x{self.width}")
        if self.sampling_rate is not None:
            parts.append(f"{self.sampling_rate / 1000:g} kHz")
        return " ".join(parts)


def made_for(folder: Path, *, words: bool = True) -> MadeFor | None:
    """What the files of a snapshot tell; nothing heavy is imported.

    Args:
        folder: The snapshot.
        words: Whether to read a tokenizer's vocabulary, which takes its time.

    Returns:
        None where its files tell of no processor that is known here.
    """
    values = _read(folder / PREPROCESSOR) or _media_part(_read(folder / _SEVERAL))
    config = _read(folder / CONFIG)
    if values:
        return _of_media(values, config)
    tokenizer = folder / _TOKENIZER
    if not tokenizer.is_file() and not (folder / _TOKENIZER_CONFIG).is_file():
        return None
    settings = _read(folder / _TOKENIZER_CONFIG)
    limits = [settings.get("model_max_length"), *(config.get(name) for name in PLACES)]
    return _of_texts(_read(tokenizer) if words else {}, limits, bool(settings.get("do_lower_case")))


def made_for_by_processor(processor: Any) -> MadeFor | None:
    """The same of a processor that is loaded already."""
    if (limit := getattr(processor, "model_max_length", None)) is not None:
        backend = getattr(processor, "backend_tokenizer", None)
        return _of_texts({} if backend is None else json.loads(backend.to_str()), [limit], False)
    part = next((found for name in _MEDIA_PARTS if (found := getattr(processor, name, None)) is not None), processor)
    return _of_media(part.to_dict(), {}) if hasattr(part, "to_dict") else None


def _media_part(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What reads pictures or recordings among the parts of a processor that is put together from several."""
    return next((part for name in _MEDIA_PARTS if isinstance(part := values.get(name), dict)), {})


def _of_media(values: Mapping[str, Any], config: Mapping[str, Any]) -> MadeFor | None:
    if isinstance(rate := values.get("sampling_rate"), int):
        samples = values.get("num_samples") or values.get("n_samples")
        return MadeFor(RECORDINGS, sampling_rate=rate, seconds=samples / rate if samples else None)
    if "image_processor_type" not in values and "size" not in values:
        return None
    size = values.get("crop_size") if values.get("do_center_crop") else None
    height, width = _sides(size or values.get("size"))
    mean, frames = values.get("image_mean"), values.get("num_frames")
    channels = config.get("num_channels") or (len(mean) if isinstance(mean, list | tuple) else None)
    return MadeFor(PICTURES if frames is None else CLIPS, height, width, channels, frames)


def _sides(size: Any) -> tuple[int | None, int | None]:
    """Height and width of what an image processor calls its size: a number, both, or the shorter side."""
    if isinstance(size, int):
        return size, size
    if not hasattr(size, "get"):
        return None, None
    edge = size.get("shortest_edge")
    return size.get("height", edge), size.get("width", edge)


def _of_texts(tokenizer: Mapping[str, Any], limits: list[Any], lower_cased: bool) -> MadeFor:
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < _UNLIMITED]
    longest = min(known, default=None)
    model = tokenizer.get("model") or {}
    vocabulary = model.get("vocab") or {}
    unit = "pieces of words" if model.get("type") in _PIECES else ""
    if model.get("type") == "WordLevel":
        special = {token["content"] for token in tokenizer.get("added_tokens", ())}
        unit = "characters" if all(len(word) == 1 for word in vocabulary if word not in special) else "words"
    return MadeFor(
        TEXTS,
        unit=unit,
        vocabulary=len(vocabulary) or None,
        lower_cased=lower_cased or _lowers(tokenizer.get("normalizer")),
        longest=longest,
    )


def _lowers(normalizer: Any) -> bool:
    """Whether one of a tokenizer's normalisers makes small letters of capitals."""
    if not isinstance(normalizer, dict):
        return False
    parts = normalizer.get("normalizers") or ()
    return normalizer.get("type") == "Lowercase" or normalizer.get("lowercase") is True or any(map(_lowers, parts))


def _read(path: Path) -> dict[str, Any]:
    """The fields of a file; none where it is missing or damaged, which whoever loads the model is told."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
