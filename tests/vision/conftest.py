"""Tiny networks of every family of the plugin, and pictures to put through them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel
from tsugiki_vision.cifar_resnet import CifarResNetConfig, CifarResNetForImageClassification
from tsugiki_vision.lenet import LeNetConfig, LeNetForImageClassification
from tsugiki_vision.mlp import MLPConfig, MLPForImageClassification

TINY = {
    "lenet": (LeNetForImageClassification, LeNetConfig, {"conv_channels": (3, 4), "hidden_sizes": (8, 6)}),
    "lenet-1998": (
        LeNetForImageClassification,
        LeNetConfig,
        {"image_size": 28, "padding": 2, "activation": "tanh", "pooling": "average", "conv_channels": (2, 3)},
    ),
    "mlp": (MLPForImageClassification, MLPConfig, {"image_size": 6, "hidden_sizes": (7, 5), "classifier": "mlp"}),
    "perceptron": (MLPForImageClassification, MLPConfig, {"image_size": 4, "hidden_sizes": ()}),
    "cifar-resnet": (
        CifarResNetForImageClassification,
        CifarResNetConfig,
        {"depth": 8, "stage_channels": (4, 6, 8), "image_size": 12},
    ),
    "cifar-resnet-projection": (
        CifarResNetForImageClassification,
        CifarResNetConfig,
        {"depth": 8, "stage_channels": (4, 4, 8), "shortcut": "projection", "image_size": 8},
    ),
}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks of this size lose more by handing work to threads than the threads save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tiny_model(name: str) -> PreTrainedModel:
    """One of `TINY` with 3 labels and the weights of seed 0, in eval mode."""
    model_class, config_class, sizes = TINY[name]
    torch.manual_seed(0)
    return model_class(config_class(num_labels=3, **sizes)).eval()


def pictures_for(model: PreTrainedModel, count: int = 5) -> Tensor:
    config = model.config
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, config.num_channels, config.image_size, config.image_size, generator=generator)


@pytest.fixture(params=sorted(TINY))
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return tiny_model(request.param)


@pytest.fixture
def pixel_values(model: PreTrainedModel) -> Tensor:
    return pictures_for(model)


@pytest.fixture
def labels() -> Tensor:
    return torch.tensor([0, 1, 2, 0, 1])
