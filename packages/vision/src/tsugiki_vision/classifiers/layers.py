"""Choices that many networks share: normalisation, activation and initialisation, by the names their configs use."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init

Normalization = Literal["batch", "layer", "instance", "group", "none"]
Activation = Literal["relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
WeightInit = Literal["he", "xavier", "normal"]

GROUPS = 32  # of group normalisation (Wu and He 2018, section 4.1), fewer where the channels are not divisible by it
BATCH_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}  # by the dimensions of the maps
INSTANCE_NORMS = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
NORMAL_STD = 0.01  # of `weight_init="normal"`: the AlexNet paper's (Krizhevsky et al. 2012, section 5)


@dataclass(kw_only=True, repr=False)
class LayerChoices:
    """The config fields for these choices. Inherit before `PreTrainedConfig`; other defaults by redeclaring."""

    normalization: Normalization = "batch"
    activation: Activation = "relu"
    weight_init: WeightInit = "he"  # he suits relu and its kin, xavier suits sigmoid and tanh


def normalization(
    kind: Normalization, channels: int, *, eps: float = 1e-5, momentum: float = 0.1, dimensions: Literal[1, 2, 3] = 2
) -> nn.Module:
    """A normalisation of maps `(N, channels, H, W)`, or of `(N, channels, T)` or `(N, channels, T, H, W)`.

    Args:
        kind: `batch` (Ioffe and Szegedy 2015), `layer` over all of a picture's channels and places (Ba et al. 2016),
            `instance` (Ulyanov et al. 2016), `group` (Wu and He 2018), or `none`.
        channels: Channels of the maps.
        eps: Added to the variance.
        momentum: Share of each batch in the running statistics of a batch norm.
        dimensions: Of the maps: 1 for a series, 2 for a picture, 3 for a clip or volume.
    """
    match kind:
        case "batch":
            return BATCH_NORMS[dimensions](channels, eps=eps, momentum=momentum)
        case "layer":
            return nn.GroupNorm(1, channels, eps=eps)
        case "instance":
            return INSTANCE_NORMS[dimensions](channels, eps=eps, affine=True)
        case "group":
            return nn.GroupNorm(math.gcd(GROUPS, channels), channels, eps=eps)
        case "none":
            return nn.Identity()


class LocalResponseNorm(nn.Module):
    """Divide each activation by what its neighbours in other channels say (Krizhevsky et al. 2012, section 3.3).

    As `torch.nn.LocalResponseNorm`, but traceable: (k + alpha * mean of the squares of `size` channels) ** beta.
    """

    def __init__(self, size: int = 5, alpha: float = 5e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, C, H, W)` to the same shape."""
        before = self.size // 2
        squares = F.pad(
            hidden.square()[:, None], (0, 0, 0, 0, before, self.size - 1 - before)
        )  # (N, 1, C + size - 1, H, W)
        mean = F.avg_pool3d(squares, (self.size, 1, 1), stride=1)  # (N, 1, C, H, W)
        return hidden / (self.k + self.alpha * mean[:, 0]) ** self.beta


def activation(kind: Activation) -> nn.Module:
    """An activation; ReLU and its kin work in place."""
    match kind:
        case "relu":
            return nn.ReLU(inplace=True)
        case "relu6":
            return nn.ReLU6(inplace=True)
        case "leaky_relu":
            return nn.LeakyReLU(0.01, inplace=True)
        case "elu":
            return nn.ELU(inplace=True)
        case "gelu":
            return nn.GELU()
        case "silu":
            return nn.SiLU(inplace=True)
        case "tanh":
            return nn.Tanh()
        case "sigmoid":
            return nn.Sigmoid()


@torch.no_grad()
def initialize(module: nn.Module, scheme: WeightInit, kind: Activation = "relu") -> None:
    """Draw the weights of one convolution or linear layer; biases become 0. A normalisation by instance, which
    transformers leaves without values, becomes the identity behind its division. Other modules are left alone.

    Args:
        module: Any module.
        scheme: `he` keeps the variance through `kind` forwards (He et al. 2015), `xavier` both ways (Glorot and Bengio
            2010), `normal` has the deviation 0.01.
        kind: The activation that follows; one that is not a rectifier counts as linear.
    """
    if isinstance(module, nn.InstanceNorm1d | nn.InstanceNorm2d | nn.InstanceNorm3d):
        init.ones_(module.weight)
        init.zeros_(module.bias)
        return
    if not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
        return
    match scheme:
        case "he":
            gain = math.sqrt(2) if kind in ("relu", "relu6", "leaky_relu", "elu", "gelu", "silu") else 1.0
            init.normal_(module.weight, std=gain / math.sqrt(module.weight[0].numel()))
        case "xavier":
            init.xavier_uniform_(module.weight)
        case "normal":
            init.normal_(module.weight, std=NORMAL_STD)
    if module.bias is not None:
        init.zeros_(module.bias)


@torch.no_grad()
def initialize_linear(linear: nn.Linear) -> None:
    """Draw the weights of a linear layer uniformly, up to 1 / sqrt(inputs) either way; biases become 0."""
    bound = 1 / math.sqrt(linear.in_features)
    init.uniform_(linear.weight, -bound, bound)
    init.zeros_(linear.bias)


class PictureModel(PreTrainedModel):
    """A model whose input are pictures."""

    main_input_name = "pixel_values"
    input_modalities = "image"


class LayerChoicesModel(PreTrainedModel):
    """A model whose config has `LayerChoices`, and whose weights begin as they say.

    Attributes:
        weight_init_draws_linear: Whether `weight_init` draws linear layers too, or convolutions alone. A linear layer
            that it leaves out, a classifier on the mean of maps, begins as `initialize_linear` says.
    """

    weight_init_draws_linear: ClassVar[bool] = False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # normalisations
        if isinstance(module, nn.Linear) and not self.weight_init_draws_linear:
            initialize_linear(module)
        else:
            initialize(module, self.config.weight_init, self.config.activation)
