"""PixelCNN (van den Oord, Kalchbrenner and Kavukcuoglu 2016, Pixel recurrent neural networks, section 3.4).

The probability of a picture is the product of the probabilities of its pixels, each given those before it: all rows
above, and its own row to the left. Masked convolutions see no other pixel, so that one pass gives the exact likelihood
of a picture, and drawing one takes a pass for every pixel. Gray pictures only: the paper's order of the colours within
a pixel is left out.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.modeling_outputs import ModelOutput
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_size
from tsugiki.progress import track

from ..classifiers.layers import PictureModel, initialize
from .pixel_levels import Rounding, rounding_draws, to_levels

EXAMPLES = 4  # pictures of `dummy_inputs`


@strict
class PixelCNNConfig(PreTrainedConfig):
    """Sizes and choices of a PixelCNN; the paper's for MNIST are 16 to 128 hidden units and up to 15 layers."""

    model_type = "tsugiki_pixelcnn"

    image_size: int = 28  # pixels a side of the pictures that are drawn and measured
    num_channels: int = 1  # gray; there is no other
    levels: int = 2  # gray values of a pixel, from black to white
    rounding: Rounding = "sampled"  # how gray pixels become levels: see pixel_levels.py
    hidden_size: int = 16  # h: channels inside of a block; there are 2h between the blocks
    num_blocks: int = 7  # residual blocks
    first_kernel_size: int = 7  # of the convolution that sees the pixels
    kernel_size: int = 3  # of the convolutions in the blocks
    output_size: int = 32  # channels of the two 1x1 layers before the softmax
    gated: bool = False  # tanh times sigmoid instead of ReLU within the blocks (van den Oord et al. 2016b, equation 2)

    @property
    def rows_above(self) -> int:
        """How many rows above its own a pixel's distribution depends on."""
        return self.first_kernel_size // 2 + self.num_blocks * (self.kernel_size // 2)

    def validate_sizes(self) -> None:
        """Refuse sizes that describe no network."""
        for name in ("image_size", "hidden_size", "output_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.num_blocks < 0:
            raise ValueError(f"num_blocks must be at least 0, not {self.num_blocks}.")
        if not 2 <= self.levels <= 256:
            raise ValueError(f"levels must be from 2 to 256, not {self.levels}.")
        if self.num_channels != 1:
            raise ValueError(f"num_channels must be 1, for this network takes gray pictures, not {self.num_channels}.")
        for name, least in (("first_kernel_size", 3), ("kernel_size", 1)):
            if getattr(self, name) < least or getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} must be an odd number of at least {least}, not {getattr(self, name)}.")


@dataclass
class PixelCNNOutput(ModelOutput):
    """The likelihood of pictures, in nats.

    Attributes:
        loss: Mean of `negative_log_likelihood`.
        negative_log_likelihood: Exact, summed over the pixels (N,).
        logits: Of each pixel's levels, given the pixels before it (N, levels, H, W).
        hidden_states: The maps behind the first convolution and behind each block (N, 2h, H, W).
    """

    loss: Tensor | None = None
    negative_log_likelihood: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class MaskedConv2d(nn.Module):
    """A convolution that sees no later pixel: of its square kernel only the part before the centre has weights.

    Args:
        in_channels: Channels of its input.
        out_channels: Channels of its output.
        kernel_size: Pixels a side, odd.
        mask: `A` leaves out the pixel in the centre as well, `B` sees it (figure 2 of the paper).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, mask: Literal["A", "B"]) -> None:
        super().__init__()
        self.rows, self.columns = kernel_size // 2 + 1, kernel_size
        taps = kernel_size * kernel_size // 2 + (mask == "B")
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, taps))  # in the order of reading
        self.bias = nn.Parameter(torch.empty(out_channels))

    def kernel(self) -> Tensor:
        """The rows of the kernel from the top to the centre, (out_channels, in_channels, rows, columns)."""
        kernel = F.pad(self.weight, (0, self.rows * self.columns - self.weight.shape[2]))
        return kernel.unflatten(2, (self.rows, self.columns))

    def forward(self, hidden: Tensor) -> Tensor:
        """Maps of the same size (N, out_channels, H, W)."""
        side = self.columns // 2
        hidden = F.pad(hidden, (side, side, self.rows - 1, 0))
        return F.conv2d(hidden, self.kernel(), self.bias)


class ResidualBlock(nn.Module):
    """Maps of 2h channels through h channels and back, added to themselves (figure 5 of the paper)."""

    def __init__(self, hidden_size: int, kernel_size: int, gated: bool) -> None:
        super().__init__()
        self.gated = gated
        self.reduce = nn.Conv2d(2 * hidden_size, hidden_size, 1)
        self.masked = MaskedConv2d(hidden_size, hidden_size * (2 if gated else 1), kernel_size, "B")
        self.expand = nn.Conv2d(hidden_size, 2 * hidden_size, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, 2h, H, W) to the same."""
        hidden = self.masked(self.reduce(maps.relu()).relu())
        if self.gated:
            content, gate = hidden.chunk(2, dim=1)
            hidden = content.tanh() * gate.sigmoid()
        else:
            hidden = hidden.relu()
        return maps + self.expand(hidden)


class PixelCNNForImageGeneration(PictureModel):
    """The network, which gives every pixel a distribution over its levels."""

    config: PixelCNNConfig
    base_model_prefix = "pixelcnn"

    def __init__(self, config: PixelCNNConfig) -> None:
        super().__init__(config)
        width = 2 * config.hidden_size
        self.stem = MaskedConv2d(1, width, config.first_kernel_size, "A")
        self.blocks = nn.ModuleList(
            ResidualBlock(config.hidden_size, config.kernel_size, config.gated) for _ in range(config.num_blocks)
        )
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, config.output_size, 1),
            nn.ReLU(),
            nn.Conv2d(config.output_size, config.levels, 1),
        )
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # All levels start about equally likely, however deep the network.
        initialize(module, "normal" if module is self.head[-1] else "he")
        if isinstance(module, MaskedConv2d):
            init.normal_(module.weight, std=math.sqrt(2 / module.weight[0].numel()))
            init.zeros_(module.bias)

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """A few pictures of noise, each pixel on a level, so that rounding changes nothing."""
        shape = (EXAMPLES, 1, self.config.image_size, self.config.image_size)
        levels = torch.randint(0, self.config.levels, shape, generator=torch.Generator().manual_seed(0))
        pictures = levels / (self.config.levels - 1)
        return {"pixel_values": pictures, "labels": pictures}

    def level_logits(self, levels: Tensor) -> Tensor:
        """Logits of each pixel's levels (N, levels, H, W), given the pixels before it, for levels (N, 1, H, W)."""
        return self.head(self._maps(levels)[-1]).float()

    def _maps(self, levels: Tensor) -> list[Tensor]:
        """Behind the first convolution and behind each block, (N, 2h, H, W)."""
        maps = [self.stem(levels.to(self.dtype) * (2 / (self.config.levels - 1)) - 1)]  # from -1 to 1
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw pictures pixel by pixel, computing no more rows than the next pixel depends on.

        Args:
            count: How many.
            generator: What is drawn from, on the CPU.

        Returns:
            Pixels from 0 to 1, at `config.levels` different values (count, 1, H, W).
        """
        size, levels = self.config.image_size, self.config.levels
        pictures = torch.zeros(count, 1, size, size, dtype=torch.int64, device=self.device)
        for row in track(range(size), "sample"):
            top = max(0, row - self.config.rows_above)
            for column in range(size):
                logits = self.level_logits(pictures[:, :, top : row + 1])[:, :, -1, column]  # (count, levels)
                probabilities = logits.softmax(1).cpu()
                drawn = torch.multinomial(probabilities, 1, generator=generator)  # (count, 1)
                pictures[:, :, row, column] = drawn.to(self.device)
        return pictures.float() / (levels - 1)

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> PixelCNNOutput:
        """Measure the likelihood.

        Args:
            pixel_values: Pictures from 0 to 1 (N, 1, H, W), rounded to levels as `config.rounding` says.
            labels: The same pictures, from 0 to 1 or from 0 to 255, if the loss is wanted.
            output_hidden_states: Return the maps behind every block as well; the config's value if `None`.

        Returns:
            `negative_log_likelihood` and `logits`, with labels also the `loss`.
        """
        check_size(pixel_values, 1, self.config.image_size)
        draws = rounding_draws(pixel_values, self.config.rounding, self.training)
        given = to_levels(pixel_values, self.config.levels, draws)  # (N, 1, H, W)
        target = given if labels is None else to_levels(labels, self.config.levels, draws)
        maps = self._maps(given)
        logits = self.head(maps[-1]).float()
        nats = F.cross_entropy(logits, target[:, 0], reduction="none").sum(dim=(1, 2))  # (N,)
        return PixelCNNOutput(
            loss=None if labels is None else nats.mean(),
            negative_log_likelihood=nats,
            logits=logits,
            hidden_states=tuple(maps) if output_hidden_states else None,
        )
