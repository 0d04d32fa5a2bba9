"""A network that paints any picture in the style of one painting, in one pass (Johnson, Alahi and Fei-Fei 2016).

The picture is shrunk twice by strided convolutions, changed by residual blocks, and enlarged again, each time by
repeating pixels before a convolution, which leaves no checkerboard (Odena et al. 2016). Normalisation is by instance
(Ulyanov et al. 2016): what a picture's contrast was does not matter for its style. At half the paper's width and with
four of its five blocks it has 350,787 parameters.
"""

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.modeling_outputs import ImageSuperResolutionOutput
from tsugiki.eval_mode import eval_mode
from tsugiki.forward_options import forward_options
from tsugiki.list_fields import ListFields
from tsugiki.pixel_values import check_picture

from ..classifiers.layers import PictureModel, initialize

MINIMUM_SIZE = 8  # pixels a side: padding by reflection needs two places where the maps are smallest


@strict
class StylizerConfig(ListFields, PreTrainedConfig):
    """Sizes of a stylizer, and what it was trained for."""

    model_type = "tsugiki_stylizer"

    image_size: int = 128  # pixels a side that it is trained on; any size of at least 8 runs
    num_channels: int = 3  # colours
    hidden_channels: list[int] | tuple[int, ...] = (
        16,
        32,
        64,
    )  # at the full, half and quarter size; 32, 64, 128 in the paper
    residual_blocks: int = 4  # five in the paper
    style: str = ""  # title of the painting
    style_data: str = "tsugiki/style_images"  # the data set that holds it, with columns `image` and `title`
    style_size: int = 256  # pixels of the painting's longer side: the brush strokes' size
    loss_network: str = "vgg16bn-half-cifar10"  # the VGG that judged content and style

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        if len(self.hidden_channels) != 3 or min(self.hidden_channels) < 1:
            raise ValueError(f"hidden_channels must be three positive numbers, not {self.hidden_channels}.")
        if self.num_channels < 1 or self.residual_blocks < 0 or self.style_size < 1:
            raise ValueError("num_channels and style_size must be at least 1, and residual_blocks at least 0.")
        if self.image_size < MINIMUM_SIZE:
            raise ValueError(f"image_size must be at least {MINIMUM_SIZE}, not {self.image_size}.")


class PaddedConvolution(nn.Module):
    """A convolution at the size of its input, or half of it, that sees mirrored pixels beyond the border."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.padding = nn.ReflectionPad2d(kernel_size // 2)
        self.convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride=stride)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / stride, W / stride)`, rounded up."""
        return self.convolution(self.padding(hidden))


class NormalizedConvolution(nn.Module):
    """A padded convolution, instance normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = PaddedConvolution(in_channels, out_channels, kernel_size, stride)
        self.norm = nn.InstanceNorm2d(out_channels, affine=True)

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, H / stride, W / stride)`, rounded up."""
        return F.relu(self.norm(self.convolution(hidden)), inplace=True)


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added; no ReLU behind the sum (Gross and Wilber 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = NormalizedConvolution(channels, channels, 3)
        self.second = PaddedConvolution(channels, channels, 3)
        self.norm = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, hidden: Tensor) -> Tensor:
        """Maps `(N, channels, H, W)`."""
        return hidden + self.norm(self.second(self.first(hidden)))


class StylizerPreTrainedModel(PictureModel):
    """Weight initialisation and loading for the family."""

    config: StylizerConfig
    base_model_prefix = "stylizer"
    _no_split_modules = ["ResidualBlock"]  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        initialize(module, "he", "relu")


class StylizerModel(StylizerPreTrainedModel):
    """The network from a picture to the painted picture."""

    def __init__(self, config: StylizerConfig) -> None:
        super().__init__(config)
        full, half, quarter = config.hidden_channels
        self.first = NormalizedConvolution(config.num_channels, full, 9)
        self.shrink1 = NormalizedConvolution(full, half, 3, stride=2)
        self.shrink2 = NormalizedConvolution(half, quarter, 3, stride=2)
        self.blocks = nn.Sequential(*(ResidualBlock(quarter) for _ in range(config.residual_blocks)))
        self.enlarge1 = NormalizedConvolution(quarter, half, 3)
        self.enlarge2 = NormalizedConvolution(half, full, 3)
        self.last = PaddedConvolution(full, config.num_channels, 9)
        self.post_init()

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> ImageSuperResolutionOutput:
        """Paint pictures.

        Args:
            pixel_values: Pictures `(N, num_channels, H, W)`, from -1 to 1.
            labels: What they should become, `(N, num_channels, H, W)` from 0 to 1. With them the output holds the mean
                squared difference. Training for a painting needs none: it goes by what a VGG sees.
            output_hidden_states: Return the maps behind every layer and block as well; the config's value if `None`.

        Returns:
            `reconstruction`: the painted pictures `(N, num_channels, H, W)`, from 0 to 1; `loss` and
            `hidden_states` where asked for.
        """
        check_picture(pixel_values, self.config.num_channels, MINIMUM_SIZE)
        full = self.first(pixel_values)  # (N, 16, H, W)
        half = self.shrink1(full)  # (N, 32, H / 2, W / 2)
        maps = [full, half, self.shrink2(half)]  # (N, 64, H / 4, W / 4)
        for block in self.blocks:
            maps.append(block(maps[-1]))
        maps.append(self.enlarge1(F.interpolate(maps[-1], size=half.shape[2:], mode="nearest")))
        maps.append(self.enlarge2(F.interpolate(maps[-1], size=full.shape[2:], mode="nearest")))
        painted = torch.sigmoid(self.last(maps[-1]))  # (N, 3, H, W)
        loss = None if labels is None else F.mse_loss(painted.float(), labels.float())
        return ImageSuperResolutionOutput(
            loss=loss, reconstruction=painted, hidden_states=tuple(maps) if output_hidden_states else None
        )


@torch.no_grad()
def paint(model: StylizerModel, pictures: Tensor) -> Tensor:
    """Paint pictures `(N, 3, H, W)` from 0 to 1; so is the result. The model's training flag is restored."""
    pixels = pictures.to(model.device, model.dtype) * 2 - 1
    with eval_mode(model):
        return model(pixel_values=pixels).reconstruction.float().clamp(0, 1)
