from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import tsugiki
from huggingface_hub.errors import StrictDataclassError
from tsugiki_vision.generative.autoencoder import (
    AutoencoderConfig,
    AutoencoderForImageClassification,
    AutoencoderForImageReconstruction,
)

TINY = {"image_size": 4, "hidden_sizes": (7, 5), "code_size": 3}


def tiny(**config) -> AutoencoderForImageReconstruction:
    torch.manual_seed(0)
    return AutoencoderForImageReconstruction(AutoencoderConfig(**{**TINY, **config})).eval()


def test_paper_network_has_its_layers():
    model = AutoencoderForImageReconstruction(AutoencoderConfig())
    sizes = [784, 1000, 500, 250, 30, 250, 500, 1000, 784]
    weights = sum(a * b for a, b in pairwise(sizes))
    assert model.num_parameters() == weights + sum(sizes[1:])
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    assert [(one.in_features, one.out_features) for one in linear] == list(pairwise(sizes))


def test_computes_its_layers_with_a_linear_code():
    model, pictures = tiny(), torch.rand(3, 1, 4, 4)
    hidden = pictures.flatten(1)
    encoder = [stage[0] for stage in model.autoencoder.stages]
    for layer in encoder[:-1]:
        hidden = torch.sigmoid(F.linear(hidden, layer.weight, layer.bias))
    codes = F.linear(hidden, encoder[-1].weight, encoder[-1].bias)
    hidden = codes
    for layer in (layer[0] for layer in model.decoder):
        hidden = torch.sigmoid(F.linear(hidden, layer.weight, layer.bias))
    output = model(pictures)
    torch.testing.assert_close(output.codes, codes)
    torch.testing.assert_close(output.reconstruction, hidden.view(3, 1, 4, 4))
    torch.testing.assert_close(model.reconstruct(codes), output.reconstruction)
    assert output.loss is None


@pytest.mark.parametrize("kind", ["squared_error", "cross_entropy"])
def test_loss_is_summed_over_pixels_and_averaged_over_pictures(kind):
    model, pictures = tiny(reconstruction_loss=kind), torch.rand(3, 1, 4, 4)
    output = model(pictures, labels=pictures)
    target, found = pictures.double().numpy(), output.reconstruction.detach().double().numpy()
    if kind == "squared_error":
        losses = (found - target) ** 2
    else:
        losses = -(target * np.log(found) + (1 - target) * np.log(1 - found))
    assert output.loss.item() == pytest.approx(losses.sum() / 3, rel=1e-5)


def test_whole_numbers_are_as_good_labels_as_pixels():
    model = tiny()
    raw = torch.randint(0, 256, (3, 1, 4, 4), dtype=torch.uint8)
    torch.testing.assert_close(model(raw / 255, labels=raw).loss, model(raw / 255, labels=raw / 255).loss)


def test_layer_pairs_lie_opposite_each_other():
    model = tiny()
    sizes = [(into.in_features, into.out_features, out.in_features) for into, out in map(model.layer_pair, range(3))]
    assert sizes == [(16, 7, 7), (7, 5, 5), (5, 3, 3)]


def test_a_trained_encoder_becomes_a_classifier_by_name(tmp_path):
    model = tiny()
    model.save_pretrained(tmp_path)
    names = {0: "a", 1: "b", 2: "c"}
    labels = {"id2label": names, "label2id": {name: number for number, name in names.items()}}
    classifier = tsugiki.load(tmp_path, task="image-classification", **labels)
    assert isinstance(classifier, AutoencoderForImageClassification)
    pictures = torch.rand(2, 1, 4, 4)
    assert classifier(pictures).logits.shape == (2, 3)
    codes = classifier(pictures, output_hidden_states=True).hidden_states[-1]
    assert torch.equal(codes, model(pictures).codes)
    backbone = tsugiki.load(tmp_path, task="backbone", out_features=["code"])
    assert torch.equal(backbone(pictures).feature_maps[0][:, :, 0, 0], codes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_sizes": (3, 0)}, "hidden_sizes must be positive"),
        ({"code_size": 0}, "code_size must be at least 1"),
        ({"activation": "step"}, "activation"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        AutoencoderConfig(**fields)
