"""Files of a melody: a MIDI file, a picture of its notes over time (piano roll), a sound file."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .melody_data import METRES, pitch_name
from .midi_files import midi_file

Notes = Sequence[tuple[int, int]]  # MIDI pitch, length in eighths
RATE = 22_050  # samples a second of a sound file
PARTIALS = (1.0, 0.4, 0.2, 0.1)  # strength of the fundamental and what sounds over it
FADE = 0.01  # seconds in which a note begins and ends


def piano_roll(notes: Notes, *, tempo: float = 100, metre: str = "4/4", title: str = "") -> bytes:
    """A PNG picture: time in bars to the right, pitch upwards, a bar a note."""
    import matplotlib

    matplotlib.use("Agg", force=False)
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    bar = METRES.get(metre, 8)
    ends = np.cumsum([length for _, length in notes]) / bar
    starts = np.concatenate([[0], ends[:-1]]) + 1  # the first bar is bar 1
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes: Any = figure.subplots()
    pitches = [pitch for pitch, _ in notes]
    axes.barh(pitches, [length / bar for _, length in notes], left=starts, height=0.8, edgecolor="white", linewidth=0.6)
    ticks = sorted(set(pitches))
    if len(ticks) > 24:  # more names than fit: the Cs alone
        ticks = [pitch for pitch in ticks if pitch % 12 == 0]
    axes.set_yticks(ticks, [pitch_name(pitch) for pitch in ticks])
    axes.set(xlabel=f"bar ({metre})", title=title)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True))
    axes.set_xlim(1, ends[-1] + 1)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    out = io.BytesIO()
    figure.savefig(out, dpi=110, format="png")
    return out.getvalue()


def sound_file(notes: Notes, *, tempo: float = 100, metre: str = "4/4", title: str = "") -> bytes:
    """A WAV file, 16 bits, one channel, of a plain tone in equal temperament with A4 = 440 Hz."""
    seconds = 30 / tempo  # an eighth
    pieces = [np.zeros(0)]
    for pitch, length in notes:
        time = np.arange(round(length * seconds * RATE)) / RATE
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        tone = sum(
            (
                strength * np.sin(2 * np.pi * frequency * (number + 1) * time)
                for number, strength in enumerate(PARTIALS)
            ),
            np.zeros(len(time)),
        )
        envelope = np.minimum(1, np.minimum(time, time[-1] - time) / FADE) * np.exp(-1.5 * time)
        pieces.append(tone * envelope)
    samples = np.concatenate(pieces) * (0.5 * 32767 / sum(PARTIALS))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


def _midi(notes: Notes, *, tempo: float = 100, metre: str = "4/4", title: str = "") -> bytes:
    return midi_file(notes, tempo=tempo, metre=metre)


WRITERS: dict[str, Callable[..., bytes]] = {
    ".mid": _midi,
    ".midi": _midi,
    ".png": piano_roll,
    ".wav": sound_file,
}
