from __future__ import annotations

import itertools
import random

import pytest
from tsugiki.data.load_data import load_split
from tsugiki_seq2seq.melody import melody_data
from tsugiki_seq2seq.melody.melody_data import (
    CADENCES,
    FORMS,
    KEYS,
    METRES,
    MINOR,
    PHRASE_BARS,
    RHYTHMS,
    Melody,
    compose,
    pitch_name,
    pitch_number,
    read_bars,
)

# Signatures as any primer of music prints them: the names of a key's seven notes, black keys as sharps.
SIGNATURES = {
    "C": "C D E F G A B",
    "G": "G A B C D E F#",
    "D": "D E F# G A B C#",
    "F": "F G A A# C D E",
    "Bb": "A# C D D# F G A",
    "A": "A B C# D E F# G#",
    "Am": "A B C D E F G",
    "Em": "E F# G A B C D",
    "Dm": "D E F G A A# C",
    "Gm": "G A A# C D D# F",
}


@pytest.fixture(scope="module")
def melodies() -> list[tuple[str, Melody]]:
    draw = random.Random(0)
    return [(form, compose(draw, form)) for form in FORMS * 150]


def test_every_note_is_of_its_key_but_for_the_leading_note(melodies):
    for _, melody in melodies:
        scale = SIGNATURES[melody.key].split()
        notes = melody.notes()
        for place, (pitch, _) in enumerate(notes):
            if pitch_name(pitch)[:-1] not in scale:
                assert KEYS[melody.key][1] is MINOR
                assert place == len(notes) - 2
                assert notes[-1][0] - pitch == 1


def test_every_melody_ends_on_the_tonic_by_a_step(melodies):
    for _, melody in melodies:
        (before, _), (last, length) = melody.notes()[-2:]
        assert pitch_name(last)[:-1] == SIGNATURES[melody.key].split()[0]
        assert 1 <= abs(before - last) <= 2
        assert length >= 3


def test_all_bars_are_full_and_there_are_sixteen(melodies):
    for _, melody in melodies:
        assert [sum(length for _, length in bar) for bar in melody.bars] == [METRES[melody.metre]] * 4 * PHRASE_BARS
    for table in (RHYTHMS, CADENCES):
        for metre, rhythms in table.items():
            for rhythm in rhythms:
                assert sum(rhythm[0] if isinstance(rhythm[0], tuple) else rhythm) == METRES[metre]


def test_phrases_return_as_the_form_says(melodies):
    for form, melody in melodies:
        phrases = [melody.bars[start : start + 3] for start in range(0, 16, PHRASE_BARS)]
        for one, other in itertools.combinations(range(4), 2):
            if form[one] == form[other]:
                assert phrases[one] == phrases[other]
            elif form[one].upper() == form[other].upper():
                assert phrases[one][0] == phrases[other][0]
                assert phrases[one][1] != phrases[other][1]


def test_inner_phrases_stay_open(melodies):
    """They end on a note of the dominant's chord: the scale's fifth, seventh or second."""
    for _, melody in melodies:
        scale = SIGNATURES[melody.key].split()
        for bar in melody.bars[3:-1:PHRASE_BARS]:
            assert pitch_name(bar[-1][0])[:-1] in (scale[4], scale[6], scale[1])


def test_lines_move_by_steps_rather_than_leaps(melodies):
    steps = leaps = 0
    for _, melody in melodies:
        pitches = [pitch for pitch, _ in melody.notes()]
        moves = [abs(other - one) for one, other in itertools.pairwise(pitches)]
        steps += sum(1 <= move <= 2 for move in moves)
        leaps += sum(move > 4 for move in moves)
        assert max(pitches) - min(pitches) <= 24
    assert steps > 4 * leaps


def test_melodies_differ(melodies):
    assert len({melody.text() for _, melody in melodies}) == len(melodies)
    assert {melody.key for _, melody in melodies} == set(KEYS)
    assert {melody.metre for _, melody in melodies} == set(METRES)


def test_texts_are_read_back(melodies):
    for _, melody in melodies:
        assert read_bars(melody.text()) == melody.bars


def test_pitches_have_their_names():
    assert [pitch_number(name) for name in ("C4", "A4", "F#5", "Bb3", "C0")] == [60, 69, 78, 58, 12]
    assert all(pitch_number(pitch_name(pitch)) == pitch for pitch in range(12, 128))
    for bad in ("H4", "C", "", "C##4", "4C", "C10"):
        with pytest.raises(ValueError, match="no pitch"):
            pitch_number(bad)


def test_the_data_set_is_found_by_its_name_and_always_the_same(monkeypatch):
    monkeypatch.setattr(melody_data, "MELODIES", {"train": 20, "validation": 20, "test": 20})
    train, test = (load_split("tsugiki/melodies", split) for split in ("train", "test"))
    assert train["text"][:] == load_split("tsugiki/melodies", "train")["text"][:]
    assert not set(train["text"]) & set(test["text"])
    assert train[0]["text"].startswith("key=Gm time=4/4 A#4:2 D5:2 A#4:2 C5:2 | A#4:2 A4:2 G4:2 A4:2 |")
