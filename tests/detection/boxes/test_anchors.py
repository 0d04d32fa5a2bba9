"""Anchors: k-means on overlap, held against brute force on a small case."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from tsugiki_detection.boxes.anchors import kmeans_anchors, mean_anchor_iou, size_iou


def test_overlap_of_sizes_is_that_of_boxes_with_one_centre():
    found = size_iou(np.array([[2.0, 4.0]]), np.array([[4.0, 2.0], [2.0, 4.0], [1.0, 1.0]]))
    np.testing.assert_allclose(found, [[4 / 12, 1, 1 / 8]])


def test_clusters_are_found_and_sorted_by_area():
    generator = np.random.default_rng(0)
    centres = np.array([[80.0, 90.0], [10.0, 12.0], [40.0, 20.0]])
    sizes = (centres[:, None] * generator.uniform(0.97, 1.03, (3, 50, 2))).reshape(-1, 2)
    found = kmeans_anchors(sizes, 3)
    np.testing.assert_allclose(found, [[10, 12], [40, 20], [80, 90]], rtol=0.02)
    assert mean_anchor_iou(sizes, found) > 0.95


def test_the_best_split_of_a_few_sizes_is_found():
    sizes = np.random.default_rng(1).uniform(1, 20, (8, 2))
    best = 0.0
    for labels in product((0, 1), repeat=8):
        parts = [sizes[np.array(labels) == one] for one in (0, 1)]
        if all(len(part) for part in parts):
            best = max(best, mean_anchor_iou(sizes, np.stack([part.mean(0) for part in parts])))
    assert mean_anchor_iou(sizes, kmeans_anchors(sizes, 2, starts=20)) >= best - 0.01


def test_fewer_sizes_than_anchors_are_the_sizes():
    assert kmeans_anchors(np.array([[3.0, 4.0], [1.0, 1.0], [3.0, 4.0]]), 5).tolist() == [[1, 1], [3, 4]]


@pytest.mark.parametrize(
    "sizes", [np.zeros((0, 2)), np.ones((3, 3)), np.array([[1.0, 0.0]]), np.array([[np.nan, 1.0]])]
)
def test_what_is_no_size_is_refused(sizes):
    with pytest.raises(ValueError, match=r"sizes must be|a width and a height"):
        kmeans_anchors(sizes, 2)
