"""Which source tokens a translation looked at: a model's cross attention over its own output, or over a given one."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import font_manager, rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tsugiki.errors import DataError, OptionError
from tsugiki.output import write_bytes
from tsugiki.tasks.confusion_matrix import DOTS_PER_INCH, EAST_ASIAN_FONTS

from ..texts.generating import length_limit
from .open_translators import check_translator, encode_texts

FONT = "DejaVu Sans"  # matplotlib's own: always there
CELL = 0.32  # inches a token
MARGIN = 1.6  # inches for labels and colour bar
SMALLEST, LARGEST = 3.5, 24.0  # inches a side


@dataclass(frozen=True)
class Alignment:
    """A translation and its attention.

    Attributes:
        source: Source tokens, the end token included.
        target: Target tokens, the end token included.
        weights: float32 (T, S): how much of the attention for target token t goes to source token s; rows sum to 1.
        text: The target as text.
    """

    source: list[str]
    target: list[str]
    weights: NDArray[np.float32]
    text: str


def align(
    model: Any,
    tokenizer: Any,
    source: str,
    target: str | None = None,
    *,
    layer: int = -1,
    head: int | None = None,
    num_beams: int | None = None,
) -> Alignment:
    """The cross attention of an encoder-decoder for one sentence.

    Args:
        model: Any encoder-decoder of transformers with attention.
        tokenizer: Its tokenizer.
        source: The sentence.
        target: What it is aligned with; by default the model's own translation.
        layer: Layer of the decoder, from 0, or from the last one backwards for negative numbers.
        head: One head alone; by default the mean over all.
        num_beams: Of the search for a translation; by default as the model's generation config says.

    Raises:
        OptionError: The model has no attention, or not that layer or head.
        DataError: A text is empty.
    """
    check_translator(model, "the model")
    for side, text in (("source", source), ("target", target)):
        if text is not None and not text.strip():
            raise DataError(f"the {side} is empty; give a text with at least a word")
    ids = torch.tensor(encode_texts(tokenizer, [source]), device=model.device)  # (1, S)
    with torch.inference_mode():
        decoded = _decoder_tokens(model, tokenizer, ids, target, num_beams)  # (1, 1 + T), the start token first
        with _plain_attention(model):
            output = model(input_ids=ids, decoder_input_ids=decoded[:, :-1], output_attentions=True)
    weights = _choose(model, getattr(output, "cross_attentions", None), layer, head)
    return Alignment(
        source=tokenizer.convert_ids_to_tokens(ids[0].tolist()),
        target=tokenizer.convert_ids_to_tokens(decoded[0, 1:].tolist()),
        weights=weights.float().cpu().numpy(),
        text=tokenizer.decode(decoded[0], skip_special_tokens=True),
    )


def _decoder_tokens(
    model: Any, tokenizer: Any, ids: torch.Tensor, target: str | None, num_beams: int | None
) -> torch.Tensor:
    if target is None:
        options = {} if num_beams is None else {"num_beams": num_beams}
        mask = torch.ones_like(ids)
        return model.generate(input_ids=ids, attention_mask=mask, do_sample=False, **options, **length_limit(model))
    start = model.config.decoder_start_token_id
    return torch.tensor([[start, *encode_texts(tokenizer, [target], targets=True)[0]]], device=ids.device)


@contextlib.contextmanager
def _plain_attention(model: Any) -> Iterator[None]:
    """Attention that gives its weights back: fused kernels never hold them."""
    before = getattr(model.config, "_attn_implementation", None)
    if before in (None, "eager") or not hasattr(model, "set_attn_implementation"):
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _choose(model: Any, layers: Sequence[torch.Tensor] | None, layer: int, head: int | None) -> torch.Tensor:
    """One layer's weights (T, S), of one head or the mean of all."""
    if not layers or layers[0] is None:
        raise OptionError(f"{type(model).__name__} has no attention to align with; name a model that has")
    if not -len(layers) <= layer < len(layers):
        raise OptionError(f"layer must be one of the decoder's {len(layers)}, from 0 or from -1 backwards, not {layer}")
    weights = layers[layer][0]  # (heads, T, S)
    if head is None:
        return weights.mean(0)
    if not 0 <= head < len(weights):
        raise OptionError(f"head must be from 0 to {len(weights) - 1}, not {head}")
    return weights[head]


def draw_alignment(drawn: Alignment, output: str | Path, *, overwrite: bool = False) -> dict[str, str]:
    """Write the heat map as a PNG, whole or not at all; white is no attention, the darkest cell has the most.

    Source tokens stand above the columns, target tokens beside the rows, a space as ``␣`` and the mark that begins a
    word left out. Where no installed font can draw one of a side's tokens, places such as ``#3`` stand for all of them.

    Args:
        drawn: What to draw.
        output: The file.
        overwrite: Replace a file that is there.

    Returns:
        Which token each such place stands for.

    Raises:
        OutputError: The file cannot be written, or is there and not to be replaced.
    """
    fonts, missing = fonts_for("".join(_readable(token) for token in [*drawn.source, *drawn.target]))
    columns, rows, stands_for = _labels(drawn, missing)
    width, height = (float(np.clip(MARGIN + CELL * len(side), SMALLEST, LARGEST)) for side in (columns, rows))
    with rc_context({"font.family": fonts}):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        most = max(float(drawn.weights.max()), 1e-6)
        image = axes.imshow(drawn.weights, cmap="Blues", vmin=0, vmax=most, aspect="auto", interpolation="nearest")
        axes.xaxis.tick_top()
        turned = 90 if max(map(len, columns)) > 2 else 0
        axes.set_xticks(range(len(columns)), columns, rotation=turned, parse_math=False)
        axes.set_yticks(range(len(rows)), rows, parse_math=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.colorbar(image, ax=axes, label="attention", fraction=0.05)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    write_bytes(output, buffer.getvalue(), overwrite=overwrite)
    return stands_for


def _labels(drawn: Alignment, missing: set[str]) -> tuple[list[str], list[str], dict[str, str]]:
    """Labels of the columns and the rows, and what those stand for that are no tokens; source places come first."""
    stands_for: dict[str, str] = {}
    sides = []
    for tokens, first in ((drawn.source, 0), (drawn.target, len(drawn.source))):
        labels = [_readable(token) for token in tokens]
        if missing & set("".join(labels)):
            labels = [f"#{first + place}" for place in range(len(tokens))]
            stands_for |= dict(zip(labels, tokens, strict=True))
        sides.append(labels)
    return sides[0], sides[1], stands_for


def _readable(token: str) -> str:
    """A token without the marks by which tokenizers tell where words begin; ``␣`` for what is nothing but a space."""
    return token.replace("▁", " ").replace("Ġ", " ").strip() or "␣"


def fonts_for(text: str) -> tuple[list[str], set[str]]:
    """Font families that draw all characters of a text together, and the characters that no installed font has.

    Matplotlib's own font comes first, then the known fonts for Chinese, Japanese and Korean, then whatever else is
    installed.
    """
    fonts, missing = [FONT], set(text)
    paths = _font_files()
    known = [name for name in EAST_ASIAN_FONTS if name in paths]
    for name in [FONT, *known, *sorted(set(paths) - {FONT, *known})]:
        drawable = missing & _characters(paths[name]) if missing else set()
        if drawable:
            missing -= drawable
            if name != FONT:
                fonts.append(name)
    return fonts, missing


@cache
def _font_files() -> dict[str, str]:
    """A regular font file by family name, without those that draw the same box for every character."""
    entries = sorted(font_manager.fontManager.ttflist, key=lambda entry: (entry.style != "normal", entry.fname))
    return {entry.name: entry.fname for entry in reversed(entries) if not entry.name.startswith("Last Resort")}


@cache
def _characters(file: str) -> frozenset[str]:
    """The characters that a font has a picture of."""
    try:
        return frozenset(chr(code) for code in font_manager.get_font(file).get_charmap())
    except (RuntimeError, OSError):  # a damaged file
        return frozenset()
