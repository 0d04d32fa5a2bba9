from __future__ import annotations

import numpy as np
import pytest
import torch
import tsugiki
from tsugiki.errors import OptionError
from tsugiki_vision.style.style_losses import (
    LossNetwork,
    content_loss,
    gram_matrices,
    gram_matrix,
    layer_weights,
    style_loss,
)

from .style_fixtures import photographs, save_tiny_vgg


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    return save_tiny_vgg(tmp_path_factory.mktemp("vgg"))


def test_gram_matrix_is_that_of_numpy():
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    for row, found in enumerate(gram_matrix(maps).numpy()):
        flat = maps[row].numpy().reshape(3, 20)
        np.testing.assert_allclose(found, np.dot(flat, flat.T) / 20)


def test_style_does_not_know_where_things_are():
    maps = torch.randn(1, 6, 4, 4, dtype=torch.float64)
    elsewhere = maps.flatten(2)[:, :, torch.randperm(16)].view_as(maps)
    torch.testing.assert_close(gram_matrix(maps), gram_matrix(elsewhere))
    assert content_loss(elsewhere, maps) > 0.1


def test_style_loss_is_the_papers_over_the_length_of_its_target():
    """Gatys et al. 2015, equation 4: E = sum (G - A)^2 / (4 N^2 M^2), with Gram matrices that are not divided by M."""
    maps, painting = torch.randn(1, 3, 4, 5, dtype=torch.float64), torch.randn(1, 3, 4, 5, dtype=torch.float64)
    flat, target = (one.numpy().reshape(3, 20) for one in (maps, painting))

    def paper(one, other):
        return ((one @ one.T - other @ other.T) ** 2).sum() / (4 * 3**2 * 20**2)

    expected = 0.7 * paper(flat, target) / paper(target, np.zeros((3, 20)))
    found = style_loss({"a": gram_matrix(maps)}, {"a": gram_matrix(painting)}, {"a": 0.7})
    assert found.item() == pytest.approx(expected)


def test_losses_are_0_at_the_target_and_1_for_nothing():
    maps = torch.randn(2, 3, 4, 5)
    assert content_loss(maps, maps).tolist() == [0, 0]
    assert content_loss(torch.zeros_like(maps), maps).tolist() == pytest.approx([1, 1])
    grams = {"a": gram_matrix(maps)}
    assert style_loss(grams, grams, {"a": 1.0}).tolist() == [0, 0]
    assert style_loss({"a": torch.zeros(2, 3, 3)}, grams, {"a": 1.0}).tolist() == pytest.approx([1, 1])


def test_layer_weights_sum_to_1():
    assert layer_weights(["a", "b"]) == {"a": 0.5, "b": 0.5}
    assert layer_weights(["a", "b"], [3, 1]) == {"a": 0.75, "b": 0.25}
    for layers, weights in ((["a"], [1, 2]), (["a", "a"], None), ([], None), (["a", "b"], [0, 0]), (["a"], [-1])):
        with pytest.raises(OptionError, match="style layers"):
            layer_weights(layers, weights)


def test_the_loss_network_sees_pictures_as_its_processor_prepares_them(vgg):
    network = LossNetwork.load(str(vgg))
    pictures = torch.rand(2, 3, 32, 32).mul(255).round().div(255)
    prepared = tsugiki.load_processor(vgg)(
        images=[(picture * 255).byte() for picture in pictures], return_tensors="pt"
    )["pixel_values"]
    expected = tsugiki.load(vgg).vgg.convolution_outputs(prepared, ["conv2_1", "conv4_2"])
    found = network(pictures, ["conv4_2", "conv2_1"])
    for name, maps in expected.items():
        torch.testing.assert_close(found[name], maps, rtol=1e-4, atol=1e-4)


def test_the_loss_network_stays_as_it_is(vgg):
    network = LossNetwork.load(str(vgg)).train()
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    pictures = photographs(1).requires_grad_()
    gram_matrices(network(pictures, ["conv1_1"]), ["conv1_1"])["conv1_1"].sum().backward()
    assert pictures.grad.abs().sum() > 0


def test_unknown_layers_and_other_networks_are_refused(vgg, tmp_path):
    network = LossNetwork.load(str(vgg))
    with pytest.raises(OptionError, match="'conv3_3' is no convolution of this VGG-13: conv1_1, conv1_2"):
        network(photographs(1), ["conv3_3"])
    tsugiki.create_model("cifar-resnet", depth=8).save_pretrained(tmp_path)
    with pytest.raises(OptionError, match="CifarResNetForImageClassification; style transfer needs a VGG"):
        LossNetwork.load(str(tmp_path))
