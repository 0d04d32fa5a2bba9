from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, ResNetConfig, ResNetForImageClassification
from transformers.modeling_outputs import ImageClassifierOutputWithNoAttention
from tsugiki.errors import OptionError, TsugikiError
from tsugiki_vision.classifiers.cifar_resnet import CifarResNetConfig, CifarResNetForImageClassification
from tsugiki_vision.classifiers.lenet import LeNetConfig, LeNetForImageClassification
from tsugiki_vision.classifiers.mlp import MLPConfig, MLPForImageClassification
from tsugiki_vision.explain.saliency_maps import (
    Unit,
    best_input,
    grad_cam,
    gradient_map,
    guided_backprop,
    input_gradient,
    stage_modules,
)


def small_resnet() -> CifarResNetForImageClassification:
    torch.manual_seed(0)
    config = CifarResNetConfig(depth=8, stage_channels=(4, 6, 8), image_size=12, num_labels=3)
    return CifarResNetForImageClassification(config).eval()


def pictures_for(model: PreTrainedModel, count: int = 5) -> Tensor:
    side = model.config.image_size
    return torch.randn(count, model.config.num_channels, side, side, generator=torch.Generator().manual_seed(1))


class ThreeLayers(PreTrainedModel):
    """Two rectified layers and a classifier on 6 values, with the rectifier of a test."""

    config_class = PreTrainedConfig
    main_input_name = "pixel_values"

    def __init__(self, config, rectify) -> None:
        super().__init__(config)
        self.rectify = rectify
        self.first, self.second = nn.Linear(6, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.last = nn.Linear(8, 3, bias=False)

    def forward(self, pixel_values: Tensor) -> ImageClassifierOutputWithNoAttention:
        hidden = self.rectify(self.first(pixel_values.flatten(1)))
        hidden = self.rectify(self.second(hidden))
        return ImageClassifierOutputWithNoAttention(logits=self.last(hidden))


def in_place_method(hidden: Tensor) -> Tensor:
    hidden.relu_()
    return hidden


RECTIFIERS = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU(inplace)": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu(inplace)": lambda hidden: F.relu(hidden, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "Tensor.relu": lambda hidden: hidden.relu(),
    "Tensor.relu_ without its result": in_place_method,
    "nn.Threshold": nn.Threshold(0, 0),
}


def three_layers(rectify) -> ThreeLayers:
    torch.manual_seed(0)
    return ThreeLayers(PreTrainedConfig(), rectify).eval()


@pytest.mark.parametrize("rectify", RECTIFIERS.values(), ids=RECTIFIERS)
def test_guided_backprop_equals_a_backward_pass_by_hand(rectify):
    model = three_layers(rectify)
    pictures = torch.randn(4, 1, 2, 3)
    first, second, last = (layer.weight.detach() for layer in (model.first, model.second, model.last))
    before_first = pictures.flatten(1) @ first.T
    before_second = before_first.clamp(min=0) @ second.T
    gradient = last[[0, 2, 1, 1]]  # (4, 8)
    gradient = gradient.clamp(min=0) * (before_second > 0)
    gradient = (gradient @ second).clamp(min=0) * (before_first > 0)
    expected = (gradient @ first).view_as(pictures)
    torch.testing.assert_close(guided_backprop(model, pictures, [0, 2, 1, 1]), expected)
    plain = input_gradient(model, pictures, [0, 2, 1, 1])
    assert not torch.allclose(plain, expected)


def test_guided_backprop_cuts_below_the_sum_of_a_shortcut():
    model = three_layers(None)
    torch.manual_seed(1)
    other = torch.randn(1, 8)

    def rectify(hidden: Tensor) -> Tensor:
        return F.relu(hidden, inplace=True) + other

    model.rectify = rectify
    pictures = torch.randn(3, 1, 2, 3)
    first, second, last = (layer.weight.detach() for layer in (model.first, model.second, model.last))
    before_first = pictures.flatten(1) @ first.T
    before_second = (before_first.clamp(min=0) + other) @ second.T
    gradient = last[[1, 1, 1]].clamp(min=0) * (before_second > 0)
    gradient = (gradient @ second).clamp(min=0) * (before_first > 0)
    torch.testing.assert_close(guided_backprop(model, pictures, 1), (gradient @ first).view_as(pictures))


def test_gradient_of_a_perceptron_is_its_weights():
    model = MLPForImageClassification(MLPConfig(image_size=4, hidden_sizes=(), num_labels=3)).eval()
    weights = model.classifier.weight.detach().view(3, *pictures_for(model).shape[1:])  # (3, C, H, W)
    found = gradient_map(model, pictures_for(model), [0, 1, 2, 0, 1])
    torch.testing.assert_close(found, weights[[0, 1, 2, 0, 1]].abs().amax(1))


def test_without_a_target_the_models_own_answer_is_explained():
    model = small_resnet()
    pictures = pictures_for(model)
    answers = model(pictures).logits.argmax(1)
    for method in (gradient_map, guided_backprop, grad_cam):
        torch.testing.assert_close(method(model, pictures), method(model, pictures, answers))


def test_grad_cam_is_the_class_activation_map_where_the_head_is_linear_on_the_mean():
    """Selvaraju et al. 2016, section 3.1: Grad-CAM generalises CAM (Zhou et al. 2015), whose weights are the head's."""
    model = small_resnet()
    pictures = pictures_for(model)
    maps = model.cifar_resnet(pictures).last_hidden_state.detach()  # (5, 8, 3, 3)
    weights = model.classifier.weight.detach()[[0, 1, 2, 0, 1]]  # (5, 8)
    cam = torch.einsum("nk,nkhw->nhw", weights, maps).relu() / maps[0, 0].numel()
    expected = F.interpolate(cam[:, None], size=pictures.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(grad_cam(model, pictures, [0, 1, 2, 0, 1]), expected)


@pytest.mark.parametrize(("layer", "depth"), [("stage1", 2), ("cifar_resnet.stages.0", 2), ("stem", 1)])
def test_grad_cam_of_a_named_layer_follows_its_formula(layer, depth):
    model = small_resnet()
    pictures = pictures_for(model)
    maps = model.cifar_resnet.feature_maps(pictures, depth)[-1].detach().requires_grad_()
    hidden = maps
    for stage in model.cifar_resnet.stages[depth - 1 :]:
        hidden = stage(hidden.clone())
    model.classifier(hidden.mean((2, 3)))[:, 1].sum().backward()
    cam = (maps.grad.mean((2, 3), keepdim=True) * maps).sum(1).relu().detach()
    torch.testing.assert_close(grad_cam(model, pictures, 1, layer), cam)  # as large as the picture


def test_works_for_the_resnet_of_transformers():
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=4, hidden_sizes=(4, 8), depths=(1, 1), layer_type="basic", num_labels=3)
    model = ResNetForImageClassification(config).eval()
    pictures = torch.randn(2, 3, 32, 32)
    assert list(stage_modules(model)) == ["stem", "stage1", "stage2"]
    maps = model.resnet(pictures).last_hidden_state.detach()  # (2, 8, 4, 4)
    cam = torch.einsum("k,nkhw->nhw", model.classifier[1].weight.detach()[2], maps).relu() / maps[0, 0].numel()
    expected = F.interpolate(cam[:, None], size=(32, 32), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(grad_cam(model, pictures, 2), expected)
    assert gradient_map(model, pictures, 2).shape == (2, 32, 32)
    assert guided_backprop(model, pictures, 2).shape == pictures.shape
    assert best_input(model, Unit(3, "stage1"), 2, size=(32, 32)).shape == (1, 3, 32, 32)


def test_every_classifier_can_be_explained(model, pixel_values):
    pictures = pixel_values[:2]
    if model.main_input_name != "pixel_values" or pictures.ndim != 4:
        pytest.skip("no classifier of pictures")
    assert gradient_map(model, pictures, 1).shape == (2, *pictures.shape[2:])
    assert guided_backprop(model, pictures, 1).shape == pictures.shape
    with torch.no_grad():
        hidden = model(pictures, output_hidden_states=True).hidden_states
    if any(one.ndim == 4 and one[0, 0].numel() > 1 for one in hidden):
        cam = grad_cam(model, pictures, 1)
        assert cam.shape == (2, *pictures.shape[2:])
        assert cam.min() >= 0
    else:
        with pytest.raises(OptionError, match="has no maps"):
            grad_cam(model, pictures, 1)


def test_a_row_is_explained_alone_as_in_its_batch():
    model = small_resnet()
    pictures = pictures_for(model)
    for method in (gradient_map, guided_backprop, grad_cam):
        alone = torch.cat([method(model, picture[None], 1) for picture in pictures])
        torch.testing.assert_close(method(model, pictures, 1), alone)


def test_the_model_is_left_as_it_was():
    model = small_resnet().train()
    model.cifar_resnet.stages[0].eval()
    flags = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for method in (gradient_map, guided_backprop, grad_cam):
            method(model, pictures_for(model), 0)
        best_input(model, [0, Unit(1, "stage2")], 2)
        with pytest.raises(OptionError):
            best_input(model, Unit(99, "stage2"), 2)
    assert [module.training for module in model.modules()] == flags
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("unit", [2, Unit(2), Unit(3, "stage2"), Unit(0, "stage3")], ids=str)
def test_best_input_excites_its_unit_more_than_noise(unit):
    model = small_resnet()

    def excitement(pictures: Tensor) -> Tensor:
        stage = None if isinstance(unit, int) else unit.stage
        if stage is None:
            return model(pictures).logits[:, 2]
        index = model.config.stage_names.index(stage)
        return model.cifar_resnet.feature_maps(pictures, index + 1)[-1][:, unit.channel].mean((1, 2))

    found = best_input(model, unit, 40)
    with torch.no_grad():
        noise = found.std() * torch.randn(50, *found.shape[1:]) + found.mean()
        assert excitement(found) > excitement(noise).max()


def test_best_input_of_a_linear_unit_points_along_its_weights():
    """Where nothing else is asked for, each pixel takes the end of its range that has the sign of its weight."""
    torch.manual_seed(0)
    model = MLPForImageClassification(MLPConfig(image_size=4, hidden_sizes=(), num_labels=3)).eval()
    limits = torch.tensor([-1.0]), torch.tensor([1.0])
    found = best_input(model, 2, 60, l2=0, total_variation=0, jitter=0, value_range=limits)
    assert torch.equal(found.flatten(), model.classifier.weight[2].sign())


def test_best_inputs_of_several_units_keep_to_the_range_and_follow_the_seed():
    model = small_resnet()
    limits = torch.tensor([-0.2, -0.1, -0.3]), torch.tensor([0.1, 0.2, 0.3])
    units = [0, Unit(1, "stage1"), Unit(5, "stage2")]
    found = best_input(model, units, 5, value_range=limits, learning_rate=0.5)
    assert found.shape == (3, 3, 12, 12)
    assert (found.amin((0, 2, 3)) >= limits[0]).all() and (found.amax((0, 2, 3)) <= limits[1]).all()
    assert torch.equal(found, best_input(model, units, 5, value_range=limits, learning_rate=0.5))
    assert not torch.equal(found, best_input(model, units, 5, value_range=limits, learning_rate=0.5, seed=1))


def test_total_variation_makes_the_best_input_smoother():
    model = small_resnet()
    rough, smooth = (best_input(model, 0, 30, total_variation=weight) for weight in (0.0, 3.0))
    assert smooth.diff(dim=3).abs().mean() < 0.5 * rough.diff(dim=3).abs().mean()


@pytest.mark.parametrize("target", [3, -1, [0, 1, 2, 3, 0]])
def test_a_class_that_the_model_has_not_is_refused(target):
    model = small_resnet()
    with pytest.raises(OptionError, match="target must be a class from 0 to 2"):
        gradient_map(model, pictures_for(model), target)


def test_an_unknown_layer_suggests_the_nearest():
    model = small_resnet()
    with pytest.raises(
        OptionError, match=r"has no layer 'stage4'\. Did you mean 'stage3'.* Its stages are stem, stage1"
    ):
        grad_cam(model, pictures_for(model), 0, "stage4")


def test_a_layer_without_maps_is_refused():
    model = LeNetForImageClassification(LeNetConfig(conv_channels=(2, 3), num_labels=3)).eval()
    with pytest.raises(OptionError, match=r"layer 'classifier' of LeNet.* has no maps"):
        grad_cam(model, pictures_for(model), 0, "classifier")


def test_a_network_without_a_classifier_has_no_class_to_explain():
    model = small_resnet().cifar_resnet
    with pytest.raises(TsugikiError, match="CifarResNetModel is no classifier of pictures"):
        gradient_map(model, torch.randn(1, 3, 12, 12))
