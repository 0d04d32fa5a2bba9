"""Test-time augmentation: which views there are, and that their mean is that of the probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tsugiki import load
from tsugiki.errors import OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.evaluation.views import Views, average_probabilities

from .. import training_script
from .test_evaluate import snapshot  # noqa: F401  # a fixture


def pictures():
    return torch.arange(2 * 3 * 6 * 6, dtype=torch.float32).view(2, 3, 6, 6)


def test_no_views_are_the_picture_itself():
    (only,) = Views().of(pictures())
    assert torch.equal(only, pictures())
    assert not Views()


def test_flip_gives_the_mirror_image():
    straight, mirrored = Views(flip=True).of(pictures())
    assert torch.equal(mirrored[..., 0], straight[..., 5])


def test_crops_are_the_picture_moved_to_its_corners():
    views = list(Views(crop=2).of(pictures()))
    assert len(views) == len(Views(crop=2)) == 5
    assert torch.equal(views[1][:, :, 2:, 2:], pictures()[:, :, :4, :4])
    assert torch.equal(views[4][:, :, :4, :4], pictures()[:, :, 2:, 2:])


def test_sizes_resize_and_leave_the_own_size_as_it_is():
    small, own = Views(sizes=(4, 6)).of(pictures())
    assert small.shape == (2, 3, 4, 4)
    assert torch.equal(own, pictures())


def test_all_together_multiply():
    views = Views(flip=True, crop=1, sizes=(6, 8))
    assert len(list(views.of(pictures()))) == len(views) == 20


def test_mean_is_that_of_the_probabilities():
    logits = [torch.tensor([[5.0, 0.0, 1.0]]), torch.tensor([[0.0, 100.0, 0.0]])]
    expected = np.mean([softmax(one.numpy(), axis=-1) for one in logits], axis=0)
    torch.testing.assert_close(average_probabilities(logits).exp(), torch.from_numpy(expected))


def test_predictions_over_views_are_the_mean_of_single_ones(snapshot):  # noqa: F811
    model, table = load(snapshot), training_script.stripes().select(range(10))
    predictions = predict_table(model, table, views=Views(flip=True))
    inputs = next(table.batches(10))["pixel_values"]
    with torch.inference_mode():
        one, other = (model(pixel_values=view).logits.softmax(-1) for view in (inputs, inputs.flip(-1)))
    np.testing.assert_allclose(np.exp(predictions.outputs), ((one + other) / 2).numpy(), atol=1e-5)


def test_values_out_of_range_are_refused():
    with pytest.raises(OptionError, match="crop must not be negative"):
        Views(crop=-1)
