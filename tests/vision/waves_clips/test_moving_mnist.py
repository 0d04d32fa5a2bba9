from __future__ import annotations

import itertools

import datasets
import numpy as np
import pytest
import torch
from tsugiki.data.load_data import load_split, splits
from tsugiki_vision.waves_clips import moving_mnist as moving_digits
from tsugiki_vision.waves_clips.moving_mnist import DIRECTIONS, FRAMES, SIDE, SPEEDS, make_moving_mnist, move

DIGIT = np.random.default_rng(0).integers(1, 256, (1, 3, 2), dtype=np.uint8)


@pytest.fixture
def few_digits(monkeypatch) -> datasets.Dataset:
    """A made-up MNIST of 400 digits behind the name of the source."""
    generator = np.random.default_rng(0)
    digits = [np.pad(generator.integers(1, 256, (20, 20), dtype=np.uint8), 4) for _ in range(400)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = {"image": digits, "label": [number % 10 for number in range(400)]}
    source = datasets.Dataset.from_dict(rows, features=features)
    monkeypatch.setattr(moving_digits, "load_split", lambda name, split: source)
    monkeypatch.setattr(moving_digits, "CLIPS", {"train": 400, "test": 100})
    return source


def test_pictures_move_by_their_step_and_come_back_on_the_other_side():
    (clip,) = move(DIGIT, np.array([[1, 2]]), np.array([[1, -2]]), frames=5, side=6)
    canvas = np.zeros((6, 6), np.uint8)
    canvas[:3, :2] = DIGIT[0]
    for time, frame in enumerate(clip):
        np.testing.assert_array_equal(frame, np.roll(canvas, (1 + time, 2 - 2 * time), axis=(0, 1)))


@pytest.mark.parametrize("speed", SPEEDS)
def test_single_frames_say_nothing_about_the_direction(speed):
    """Over all starts, every frame of every direction shows the very same pictures, each exactly once."""
    side = 6
    starts = np.stack(np.divmod(np.arange(side**2), side), axis=1)
    digits = np.repeat(DIGIT, len(starts), axis=0)

    def shown(direction: str, time: int) -> list[bytes]:
        steps = np.repeat([np.array(DIRECTIONS[direction]) * speed], len(starts), axis=0)
        clips = move(digits, starts, steps, frames=3, side=side)
        return sorted(frame.tobytes() for frame in clips[:, time])

    expected = shown("up", 0)
    assert len(set(expected)) == side**2
    assert all(shown(direction, time) == expected for direction in DIRECTIONS for time in range(3))


def test_two_frames_tell_directions_apart():
    starts = np.zeros((8, 2), np.int64)
    clips = move(np.repeat(DIGIT, 8, axis=0), starts, np.array(list(DIRECTIONS.values())), frames=2, side=6)
    assert len({clip.tobytes() for clip in clips}) == 8


def test_rows_show_their_digit_moving_in_the_direction_of_their_label(few_digits):
    data = make_moving_mnist("train").with_format("numpy")
    names = data.features["direction"].names
    assert data.features["frames"].shape == (FRAMES, SIDE, SIDE)
    for row in range(0, 400, 37):
        frames, digit = data[row]["frames"], np.pad(np.asarray(few_digits[row]["image"]), ((0, 4), (0, 4)))
        step = np.array(DIRECTIONS[names[data[row]["direction"]]]) * data[row]["speed"]
        for before, after in itertools.pairwise(frames):
            np.testing.assert_array_equal(after, np.roll(before, step, axis=(0, 1)))
        assert np.array_equal(np.sort(frames[0], axis=None), np.sort(digit, axis=None))
        assert data[row]["digit"] == few_digits[row]["label"]


def test_draws_do_not_depend_on_other_rows_and_differ_by_split(few_digits, monkeypatch):
    train, test = make_moving_mnist("train"), make_moving_mnist("test")
    monkeypatch.setattr(moving_digits, "CLIPS", {"train": 7, "test": 100})
    assert make_moving_mnist("train")["direction"][:] == train["direction"][:7]
    assert test["direction"][:] != train["direction"][:100]


def test_directions_starts_and_digits_are_drawn_apart(few_digits):
    """Mean places by direction and directions by digit stay within four standard errors of uniform draws."""
    data = make_moving_mnist("train").with_format("numpy")
    directions, digits, frames = (data[name][:] for name in ("direction", "digit", "frames"))
    counts = np.bincount(directions, minlength=8)
    assert np.abs(counts - 50).max() < 4 * np.sqrt(50)
    angle = 2 * np.pi * np.arange(SIDE) / SIDE
    for time in (0, FRAMES - 1):  # the place on a circle, as the angle of its centre of mass
        for axis in (1, 2):
            mass = frames[:, time].astype(float).sum(axis=3 - axis)
            circle = (mass * np.exp(1j * angle)).sum(1)
            circle /= np.abs(circle)
            for direction in range(8):
                assert np.abs(circle[directions == direction].mean()) < 4 / np.sqrt(counts[direction])
    for digit in range(10):
        assert np.bincount(directions[digits == digit], minlength=8).max() < 5 + 4 * np.sqrt(5)


def test_data_set_is_found_by_its_name(few_digits):
    assert splits("tsugiki/moving_mnist") == ["train", "test"]
    data = load_split("tsugiki/moving_mnist", "test")
    assert len(data) == 100
    assert torch.tensor(data["direction"][:]).unique().tolist() == list(range(8))
