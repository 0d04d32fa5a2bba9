"""The residual network for 32-pixel pictures: ResNet-20, 32, 44, 56, 110 (He et al. 2015, section 4.2).

One 3x3 convolution, three stages of n basic blocks with 16, 32 and 64 channels at 32, 16 and 8 pixels, the mean over
all places, a linear classifier: 6n + 2 layers with weights. Between stages the shortcut has no parameters (option A),
which gives 269,722 parameters at depth 20 and 853,018 at depth 56 with ten labels.
"""

from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers import initialization as init
from tsugiki.pixel_values import check_picture

from .layers import PictureModel, initialize_linear
from .staged_network import FeatureBackbone, FeatureClassifier, FeatureNetwork, Stage, StagedConfig

STAGES = 3  # the paper's design; the depth formula 6n + 2 counts 2 layers in each of n blocks of 3 stages


@strict
class CifarResNetConfig(StagedConfig, PreTrainedConfig):
    """Sizes of a CIFAR ResNet; the defaults are ResNet-20."""

    model_type = "tsugiki_cifar_resnet"

    image_size: int = 32  # pixels a side that it is trained on; any size of at least 4 pixels runs
    depth: int = 20  # layers with weights, 6n + 2: 20, 32, 44, 56, 110 in the paper
    stage_channels: list[int] | tuple[int, ...] = (16, 32, 64)  # the paper's widths; wider means stronger and slower
    shortcut: Literal["identity", "projection"] = (
        "identity"  # option A: subsample and pad with zeros; B: 1x1 convolution
    )

    @property
    def stage_layout(self) -> list[Stage]:
        """The stem at the picture's own size, then the stages, which halve it twice."""
        stages = [Stage(f"stage{n + 1}", channels, 2**n) for n, channels in enumerate(self.stage_channels)]
        return [Stage("stem", self.stage_channels[0] if self.stage_channels else 0, 1), *stages]

    @property
    def blocks_per_stage(self) -> int:
        """The paper's n."""
        return (self.depth - 2) // (2 * STAGES)

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if self.depth < 8 or (self.depth - 2) % (2 * STAGES):
            raise ValueError(f"depth must be 6n + 2 (8, 14, 20, 32, 44, 56, 110, …), not {self.depth}.")
        if len(self.stage_channels) != STAGES or min(self.stage_channels) < 1:
            raise ValueError(f"stage_channels must be {STAGES} positive numbers, not {list(self.stage_channels)}.")
        if self.shortcut == "identity" and list(self.stage_channels) != sorted(self.stage_channels):
            raise ValueError(
                f"stage_channels {list(self.stage_channels)} shrink, but the identity shortcut can only add channels: "
                'let them grow, or set shortcut="projection".'
            )
        if self.image_size < 4:
            raise ValueError(f"image_size must be at least 4, not {self.image_size}.")


class IdentityShortcut(nn.Module):
    """Option A: every `stride`-th pixel, and zeros in the channels that the block adds. No parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.added_channels = out_channels - in_channels

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / stride, W / stride)`."""
        hidden = hidden[:, :, :: self.stride, :: self.stride]
        return F.pad(hidden, (0, 0, 0, 0, 0, self.added_channels))


class ProjectionShortcut(nn.Module):
    """Option B: a strided 1x1 convolution with batch norm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / stride, W / stride)`."""
        return self.norm(self.convolution(hidden))


SHORTCUTS = {"identity": IdentityShortcut, "projection": ProjectionShortcut}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut around them (figure 2 of the paper)."""

    def __init__(self, config: CifarResNetConfig, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.convolution1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.convolution2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        same_shape = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if same_shape else SHORTCUTS[config.shortcut](in_channels, out_channels, stride)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / stride, W / stride)`."""
        # In place where autograd allows it: batch norm keeps its input, ReLU its output, the sum neither.
        residual = F.relu(self.norm1(self.convolution1(hidden)), inplace=True)
        residual = self.norm2(self.convolution2(residual))
        residual += self.shortcut(hidden)
        return F.relu(residual, inplace=True)


class Stem(nn.Module):
    """The first convolution, at the picture's own size."""

    def __init__(self, config: CifarResNetConfig) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(config.num_channels, config.stage_channels[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(config.stage_channels[0])

    def forward(self, pixel_values: Tensor) -> Tensor:
        """From pictures `(N, num_channels, H, W)` to maps `(N, C, H, W)`."""
        return F.relu(self.norm(self.convolution(pixel_values)), inplace=True)


class CifarResNetPreTrainedModel(PictureModel):
    """Weight initialisation and loading for the family."""

    config: CifarResNetConfig
    base_model_prefix = "cifar_resnet"
    _no_split_modules = ["BasicBlock"]  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # batch norms
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            initialize_linear(module)


class CifarResNetModel(FeatureNetwork, CifarResNetPreTrainedModel):
    """The network below the classifier."""

    def __init__(self, config: CifarResNetConfig) -> None:
        super().__init__(config)
        self.stem = Stem(config)
        self.stages = nn.ModuleList()
        in_channels = config.stage_channels[0]
        for number, channels in enumerate(config.stage_channels):
            strides = [1 if number == 0 else 2] + [1] * (config.blocks_per_stage - 1)
            blocks = []
            for stride in strides:
                blocks.append(BasicBlock(config, in_channels, channels, stride))
                in_channels = channels
            self.stages.append(nn.Sequential(*blocks))
        self.post_init()

    def feature_maps(self, pixel_values: Tensor, stages: int) -> tuple[Tensor, ...]:
        """The first `stages` maps, that of the stem among them, for pictures `(N, num_channels, H, W)`."""
        check_picture(pixel_values, self.config.num_channels, self.config.minimum_size)
        maps = [self.stem(pixel_values)]
        for stage in self.stages[: stages - 1]:
            maps.append(stage(maps[-1]))
        return tuple(maps)


class CifarResNetBackbone(FeatureBackbone, CifarResNetPreTrainedModel):
    """Feature maps by name: `stem`, `stage1`, `stage2`, `stage3`."""

    network_class = CifarResNetModel


class CifarResNetForImageClassification(FeatureClassifier, CifarResNetPreTrainedModel):
    """The network with a classifier on the mean of the last maps."""

    network_class = CifarResNetModel
