"""`tsugiki/melodies`: tonal melodies made by rule, as words such as ``C4:2`` (a pitch and its length in eighths).

A melody is one line of words: key, metre, notes, and a bar line ``|`` behind every bar,

    key=G time=3/4 G4:2 B4:2 D5:2 | C5:4 A4:2 | …

Its rules, after what textbooks of melody teach:

- **Key and metre.** Six major and four minor keys (natural minor, the seventh step raised before the last tonic);
  4/4, 3/4 or 6/8.
- **Form.** Four phrases of four bars: AABA, ABAC, ABAB or AA'BA'. A phrase that returns is the same but for
  its cadence, and A' ornaments A's second bar.
- **Harmony.** Each bar stands on a chord of a drawn progression; strong beats are mostly notes of the chord.
- **Line.** Steps are likelier than leaps; behind a leap of more than a third the line turns back by a step; the range
  is an eleventh.
- **Cadence.** A phrase ends on a long note: on the dominant's chord in the middle of the melody (open), on the tonic
  at its end (closed), which is reached by a step.

All draws depend on (split, number) alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsugiki.data.load_data import made_dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset

MELODIES = {"train": 12_000, "validation": 500, "test": 500}
SEED = 1722  # of all draws
BAR = "|"
PITCH_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
KEYS = {  # name -> (tonic's pitch class, scale)
    "C": (0, MAJOR),
    "G": (7, MAJOR),
    "D": (2, MAJOR),
    "F": (5, MAJOR),
    "Bb": (10, MAJOR),
    "A": (9, MAJOR),
    "Am": (9, MINOR),
    "Em": (4, MINOR),
    "Dm": (2, MINOR),
    "Gm": (7, MINOR),
}
METRES = {"4/4": 8, "3/4": 6, "6/8": 6}  # eighths a bar
FORMS = ("AABA", "ABAC", "ABAB", "AaBa")  # a is A with an ornament
PHRASE_BARS = 4
# Chords of a phrase's first three bars, as steps of the scale on which they stand; its last bar is the cadence.
PROGRESSIONS = ((0, 3, 4), (0, 5, 3), (0, 4, 0), (0, 0, 4), (5, 3, 4), (3, 0, 4), (0, 5, 1))
# Lengths of a bar's notes in eighths; those of a metre are drawn with these weights.
RHYTHMS: dict[str, tuple[tuple[tuple[int, ...], int], ...]] = {
    "4/4": (
        ((2, 2, 2, 2), 5),
        ((4, 2, 2), 4),
        ((2, 2, 4), 4),
        ((3, 1, 2, 2), 3),
        ((2, 1, 1, 2, 2), 3),
        ((2, 2, 2, 1, 1), 3),
        ((4, 4), 2),
        ((1, 1, 1, 1, 2, 2), 2),
        ((3, 1, 4), 2),
    ),
    "3/4": (((2, 2, 2), 5), ((4, 2), 4), ((2, 1, 1, 2), 3), ((3, 1, 2), 3), ((2, 2, 1, 1), 3), ((2, 4), 1)),
    "6/8": (((2, 1, 2, 1), 5), ((1, 1, 1, 1, 1, 1), 3), ((3, 2, 1), 4), ((2, 1, 3), 4), ((3, 1, 1, 1), 3), ((3, 3), 2)),
}
CADENCES = {"4/4": ((2, 2, 4), (4, 4), (2, 6)), "3/4": ((2, 4), (1, 1, 4), (2, 4)), "6/8": ((2, 1, 3), (1, 1, 1, 3))}
LOWEST, RANGE = -3, 10  # of steps above the tonic in its octave
Note = tuple[int, int]  # step of the scale above the tonic, length in eighths


@dataclass(frozen=True)
class Melody:
    """A melody as it is read or written.

    Attributes:
        key: One of `KEYS`.
        metre: One of `METRES`.
        bars: For each bar its notes: MIDI pitch and length in eighths.
    """

    key: str
    metre: str
    bars: tuple[tuple[tuple[int, int], ...], ...]

    def notes(self) -> list[tuple[int, int]]:
        """All notes, one after the other."""
        return [note for bar in self.bars for note in bar]

    def text(self) -> str:
        """The melody as a line of words."""
        words = [f"key={self.key}", f"time={self.metre}"]
        for bar in self.bars:
            words += [f"{pitch_name(pitch)}:{length}" for pitch, length in bar]
            words.append(BAR)
        return " ".join(words)


@made_dataset(*MELODIES)
def make_melodies(split: str) -> Dataset:
    """One split: each melody's `text`, `key`, `metre` and `form`."""
    from datasets import Dataset

    rows = []
    for number in range(MELODIES[split]):
        draw = random.Random(f"{SEED} {split} {number}")
        form = draw.choice(FORMS)
        melody = compose(draw, form)
        rows.append({"text": melody.text(), "key": melody.key, "metre": melody.metre, "form": form})
    return Dataset.from_list(rows)


def compose(draw: random.Random, form: str) -> Melody:
    """One melody of a form."""
    key, metre = draw.choice(list(KEYS)), draw.choice(list(METRES))
    phrases: dict[str, list[list[Note]]] = {}
    bars: list[list[Note]] = []
    for place, letter in enumerate(form):
        base = letter.upper()
        if base not in phrases:
            # It begins on the tonic's triad, or where the phrase before it ended.
            begin = bars[-1][-1][0] if bars else 2 * draw.randrange(3)
            phrases[base] = _phrase(draw, metre, begin)
        if letter not in phrases:
            first, second, third = phrases[base]
            phrases[letter] = [first, _ornamented(second, draw), third]
        last = place == len(form) - 1
        ending = phrases[letter][-1][-1][0]
        bars += [*phrases[letter], _cadence(draw, metre, ending, closed=last)]
    tonic, scale = KEYS[key]
    base_pitch = 60 + (tonic if tonic <= 7 else tonic - 12)
    numbers = _pitches(bars, base_pitch, scale)
    return Melody(key, metre, tuple(tuple(bar) for bar in numbers))


def _phrase(draw: random.Random, metre: str, begin: int) -> list[list[Note]]:
    """The three bars of a phrase before its cadence; the second may take up the first one's rhythm."""
    rhythms, weights = zip(*RHYTHMS[metre], strict=True)
    chords = draw.choice(PROGRESSIONS)
    first = draw.choices(rhythms, weights)[0]
    second = first if draw.random() < 0.6 else draw.choices(rhythms, weights)[0]
    third = draw.choices(rhythms, weights)[0]
    bars: list[list[Note]] = []
    step, leap = begin, 0
    for chord, rhythm in zip(chords, (first, second, third), strict=True):
        bar: list[Note] = []
        at = 0
        for length in rhythm:
            strong = at == 0 or (at == 4 and metre == "4/4") or (at == 3 and metre == "6/8")
            if bars or bar:
                moved = _next_step(draw, step, leap, chord if strong else None)
                step, leap = moved, moved - step
            bar.append((step, length))
            at += length
        bars.append(bar)
    return bars


def _next_step(draw: random.Random, step: int, leap: int, chord: int | None) -> int:
    """Where the line goes: by a small step as a rule, back by a step behind a leap, to the chord on a strong beat."""
    if abs(leap) > 2:
        return step - (1 if leap > 0 else -1)
    moves = {0: 2.0, 1: 6.0, -1: 6.0, 2: 3.0, -2: 3.0, 3: 1.0, -3: 1.0, 4: 0.7, 5: 0.3}
    weights = []
    for move, weight in moves.items():
        target = step + move
        inside = LOWEST <= target <= LOWEST + RANGE
        fits = chord is None or (target - chord) % 7 in (0, 2, 4)
        height = 0.85 ** abs(target - 3)  # the middle of the range pulls
        weights.append(weight * height * (1.0 if fits else 0.15) if inside else 0.0)
    return step + draw.choices(list(moves), weights)[0]


def _cadence(draw: random.Random, metre: str, step: int, *, closed: bool) -> list[Note]:
    """The last bar of a phrase: to the tonic by a step where it closes, else to a note of the dominant's chord."""
    rhythm = draw.choice(CADENCES[metre])
    goals = [0, 7] if closed else [4, 1, -3, 6]
    goal = min(goals, key=lambda one: (abs(one - step), one))
    approach = [goal]
    side = 1 if step > goal or (step == goal and draw.random() < 0.5) else -1
    while len(approach) < len(rhythm):
        approach.insert(0, approach[0] + side)
        if approach[0] == step:  # not the same note over and over: turn about it
            side = -side
    return [
        (min(max(one, LOWEST - 1), LOWEST + RANGE + 1), length) for one, length in zip(approach, rhythm, strict=True)
    ]


def _ornamented(bar: Sequence[Note], draw: random.Random) -> list[Note]:
    """A bar in which one note of two eighths or more becomes two, the second a neighbour; in a bar of eighths alone one
    note goes to its neighbour."""
    long = [place for place, (_, length) in enumerate(bar) if length >= 2]
    place = draw.choice(long or range(1, len(bar)))
    step, length = bar[place]
    neighbor = (step + draw.choice((1, -1)), 1)
    return [*bar[:place], *([(step, length - 1)] if long else []), neighbor, *bar[place + 1 :]]


def _pitches(bars: Sequence[Sequence[Note]], tonic: int, scale: tuple[int, ...]) -> list[list[Note]]:
    """MIDI pitches of scale steps; in minor the leading note is raised right before the last tonic."""
    numbers = [[(tonic + 12 * (step // 7) + scale[step % 7], length) for step, length in bar] for bar in bars]
    if scale is MINOR and len(bars[-1]) > 1 and bars[-1][-2][0] % 7 == 6:
        pitch, length = numbers[-1][-2]
        numbers[-1][-2] = (pitch + 1, length)
    return numbers


def pitch_name(pitch: int) -> str:
    """The name of a MIDI pitch, 60 being C4; black keys as sharps."""
    return f"{PITCH_NAMES[pitch % 12]}{pitch // 12 - 1}"


def pitch_number(name: str) -> int:
    """The MIDI pitch of a name such as ``C4``, ``F#5`` or ``Bb3``.

    Raises:
        ValueError: It is none.
    """
    letter, rest = name[:1].upper(), name[1:]
    shift = {"#": 1, "b": -1}.get(rest[:1], 0)
    octave = rest[1:] if shift else rest
    if letter not in LETTERS or not octave.isdecimal() or not octave.isascii() or len(octave) > 1:
        raise ValueError(f"{name!r} is no pitch; write a letter, # or b if need be, and an octave, such as C4 or F#5")
    return 12 * (int(octave) + 1) + LETTERS[letter] + shift


def read_bars(text: str) -> tuple[tuple[tuple[int, int], ...], ...]:
    """The bars of a line of words, each of notes: MIDI pitch and length in eighths; other words are passed over."""
    bars = []
    for part in text.split(BAR):
        notes = []
        for word in part.split():
            name, _, length = word.partition(":")
            if length.isdecimal():
                notes.append((pitch_number(name), int(length)))
        if notes:
            bars.append(tuple(notes))
    return tuple(bars)
