from __future__ import annotations

import pytest
import torch
import tsugiki
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch.nn import functional as F
from tsugiki.errors import OptionError, UnknownNameError
from tsugiki.snapshots.backbones import load_backbone
from tsugiki_detection.segmentation import fcn_training
from tsugiki_detection.segmentation.fcn import Enlarge, FCNConfig, FCNForSemanticSegmentation

RESIDUAL = {"model_type": "tsugiki_cifar_resnet", "depth": 8, "stage_channels": [4, 6, 8]}
OF_TRANSFORMERS = {
    "model_type": "resnet",
    "embedding_size": 4,
    "hidden_sizes": [4, 6, 8],
    "depths": [1, 1, 1],
    "layer_type": "basic",
}


def tiny(**fields) -> FCNForSemanticSegmentation:
    torch.manual_seed(0)
    sizes = {"encoder_channels": (4, 4, 6, 6, 8), "hidden_size": 6, "num_labels": 3}
    return FCNForSemanticSegmentation(FCNConfig(**{**sizes, **fields}))


@pytest.mark.parametrize("factor", [2, 3, 4, 8, 32])
def test_fresh_transposed_convolutions_are_bilinear_interpolation(factor):
    enlarge = Enlarge(2, factor)
    with torch.no_grad():
        enlarge.weight.copy_(enlarge.bilinear())
    scores = torch.randn(1, 2, 5, 6)
    found, expected = enlarge(scores), F.interpolate(scores, scale_factor=factor, mode="bilinear")
    assert found.shape == expected.shape
    inside = slice(factor, -factor)  # at the border one sees zeros, the other repeats the last place
    assert torch.allclose(found[..., inside, inside], expected[..., inside, inside], atol=1e-5)


def test_all_enlargements_of_a_fresh_model_are_bilinear_and_finer_scores_begin_at_zero():
    head = tiny(skips=2).classifier
    assert all(torch.equal(step.weight, step.bilinear()) for step in head.enlarge)
    assert [bool(score.weight.any()) for score in head.scores] == [False, False, True]


@pytest.mark.parametrize(("skips", "strides"), [(0, [32]), (1, [16, 32]), (2, [8, 16, 32]), (4, [2, 4, 8, 16, 32])])
def test_skips_are_the_papers_32s_16s_and_8s(skips, strides):
    model = tiny(skips=skips).eval()
    assert model.fcn.strides == strides
    assert model.classifier.enlarge[0].stride == (strides[0], strides[0])
    assert model(torch.randn(2, 3, 33, 70)).logits.shape == (2, 3, 33, 70)


def test_fcn_8s_adds_up_the_scores_of_three_maps():
    model = tiny(skips=2).eval()
    for parameter in model.classifier.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    picture = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        eighth, sixteenth, coarse = model.fcn(picture, output_hidden_states=True).hidden_states
        scores, enlarge = model.classifier.scores, model.classifier.enlarge
        expected = enlarge[0](enlarge[1](enlarge[2](scores[2](coarse)) + scores[1](sixteenth)) + scores[0](eighth))
        assert torch.allclose(model(picture).logits, expected)
    assert [one.shape[-1] for one in (eighth, sixteenth, coarse)] == [12, 6, 3]


@pytest.mark.parametrize(
    ("backbone", "skips", "strides"), [(RESIDUAL, 2, [1, 2, 4]), (OF_TRANSFORMERS, 1, [8, 16]), (RESIDUAL, 0, [4])]
)
def test_any_backbone_serves_by_its_model_type(tmp_path, backbone, skips, strides):
    model = tiny(backbone_config=backbone, skips=skips).eval()
    assert model.fcn.strides == strides
    picture = torch.randn(2, 3, 35, 41)
    assert model(picture).logits.shape == (2, 3, 35, 41)
    model.save_pretrained(tmp_path)
    again = FCNForSemanticSegmentation.from_pretrained(tmp_path).eval()
    assert torch.equal(again(picture).logits, model(picture).logits)


def test_the_colours_of_pictures_are_the_backbones():
    for given in ({"num_channels": 1}, {"backbone_config": {"num_channels": 1}}):
        backbone = {"model_type": "tsugiki_lenet", "image_size": 28, **given.pop("backbone_config", {})}
        config = FCNConfig(backbone_config=backbone, skips=0, **given)
        assert config.num_channels == config.backbone_config["num_channels"] == 1
    model = FCNForSemanticSegmentation(config).eval()  # what LeNet's hidden layers give has no place, and isn't used
    assert model(torch.randn(1, 1, 40, 44)).logits.shape == (1, 2, 40, 44)


def test_a_backbone_that_does_not_exist_or_has_too_few_sizes_is_refused():
    with pytest.raises(ValueError, match="no installed package has the backbone 'tsugiki_mlpp'"):
        tiny(backbone_config={"model_type": "tsugiki_mlpp"})
    with pytest.raises(ValueError, match="describe no CifarResNetBackbone"):
        tiny(backbone_config={"model_type": "tsugiki_cifar_resnet", "depth": 9})
    with pytest.raises(ValueError, match="skips can be 2 at most, not 3"):
        tiny(backbone_config=RESIDUAL, skips=3)
    with pytest.raises(StrictDataclassClassValidationError, match=r"skips must be below .* encoder_channels, 2"):
        FCNConfig(encoder_channels=(4, 6), skips=2)


def test_training_begins_with_the_weights_of_a_checkpoint_by_name_and_goes_on_with_its_own(monkeypatch):
    monkeypatch.setattr(fcn_training, "fit", lambda model, job: None)
    model = FCNForSemanticSegmentation(FCNConfig(backbone="resnet20-cifar10", skips=1))
    fcn_training.train_fcn(model, None)
    weights = tsugiki.load("resnet20-cifar10").state_dict()
    network = model.fcn.encoder.network
    found = network.state_dict()
    assert found and all(torch.equal(value, weights[name]) for name, value in found.items())
    model.config._name_or_path = "some/folder"
    torch.nn.init.zeros_(network.cifar_resnet.stem.convolution.weight)
    fcn_training.train_fcn(model, None)
    assert not network.cifar_resnet.stem.convolution.weight.any()
    with pytest.raises(OptionError, match="is not the one of the config"):
        load_backbone(tiny(backbone_config=RESIDUAL).fcn.encoder.network, "resnet20-cifar10")
    with pytest.raises(UnknownNameError):
        FCNConfig(backbone="resnet21-cifar10")
