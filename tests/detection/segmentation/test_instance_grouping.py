"""Grouping: discs that touch are told apart, and the rules for what the maps leave open."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tsugiki_detection.segmentation.instance_grouping import Instances, find_instances, group_pixels, renumbered
from tsugiki_detection.segmentation.instance_labels import LABEL_DIVISOR, class_numbers
from tsugiki_detection.segmentation.instance_targets import center_targets

from .conftest import disc

SIDE = 40


def touching_discs() -> np.ndarray:
    """Numbers of four discs, three of which touch."""
    numbers = np.zeros((SIDE, SIDE), np.int64)
    for number, (x, y, radius) in enumerate(((9, 9, 6), (20, 10, 5.5), (14, 19, 5), (33, 33, 4)), 1):
        numbers[disc(SIDE, x=x, y=y, radius=radius) & (numbers == 0)] = number
    return numbers


def same_parts(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two maps hold the same objects, whatever their numbers."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return pairs.shape[1] == len(np.unique(one)) == len(np.unique(other))


def perfect_maps(labels: torch.Tensor, classes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a network that knows the labels (H, W) would say."""
    heat, offsets = center_targets(labels[None], 0.5)
    shares = torch.nn.functional.one_hot(class_numbers(labels, classes), classes + 1).movedim(-1, 0)
    return 20.0 * shares, torch.logit(heat[0], eps=1e-6), offsets[0]


def test_discs_that_touch_are_told_apart():
    numbers = touching_discs()
    found = find_instances(*perfect_maps(torch.from_numpy(numbers), 1))
    assert same_parts(found.numbers, numbers)
    assert found.numbers.dtype == np.uint16
    assert (found.classes == 0).all() and found.scores.min() > 0.9
    assert np.array_equal(found.scores, np.sort(found.scores)[::-1])


def test_each_object_has_the_class_of_its_pixels_and_the_papers_score():
    numbers = torch.from_numpy(touching_discs())
    classes = torch.tensor([0, 2, 0, 1, 1])[numbers]
    logits, centers, offsets = perfect_maps(classes * LABEL_DIVISOR + numbers, 3)
    logits = logits / 5  # 4 and 0: shares that are not 1
    found = find_instances(logits, centers, offsets)
    for number, score, label in zip(range(1, 5), found.scores, found.classes, strict=True):
        inside = torch.from_numpy(found.numbers == number)
        assert label == classes[inside].unique().item()
        share = logits.double().softmax(0)[label][inside].mean()
        assert score == pytest.approx(float(share * centers.double().sigmoid()[inside].max()), rel=1e-5)


def brute_force(inside, centers, offsets) -> np.ndarray:
    """The number of the centre next to where each pixel points."""
    numbers = np.zeros(inside.shape, np.int64)
    for row, column in zip(*np.nonzero(inside), strict=True):
        place = np.array([row, column]) + offsets[:, row, column]
        numbers[row, column] = 1 + np.argmin([((place - center) ** 2).sum() for center in centers])
    return numbers


def test_each_pixel_goes_to_the_centre_next_to_where_it_points():
    generator = np.random.default_rng(0)
    inside = np.ones((24, 30), bool)
    heat = np.full(inside.shape, 0.05)
    centers = [(4, 5), (4, 20), (18, 8), (19, 25)]
    for number, (row, column) in enumerate(centers):
        heat[row, column] = 0.9 - 0.1 * number
    offsets = generator.normal(size=(2, 24, 30)) * 4
    offsets[:, *np.array(centers).T] = 0
    numbers, warmth = group_pixels(inside, heat, offsets)
    assert np.array_equal(numbers, brute_force(inside, centers, offsets))
    assert warmth.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])


def test_without_heat_and_offsets_objects_are_the_connected_parts():
    from scipy import ndimage

    inside = np.random.default_rng(1).random((30, 30)) < 0.3
    expected, count = ndimage.label(inside, np.ones((3, 3)))
    numbers, warmth = group_pixels(inside, np.zeros((30, 30)), np.zeros((2, 30, 30)))
    assert len(warmth) == count and same_parts(numbers, expected)


def test_no_pixel_goes_to_a_centre_beyond_the_background():
    inside = np.zeros((10, 30), bool)
    inside[2:8, 2:8] = inside[2:8, 20:28] = True
    heat = np.where(inside, 0.01, 0)
    heat[5, 5] = 0.9
    offsets = np.zeros((2, 10, 30))
    offsets[1, :, 20:] = -20  # the right part points at the left one
    numbers, warmth = group_pixels(inside, heat, offsets)
    assert len(np.unique(numbers[:, :10])) == len(np.unique(numbers[:, 10:])) == 2
    assert warmth.tolist() == [0.9, 0.01]


def test_a_centre_that_points_at_a_better_one_is_none():
    inside = np.ones((9, 21), bool)
    heat = np.full((9, 21), 0.05)
    heat[4, 4], heat[4, 14] = 0.9, 0.5
    offsets = np.zeros((2, 9, 21))
    assert len(group_pixels(inside, heat, offsets)[1]) == 2
    offsets[1, 4, 14] = -8
    numbers, warmth = group_pixels(inside, heat, offsets)
    assert warmth.tolist() == [0.9] and (numbers == 1).all()


def test_equal_pixels_beside_each_other_are_one_centre():
    heat = np.zeros((8, 8))
    heat[3:5, 3:5] = 0.8
    assert len(group_pixels(np.ones((8, 8), bool), heat, np.zeros((2, 8, 8)))[1]) == 1


def test_an_empty_picture_has_no_objects():
    found = find_instances(
        torch.tensor([-9.0, 9.0])[:, None, None].expand(2, 6, 6), torch.zeros(6, 6), torch.zeros(2, 6, 6)
    )
    assert not found.numbers.any() and len(found.scores) == len(found.classes) == 0
    assert found.resized(3, 9).numbers.shape == (3, 9)


def test_objects_are_ranked_kept_by_score_and_resized():
    numbers = np.array([[1, 1, 0], [3, 2, 2]])
    found = renumbered(numbers, np.array([0.2, 0.9, 0.5, 0.7]), np.array([4, 5, 6, 7]))  # the fourth has no pixel
    assert found.numbers.tolist() == [[3, 3, 0], [2, 1, 1]]
    assert found.scores.tolist() == [0.9, 0.5, 0.2] and found.classes.tolist() == [5, 6, 4]
    assert found.at_least(0.5).numbers.tolist() == [[0, 0, 0], [2, 1, 1]]
    larger = found.resized(4, 6)
    assert np.array_equal(larger.numbers, np.kron(found.numbers, np.ones((2, 2))))
    smaller = found.resized(1, 1)
    assert smaller.numbers.tolist() == [[1]] and smaller.scores.tolist() == [0.9]


def test_wild_offsets_group_something():
    offsets = torch.full((2, 8, 8), float("nan"))
    offsets[0, 2] = float("inf")
    found = find_instances(torch.stack([torch.ones(8, 8), torch.zeros(8, 8)]), torch.zeros(8, 8), offsets)
    assert isinstance(found, Instances) and (found.numbers > 0).all()
