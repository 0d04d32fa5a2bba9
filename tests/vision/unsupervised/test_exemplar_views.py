from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from tsugiki_vision.unsupervised import exemplar_views
from tsugiki_vision.unsupervised.exemplar_views import (
    ColorComponents,
    ExemplarViews,
    between,
    draw_corners,
    hsv_to_rgb,
    recolor,
    rgb_to_hsv,
)


@pytest.fixture
def pictures() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (6, 3, 20, 20), generator=generator, dtype=torch.uint8)


def each_color(colors: torch.Tensor, convert) -> np.ndarray:
    """Python's own conversion, pixel by pixel."""
    pixels = colors.transpose(0, 1).flatten(1).T.tolist()
    return np.array([convert(*pixel) for pixel in pixels]).T


def colors() -> torch.Tensor:
    random = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    random[0, :, 0] = 0.5  # gray
    random[0, :, 1] = torch.tensor([0.0, 1.0, 0.0])[:, None]
    random[0, :, 2] = 0.0
    return random


def test_hue_saturation_and_value_are_those_of_colorsys():
    found = rgb_to_hsv(colors()).transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(found, each_color(colors(), colorsys.rgb_to_hsv), atol=1e-5)


def test_red_green_and_blue_are_those_of_colorsys():
    found = hsv_to_rgb(colors()).transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(found, each_color(colors(), colorsys.hsv_to_rgb), atol=1e-5)


def test_draws_in_the_middle_leave_colors_as_they_are():
    """A power and a factor of one, an offset of nothing: the draw of one follows from the limits."""
    one = [np.log(1 / low) / np.log(high / low) for low, high in (exemplar_views.POWER, exemplar_views.FACTOR)]
    draws = torch.tensor([[one[0], one[0], one[1], one[1], 0.5, 0.5, 0.5]], dtype=torch.float32).expand(2, -1)
    torch.testing.assert_close(recolor(255 * colors(), draws), 255 * colors(), atol=0.05, rtol=0)


def test_changes_stay_within_the_papers_ranges():
    draws = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    for limits in (exemplar_views.SCALE, exemplar_views.POWER):
        factors = between(limits, draws)
        assert limits[0] <= factors.min() < factors.max() <= limits[1]
        assert float(between(limits, torch.tensor(0.5))) == pytest.approx(np.sqrt(limits[0] * limits[1]))


def test_components_are_those_of_the_covariance(pictures):
    components = ColorComponents.of(pictures)
    pixels = pictures.permute(1, 0, 2, 3).reshape(3, -1).numpy().astype(float)
    np.testing.assert_allclose(components.mean.numpy(), pixels.mean(1), rtol=1e-5)
    covariance = np.cov(pixels)
    directions = components.directions.numpy()
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-5)
    rotated = directions.T @ covariance @ directions
    np.testing.assert_allclose(rotated, np.diag(np.diag(rotated)), atol=1e-2)


def views_of(pictures: torch.Tensor, corner: torch.Tensor, patch_size: int, rows=None, epoch=0, seed=0):
    """Views of some rows, all of them by default."""
    rows = torch.arange(len(pictures)) if rows is None else rows
    views = ExemplarViews(patch_size, patch_size, ColorComponents.of(pictures))
    batch = {"pixel_values": pictures[rows], "corner": corner[rows]}
    return views(batch, rows=rows, epoch=epoch, seed=seed)["pixel_values"]


def test_patch_that_nothing_changes_is_the_window_of_its_picture(pictures, monkeypatch):
    monkeypatch.setattr(exemplar_views, "TRANSLATION", 0.0)
    monkeypatch.setattr(exemplar_views, "SCALE", (1.0, 1.0))
    monkeypatch.setattr(exemplar_views, "DEGREES", 0.0)
    monkeypatch.setattr(exemplar_views, "COMPONENT_FACTOR", (1.0, 1.0))
    monkeypatch.setattr(exemplar_views, "recolor", lambda views, draws: views)
    corner = torch.tensor([[0, 0], [3, 5], [8, 8], [0, 8], [8, 0], [2, 7]])
    found = views_of(pictures, corner, 12)
    expected = [picture[:, r : r + 12, c : c + 12] for picture, (r, c) in zip(pictures, corner.tolist(), strict=True)]
    torch.testing.assert_close(found, torch.stack(expected).float(), atol=0.02, rtol=0)


def test_views_are_a_function_of_seed_epoch_and_row(pictures):
    corner = torch.zeros(6, 2, dtype=torch.long)
    first = views_of(pictures, corner, 12)
    assert torch.equal(first, views_of(pictures, corner, 12))
    order = torch.tensor([4, 2])
    torch.testing.assert_close(first[order], views_of(pictures, corner, 12, rows=order))
    assert not torch.equal(first, views_of(pictures, corner, 12, epoch=1))
    assert not torch.equal(first, views_of(pictures, corner, 12, seed=1))
    assert first.min() >= 0
    assert first.max() <= 255


def test_gray_pictures_change_in_contrast_only(pictures):
    gray = pictures[:, :1]
    assert views_of(gray, torch.zeros(6, 2, dtype=torch.long), 12).shape == (6, 1, 12, 12)


def test_patches_lie_where_pictures_change():
    pictures = torch.zeros(300, 1, 16, 16)
    pictures[:, :, 10, 12] = 255  # the only gradients lie around one point
    corners = draw_corners(pictures, 6, torch.Generator().manual_seed(0))
    rows, columns = corners.unbind(1)
    # A window sees a gradient if it reaches to a neighbour of the point.
    assert ((rows <= 11) & (rows + 6 > 9)).all()
    assert ((columns <= 13) & (columns + 6 > 11)).all()
    assert len(corners.unique(dim=0)) > 10


def test_flat_pictures_give_patches_anywhere():
    corners = draw_corners(torch.full((400, 3, 9, 9), 7), 6, torch.Generator().manual_seed(0))
    assert set(corners.flatten().tolist()) == {0, 1, 2, 3}
