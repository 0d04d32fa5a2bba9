"""The Neocognitron (Fukushima 1980, Neocognitron: a self-organizing neural network model for a mechanism of pattern
recognition unaffected by shift in position).

A layer that takes contrasts, then pairs of layers: S-cells, each of which looks for one feature in a small window, in
every place alike, and C-cells, which blur what they found, so that it may stand a little elsewhere. S-cells learn
without labels (`neocognitron_training`); a linear classifier reads the last C-cells.

The cells are those of Fukushima's later papers, which learn as before and are simpler: S-cells with subtractive
inhibition (Fukushima 2011, Increasing robustness against background noise: visual pattern recognition by a
neocognitron, section 2), u = |x| max(0, s - theta) / (1 - theta), with s the cosine between the window x and the cell's
reference vector; C-cells that saturate, as in 1980. Windows are not weighted by the distance from their centre, and the
read-out is a linear layer, where Fukushima's last layer learns with labels.
"""

import math
from collections.abc import Sequence

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers import initialization as init
from tsugiki.pixel_values import check_picture, check_size

from ..classifiers.layers import PictureModel
from ..classifiers.staged_network import (
    WHOLE_PICTURE,
    FeatureBackbone,
    FeatureClassifier,
    FeatureNetwork,
    Stage,
    StagedConfig,
)

FAINT = 1e-6  # added to squared lengths: a window with nothing in it has a gradient, and no cell answers it

PER_LAYER = ("cell_planes", "s_kernel_sizes", "thresholds", "c_kernel_sizes", "c_strides")  # a number for each pair


@strict
class NeocognitronConfig(StagedConfig, PreTrainedConfig):
    """Sizes and thresholds of a Neocognitron. Pictures are bright on dark, from 0 to 1."""

    model_type = "tsugiki_neocognitron"

    image_size: int = 28  # pixels a side
    num_channels: int = 1  # gray pictures
    contrast_sigmas: list[float] | tuple[float, ...] = (0.8, 1.6)  # pixels; centre and surround of the contrast layer
    cell_planes: list[int] | tuple[int, ...] = (16, 128)  # features that each layer of S-cells tells apart
    s_kernel_sizes: list[int] | tuple[int, ...] = (5, 5)  # side of a window of S-cells, odd
    thresholds: list[float] | tuple[float, ...] = (0.6, 0.5)  # theta: cosine from which an S-cell answers, 0 to below 1
    c_kernel_sizes: list[int] | tuple[int, ...] = (5, 7)  # side of the blur of C-cells, odd
    c_strides: list[int] | tuple[int, ...] = (2, 4)  # steps of S-cells from one C-cell to the next
    saturation: float = 0.1  # input at which a C-cell gives half of what it can

    @property
    def stage_layout(self) -> list[Stage]:
        """Contrasts UG, the pairs S1, C1, S2, C2, …, and all cells of the last layer in one row."""
        stages, stride = [Stage("UG", 2 * self.num_channels, 1)], 1
        for number, (planes, step) in enumerate(zip(self.cell_planes, self.c_strides, strict=False), start=1):
            stages += [Stage(f"S{number}", planes, stride), Stage(f"C{number}", planes, stride * step)]
            stride *= step
        return [*stages, Stage("cells", self.num_cells, WHOLE_PICTURE)]

    @property
    def num_cells(self) -> int:
        """C-cells in the last layer."""
        side = self.image_size
        for step in self.c_strides:
            side = math.ceil(side / max(1, step))
        return (self.cell_planes[-1] if self.cell_planes else 0) * side**2

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        lengths = {name: len(getattr(self, name)) for name in PER_LAYER}
        if len(set(lengths.values())) != 1 or not self.cell_planes:
            raise ValueError(f"Each pair of layers needs one number in each of {', '.join(lengths)}, not {lengths}.")
        for name in ("cell_planes", "s_kernel_sizes", "c_kernel_sizes", "c_strides"):
            if min(getattr(self, name)) < 1:
                raise ValueError(f"{name} must be positive numbers, not {getattr(self, name)}.")
        for name in ("s_kernel_sizes", "c_kernel_sizes"):
            if any(size % 2 == 0 for size in getattr(self, name)):
                raise ValueError(f"{name} must be odd, so that a window has a centre, not {getattr(self, name)}.")
        if self.image_size < 1:
            raise ValueError(f"image_size must be at least 1, not {self.image_size}.")

    def validate_responses(self) -> None:
        """Refuse thresholds that no cell can pass, or contrasts without a sign."""
        if not all(0 <= theta < 1 for theta in self.thresholds):
            raise ValueError(f"thresholds must be at least 0 and below 1, not {self.thresholds}.")
        if len(self.contrast_sigmas) != 2 or not 0 < self.contrast_sigmas[0] < self.contrast_sigmas[1]:
            raise ValueError(f"contrast_sigmas must be a smaller and a larger width, not {self.contrast_sigmas}.")
        if self.saturation <= 0:
            raise ValueError(f"saturation must be positive, not {self.saturation}.")


def gaussian_kernel(size: int, sigma: float) -> Tensor:
    """A Gaussian of `size` pixels a side whose values sum to 1, (size, size)."""
    distance = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    profile = torch.exp(-distance.square() / (2 * sigma**2))
    kernel = profile[:, None] * profile
    return kernel / kernel.sum()


class ContrastLayer(nn.Module):
    """On-centre and off-centre cells: where a point is brighter than what surrounds it, and where it is darker."""

    def __init__(self, num_channels: int, sigmas: Sequence[float]) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.centre, self.surround = sigmas
        self.margin = math.ceil(2 * self.surround) - 1

    def forward(self, pixel_values: Tensor) -> Tensor:
        """From pictures `(N, C, H, W)` to what is not negative `(N, 2 C, H, W)`."""
        size = 2 * self.margin + 1
        kernel = gaussian_kernel(size, self.centre) - gaussian_kernel(size, self.surround)
        kernel = kernel.to(pixel_values).expand(self.num_channels, 1, size, size)
        padded = F.pad(pixel_values, (self.margin,) * 4, mode="replicate")  # the frame itself is no contrast
        contrast = F.conv2d(padded, kernel, groups=self.num_channels)
        return torch.cat([contrast.relu(), (-contrast).relu()], dim=1)


class SCells(nn.Module):
    """Cells that answer to windows near their reference vector, the same cells in every place.

    `weight` holds the reference vectors `(K, C, k, k)`; only their directions matter.
    """

    def __init__(self, channels: int, planes: int, kernel_size: int, threshold: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(planes, channels, kernel_size, kernel_size))
        self.kernel_size = kernel_size
        self.threshold = threshold

    def forward(self, hidden: Tensor) -> Tensor:
        """From cells `(N, C, H, W)` to `(N, K, H, W)`: 0 up to the threshold, then linear in the cosine."""
        reference = F.normalize(self.weight.flatten(1), dim=1).view_as(self.weight)
        excitation = F.conv2d(hidden, reference, padding=self.kernel_size // 2)
        inhibition = self.window_lengths(hidden)
        return (excitation - self.threshold * inhibition).relu() / (1 - self.threshold)

    def window_lengths(self, hidden: Tensor) -> Tensor:
        """The length of the window around every place, (N, 1, H, W)."""
        squares = hidden.square().sum(dim=1, keepdim=True)
        mean = F.avg_pool2d(squares, self.kernel_size, stride=1, padding=self.kernel_size // 2)
        return (mean * self.kernel_size**2 + FAINT).sqrt()


class CCells(nn.Module):
    """Cells that blur the answers of one plane of S-cells, thin them out, and saturate."""

    def __init__(self, planes: int, kernel_size: int, stride: int, saturation: float) -> None:
        super().__init__()
        self.planes = planes
        self.kernel_size = kernel_size
        self.stride = stride
        self.saturation = saturation

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, K, H, W)` to values from 0 to 1 `(N, K, ceil(H / stride), ceil(W / stride))`."""
        kernel = gaussian_kernel(self.kernel_size, self.kernel_size / 4).to(hidden)
        kernel = kernel.expand(self.planes, 1, self.kernel_size, self.kernel_size)
        blurred = F.conv2d(hidden, kernel, stride=self.stride, padding=self.kernel_size // 2, groups=self.planes)
        return blurred / (blurred + self.saturation)


class NeocognitronPreTrainedModel(PictureModel):
    """Weight initialisation and loading for the family."""

    config: NeocognitronConfig
    base_model_prefix = "neocognitron"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Cells that answer to nearly everything; none of what they see is negative, and so are they."""
        if isinstance(module, SCells):
            init.uniform_(module.weight, 0, 1)
        elif isinstance(module, nn.Linear):
            init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
            init.zeros_(module.bias)


class NeocognitronModel(FeatureNetwork, NeocognitronPreTrainedModel):
    """The layers below the read-out."""

    def __init__(self, config: NeocognitronConfig) -> None:
        super().__init__(config)
        self.contrast = ContrastLayer(config.num_channels, config.contrast_sigmas)
        self.s_layers, self.c_layers = nn.ModuleList(), nn.ModuleList()
        channels = 2 * config.num_channels
        for number, planes in enumerate(config.cell_planes):
            self.s_layers.append(SCells(channels, planes, config.s_kernel_sizes[number], config.thresholds[number]))
            self.c_layers.append(
                CCells(planes, config.c_kernel_sizes[number], config.c_strides[number], config.saturation)
            )
            channels = planes
        self.post_init()

    def feature_maps(self, pixel_values: Tensor, stages: int) -> tuple[Tensor, ...]:
        """The first `stages` of: contrasts, S- and C-cells layer by layer `(N, C, H, W)`, the last cells `(N, D)`.

        The cells take pictures of any size, the row of all cells only those of `image_size`.
        """
        layers: list[nn.Module] = [self.contrast]
        for s_cells, c_cells in zip(self.s_layers, self.c_layers, strict=True):
            layers += [s_cells, c_cells]
        if stages > len(layers):
            check_size(pixel_values, self.config.num_channels, self.config.image_size)
        else:
            check_picture(pixel_values, self.config.num_channels)
        maps = []
        hidden = pixel_values
        for layer in layers[:stages]:
            hidden = layer(hidden)
            maps.append(hidden)
        return (*maps, hidden.flatten(1)) if stages > len(layers) else tuple(maps)


class NeocognitronBackbone(FeatureBackbone, NeocognitronPreTrainedModel):
    """Feature maps by name: `UG`, `S1`, `C1`, `S2`, `C2`, …, then all cells of the last layer as a map of 1x1."""

    network_class = NeocognitronModel


class NeocognitronForImageClassification(FeatureClassifier, NeocognitronPreTrainedModel):
    """The Neocognitron with a linear read-out."""

    network_class = NeocognitronModel
    neocognitron: NeocognitronModel
