"""Data that is nothing like what a base was made for, which is said before the run and stands in its report.

Rows are looked at here and there, pictures by their headers: it costs a moment whatever the size of the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..columns import PICTURE_COLUMN, RECORDING_COLUMN, read_texts
from ..errors import DataError
from ..images import image_size, open_image
from ..snapshots.made_for import PICTURES, RECORDINGS, TEXTS, MadeFor, made_for_by_processor
from ..task import Task
from ..tasks.classification import Classification
from .announce import say
from .installed_bases import InstalledBase, installed_bases
from .options import Options

if TYPE_CHECKING:
    from datasets import Dataset

TIMES_LARGER = 4  # short side of a picture over the network's, from which on what shows in it is lost
ROWS = 64  # that are looked at
UNKNOWN = 0.4  # share of words; measured 0.05 to 0.18 for other English texts, 0.59 and more for other languages
CUT = 0.5  # share of texts and recordings of which the end is lost
PICTURES_OPENED = 16  # of these, for their colours
COLOUR = 12  # mean distance of the channels of a picture in colour, of 255
_THUMBNAIL = 64  # pixels a side, which tell colours


def unlike_base(
    dataset: Dataset, columns: Mapping[str, str], task: Task, processor: Any, options: Options
) -> list[str]:
    """Say in what ways rows are nothing like what a base was made for.

    Args:
        dataset: Rows to learn from.
        columns: Columns by role.
        task: The base's task.
        processor: The base's processor.
        options: The options.

    Returns:
        One sentence each; none as a rule.
    """
    found = _found(dataset, columns, task, processor)
    for sentence in found:
        say(options, sentence)
    return found


def _found(dataset: Dataset, columns: Mapping[str, str], task: Task, processor: Any) -> list[str]:
    made_for = made_for_by_processor(processor)
    column = _input_column(task, columns)
    if made_for is None or column is None:
        return []
    step = max(1, len(dataset) // ROWS)
    rows = dataset.select(range(0, len(dataset), step)).select_columns([column])
    look: dict[str, Callable[..., list[str]]] = {PICTURES: _pictures, RECORDINGS: _recordings, TEXTS: _texts}
    try:
        return look[made_for.kind](rows, column, task, processor, made_for) if made_for.kind in look else []
    except DataError:
        return []  # rows that cannot be read are refused with their names where all are


def _input_column(task: Task, columns: Mapping[str, str]) -> str | None:
    """The column of inputs: of a classifier what it classifies, else pictures or recordings among the roles."""
    if isinstance(task, Classification):
        return columns[task.input_role]
    kinds = (PICTURE_COLUMN, RECORDING_COLUMN)
    return next((columns[name] for name, role in task.roles.items() if role.kind in kinds and name in columns), None)


def _pictures(rows: Dataset, column: str, task: Task, processor: Any, made_for: MadeFor) -> list[str]:
    from datasets import Image as ImageFeature

    sources = rows.cast_column(column, ImageFeature(decode=False)).with_format(None)[column]
    side, own = float(np.median([min(image_size(source)) for source in sources])), made_for.short_side
    if own is not None and side >= TIMES_LARGER * own:
        return [
            f"Half of the pictures have {side:g} pixels or more on their short side, and the base reads {own}: it was "
            f"made for small pictures, and most of what shows in these is lost.{_base_for_pictures(task, side)}"
        ]
    if made_for.is_grey and np.median([_distance_of_channels(source) for source in sources[:PICTURES_OPENED]]) > COLOUR:
        return [
            "Most of the pictures are in colour, and the base was made for grey ones: it does not see colours."
            f"{_base_for_pictures(task, side)}"
        ]
    return []


def _distance_of_channels(source: Any) -> float:
    """How far the channels of a picture are from each other on the average; 0 of a grey one."""
    small = open_image(source).convert("RGB")
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    channels = np.asarray(small, dtype=np.float64)  # (H, W, 3)
    return float((channels.max(2) - channels.min(2)).mean())


def _base_for_pictures(task: Task, side: float) -> str:
    """A sentence that names a base for coloured pictures of a size, or how to install one; empty without one."""
    fitting = [
        base
        for base in installed_bases(task.name, PICTURES)
        if base.made_for.short_side and side < TIMES_LARGER * base.made_for.short_side and not base.made_for.is_grey
    ]
    if not fitting:
        return ""

    def fit(base: InstalledBase) -> tuple[bool, int, int]:
        own = base.made_for.short_side or 1
        return base.needs is not None, round(math.log2(max(1.0, side / own))), own

    best = min(fitting, key=fit)
    how = "" if best.needs is None else f" ({best.needs})"
    return f" {best.name} was made for pictures of {best.made_for.height} x {best.made_for.width}{how}."


def _recordings(rows: Dataset, column: str, task: Task, processor: Any, made_for: MadeFor) -> list[str]:
    if made_for.seconds is None or made_for.sampling_rate is None:
        return []
    from datasets import Audio

    from ..audio import read_waveform

    if not isinstance(rows.features[column], dict):
        rows = rows.cast_column(column, Audio(decode=False))
    lengths = np.array(
        [len(read_waveform(source, made_for.sampling_rate)) for source in rows.with_format(None)[column]], dtype=float
    )
    lengths /= made_for.sampling_rate
    long = lengths > 2 * made_for.seconds
    if long.mean() < CUT:
        return []
    return [
        f"Half of the recordings last {float(np.median(lengths)):.2g} s or more, and the base hears "
        f"{made_for.seconds:g} s of each: the rest is cut off."
    ]


def _texts(rows: Dataset, column: str, task: Task, processor: Any, made_for: MadeFor) -> list[str]:
    texts = read_texts(rows, column)
    tokens = processor(texts, truncation=False, padding=False, return_attention_mask=False, verbose=False)["input_ids"]
    return [*_unknown_words(tokens, processor, made_for), *_too_long(tokens, made_for)]


def _unknown_words(tokens: Sequence[Sequence[int]], processor: Any, made_for: MadeFor) -> list[str]:
    unknown, total = getattr(processor, "unk_token_id", None), sum(map(len, tokens))
    if unknown is None or not made_for.unit or not total:
        return []
    share = sum(list(row).count(unknown) for row in tokens) / total
    if share < UNKNOWN:
        return []
    said = f"Of the {made_for.unit} in the texts, {100 * share:.0f} % are unknown to the base, which knows "
    return [f"{said}{made_for.vocabulary:,}: it was made for other texts."]


def _too_long(tokens: Sequence[Sequence[int]], made_for: MadeFor) -> list[str]:
    if made_for.longest is None:
        return []
    lengths = np.array([len(row) for row in tokens])
    share = float((lengths > made_for.longest).mean())
    if share < CUT:
        return []
    unit = made_for.unit or "tokens"
    return [
        f"The base reads {made_for.longest:,} {unit} of a text at most, and {100 * share:.0f} % of the texts are "
        f"longer, half of all {np.median(lengths):,.0f} or more: what comes after is cut off."
    ]
