"""Tiny networks of every family of the plugin, and pictures to put through them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel
from tsugiki_vision.classifiers.alexnet import AlexNetConfig, AlexNetForImageClassification
from tsugiki_vision.classifiers.all_cnn import AllCNNConfig, AllCNNForImageClassification
from tsugiki_vision.classifiers.cifar_resnet import CifarResNetConfig, CifarResNetForImageClassification
from tsugiki_vision.classifiers.densenet import DenseNetConfig, DenseNetForImageClassification
from tsugiki_vision.classifiers.efficientnet_lite import (
    EfficientNetLiteConfig,
    EfficientNetLiteForImageClassification,
)
from tsugiki_vision.classifiers.googlenet import GoogLeNetConfig, GoogLeNetForImageClassification
from tsugiki_vision.classifiers.inception_v3 import InceptionV3Config, InceptionV3ForImageClassification
from tsugiki_vision.classifiers.lenet import LeNetConfig, LeNetForImageClassification
from tsugiki_vision.classifiers.mlp import MLPConfig, MLPForImageClassification
from tsugiki_vision.classifiers.mobilenet import MobileNetConfig, MobileNetForImageClassification
from tsugiki_vision.classifiers.nin import NINConfig, NINForImageClassification
from tsugiki_vision.classifiers.sppnet import SPPNetConfig, SPPNetForImageClassification
from tsugiki_vision.classifiers.vgg import VGGConfig, VGGForImageClassification
from tsugiki_vision.generative.autoencoder import AutoencoderConfig, AutoencoderForImageClassification
from tsugiki_vision.unsupervised.exemplar_cnn import ExemplarCNNConfig, ExemplarCNNForImageClassification
from tsugiki_vision.unsupervised.neocognitron import NeocognitronConfig, NeocognitronForImageClassification

TINY = {
    "googlenet": (
        GoogLeNetForImageClassification,
        GoogLeNetConfig,
        {"image_size": 64, "width_multiplier": 0.1, "local_response_norm": True, "dropout": 0.1},
    ),
    "googlenet-small": (
        GoogLeNetForImageClassification,
        GoogLeNetConfig,
        {"image_size": 16, "width_multiplier": 0.04, "stem": "small", "normalization": "batch"},
    ),
    "inception-v3": (
        InceptionV3ForImageClassification,
        InceptionV3Config,
        {"image_size": 75, "width_multiplier": 0.03, "dropout": 0.1},
    ),
    "alexnet": (
        AlexNetForImageClassification,
        AlexNetConfig,
        {
            "image_size": 63,
            "channels": (4, 6, 8, 8, 6),
            "hidden_sizes": (8, 6),
            "pooled_size": 1,
            "local_response_norm": True,
            "dropout": 0.1,
        },
    ),
    "nin": (
        NINForImageClassification,
        NINConfig,
        {"image_size": 12, "width_multiplier": 0.04, "normalization": "batch"},
    ),
    "all-cnn": (
        AllCNNForImageClassification,
        AllCNNConfig,
        {"channels": (6, 8, 8), "image_size": 16, "input_dropout": 0, "dropout": 0},
    ),
    "all-cnn-conv-pool": (
        AllCNNForImageClassification,
        AllCNNConfig,
        {
            "model": "A",
            "reduction": "conv_pool",
            "normalization": "batch",
            "channels": (4, 6, 8),
            "image_size": 16,
            "dropout": 0,
        },
    ),
    "exemplar-cnn": (
        ExemplarCNNForImageClassification,
        ExemplarCNNConfig,
        {"conv_channels": (4, 6, 8), "image_size": 12},
    ),
    "sppnet": (
        SPPNetForImageClassification,
        SPPNetConfig,
        {
            "image_size": 13,
            "conv_channels": (4, 6),
            "kernel_sizes": (3, 3),
            "strides": (1, 1),
            "paddings": (1, 0),
            "pooled_after": (1,),
            "pyramid_levels": (3, 2, 1),
            "hidden_sizes": (8,),
            "dropout": 0,
        },
    ),
    "vgg": (
        VGGForImageClassification,
        VGGConfig,
        {
            "depth": 11,
            "width_multiplier": 0.05,
            "hidden_sizes": (8, 6),
            "pooled_size": 1,
            "image_size": 32,
            "dropout": 0.1,
        },
    ),
    "vgg-batch": (
        VGGForImageClassification,
        VGGConfig,
        {"depth": 13, "width_multiplier": 0.03, "hidden_sizes": (), "normalization": "batch", "image_size": 64},
    ),
    "lenet": (LeNetForImageClassification, LeNetConfig, {"conv_channels": (3, 4), "hidden_sizes": (8, 6)}),
    "lenet-1998": (
        LeNetForImageClassification,
        LeNetConfig,
        {"image_size": 28, "padding": 2, "activation": "tanh", "pooling": "average", "conv_channels": (2, 3)},
    ),
    "mlp": (MLPForImageClassification, MLPConfig, {"image_size": 6, "hidden_sizes": (7, 5), "classifier": "mlp"}),
    "neocognitron": (
        NeocognitronForImageClassification,
        NeocognitronConfig,
        {"image_size": 12, "cell_planes": (4, 6), "s_kernel_sizes": (3, 3), "c_kernel_sizes": (3, 3)},
    ),
    "autoencoder": (
        AutoencoderForImageClassification,
        AutoencoderConfig,
        {"image_size": 5, "hidden_sizes": (9, 7), "code_size": 6, "activation": "tanh"},
    ),
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
    "densenet": (
        DenseNetForImageClassification,
        DenseNetConfig,
        {"growth_rate": 3, "block_layers": (2, 2), "initial_channels": 6, "image_size": 20},
    ),
    "densenet-cifar": (
        DenseNetForImageClassification,
        DenseNetConfig,
        {
            "stem": "cifar",
            "growth_rate": 4,
            "block_layers": (2, 1),
            "initial_channels": 5,
            "bottleneck": False,
            "compression": 1.0,
            "normalization": "none",
            "image_size": 8,
        },
    ),
    "mobilenet": (
        MobileNetForImageClassification,
        MobileNetConfig,
        {"channels": (4, 6, 8, 8), "strides": (1, 1, 2, 1), "minimum_channels": 2, "image_size": 12},
    ),
    "mobilenet-tf": (
        MobileNetForImageClassification,
        MobileNetConfig,
        {"channels": (8, 8, 16), "strides": (2, 1, 2), "tf_padding": True, "image_size": 18},
    ),
    "efficientnet-lite": (
        EfficientNetLiteForImageClassification,
        EfficientNetLiteConfig,
        {
            "stem_channels": 4,
            "channels": (4, 8, 8),
            "repeats": (1, 2, 1),
            "strides": (1, 2, 1),
            "kernel_sizes": (3, 5, 3),
            "expansions": (1, 2, 3),
            "head_channels": 16,
            "image_size": 18,
            "dropout": 0.0,
            "stochastic_depth": 0.0,
        },
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
