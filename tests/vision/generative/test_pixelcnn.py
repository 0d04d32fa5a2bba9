from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassError
from scipy.stats import chisquare
from tsugiki.testing import check_family
from tsugiki_vision.generative.pixelcnn import MaskedConv2d, PixelCNNConfig, PixelCNNForImageGeneration

TINY = {"image_size": 5, "hidden_size": 4, "num_blocks": 2, "output_size": 5, "first_kernel_size": 5}


def tiny(**config) -> PixelCNNForImageGeneration:
    """Weights far from their start, at which all levels are about as likely."""
    torch.manual_seed(0)
    model = PixelCNNForImageGeneration(PixelCNNConfig(**{**TINY, **config})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return model


def all_pictures(side: int, levels: int) -> torch.Tensor:
    values = list(itertools.product(range(levels), repeat=side * side))
    return torch.tensor(values).view(-1, 1, side, side) / (levels - 1)


@pytest.mark.parametrize(("mask", "kernel_size"), [("A", 3), ("A", 5), ("B", 1), ("B", 3), ("B", 5)])
def test_masked_convolution_is_one_with_zeros_from_the_centre_on(mask, kernel_size):
    torch.manual_seed(0)
    layer = MaskedConv2d(2, 3, kernel_size, mask)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    dense = torch.zeros(3, 2, kernel_size, kernel_size)
    centre = kernel_size // 2
    taps = [
        (row, column)
        for row in range(kernel_size)
        for column in range(kernel_size)
        if row < centre or (row == centre and (column < centre or (column == centre and mask == "B")))
    ]
    assert len(taps) == layer.weight.shape[2]
    for place, (row, column) in enumerate(taps):
        dense[:, :, row, column] = layer.weight[:, :, place].detach()
    maps = torch.randn(2, 2, 7, 6)
    torch.testing.assert_close(layer(maps), F.conv2d(maps, dense, layer.bias, padding=centre))


@pytest.mark.parametrize("gated", [False, True])
def test_no_distribution_depends_on_its_own_or_a_later_pixel(gated):
    model = tiny(gated=gated, levels=3)
    pixels = torch.rand(1, 1, 5, 5, requires_grad=True)
    logits = model.level_logits(pixels)[0].flatten(1)  # (levels, 25)
    for pixel in range(25):
        (gradient,) = torch.autograd.grad(logits[:, pixel].square().sum(), pixels, retain_graph=True, allow_unused=True)
        seen = gradient.flatten().nonzero().flatten()
        assert (seen < pixel).all()
        if pixel % 5:
            assert pixel - 1 in seen  # the left neighbour counts
        if pixel >= 5:
            assert pixel - 5 in seen


@pytest.mark.parametrize(("side", "levels", "gated"), [(3, 2, False), (3, 2, True), (2, 4, False)])
def test_probabilities_of_all_pictures_sum_to_one(side, levels, gated):
    model = tiny(image_size=side, levels=levels, gated=gated)
    with torch.inference_mode():
        nats = model(all_pictures(side, levels)).negative_log_likelihood.double()
    assert nats.std() > 0.1  # far from all alike
    assert (-nats).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_likelihood_is_the_product_over_the_pixels():
    model = tiny(levels=4)
    pictures = torch.randint(0, 4, (3, 1, 5, 5)) / 3
    output = model(pictures, labels=pictures)
    log_probabilities = output.logits.log_softmax(1)
    expected = -sum(
        log_probabilities[:, :, row, column].gather(1, (pictures[:, 0, row, column] * 3).round().long()[:, None])[:, 0]
        for row in range(5)
        for column in range(5)
    )
    torch.testing.assert_close(output.negative_log_likelihood, expected)
    torch.testing.assert_close(output.loss, expected.mean())


def test_rows_that_are_left_out_while_sampling_change_nothing():
    model = tiny(image_size=8, num_blocks=1, first_kernel_size=3)
    assert model.config.rows_above == 2
    pictures = torch.zeros(4, 1, 8, 8, dtype=torch.int64)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for row, column in itertools.product(range(8), range(8)):
            probabilities = model.level_logits(pictures)[:, :, row, column].softmax(1)  # the whole picture
            pictures[:, 0, row, column] = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
    assert torch.equal(model.sample(4, torch.Generator().manual_seed(3)), pictures.float())


def test_samples_come_as_often_as_their_likelihood_says():
    model = tiny(image_size=2)
    with torch.inference_mode():
        expected = (-model(all_pictures(2, 2)).negative_log_likelihood).exp().double().numpy()
    samples = model.sample(4000, torch.Generator().manual_seed(0)).flatten(1).long()
    counts = np.bincount((samples * torch.tensor([8, 4, 2, 1])).sum(1).numpy(), minlength=16)
    assert chisquare(counts, 4000 * expected / expected.sum()).pvalue > 0.001


def test_evaluation_gives_the_same_figure_again_and_training_rounds_anew():
    model, pictures = tiny(), torch.rand(5, 1, 5, 5)
    assert torch.equal(model(pictures).negative_log_likelihood, model(pictures).negative_log_likelihood)
    model.train()
    assert not torch.equal(model(pictures).negative_log_likelihood, model(pictures).negative_log_likelihood)


def test_starts_near_a_uniform_distribution():
    torch.manual_seed(0)
    model = PixelCNNForImageGeneration(PixelCNNConfig(levels=16, image_size=8))
    pictures = torch.rand(4, 1, 8, 8)
    assert model(pictures, labels=pictures).loss.item() == pytest.approx(64 * np.log(16), rel=0.1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"levels": 257}, "levels must be from 2 to 256"),
        ({"num_channels": 3}, "takes gray pictures"),
        ({"kernel_size": 4}, "kernel_size must be an odd number"),
        ({"hidden_size": 0}, "hidden_size must be at least 1"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        PixelCNNConfig(**fields)


@pytest.mark.filterwarnings("ignore")
def test_family_passes_the_conformance_checks():
    check_family("vision", "pixelcnn", image_size=6, hidden_size=4, num_blocks=2, output_size=6)
