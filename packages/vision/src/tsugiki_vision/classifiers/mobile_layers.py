"""The layer that networks for small devices are made of: a convolution without bias, its normalisation, its activation.

Padding may be TensorFlow's "same", which the weights of those networks were trained with.
"""

from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Activation, Normalization, activation, normalization


class MobileConfig(Protocol):
    """What a layer reads of its network's config."""

    normalization: Normalization
    activation: Activation
    tf_padding: bool
    norm_eps: float
    norm_momentum: float


class ConvolutionLayer(nn.Module):
    """A convolution without bias, its normalisation and its activation.

    Args:
        config: The network's.
        in_channels: Channels of the maps that come in.
        out_channels: Channels of those that go out.
        kernel_size: Pixels a side, odd.
        stride: 1, or 2 to halve the maps.
        groups: As many as channels make it depthwise.
        activates: False where a linear layer is wanted, as at the narrow end of an inverted residual.
    """

    def __init__(
        self,
        config: MobileConfig,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        activates: bool = True,
    ) -> None:
        super().__init__()
        # With stride 1 TensorFlow's "same" pads both sides alike, which the convolution does by itself.
        self.pads_as_tensorflow = config.tf_padding and stride == 2
        self.convolution = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=0 if self.pads_as_tensorflow else kernel_size // 2,
            groups=groups,
            bias=False,
        )
        self.norm = normalization(
            config.normalization, out_channels, eps=config.norm_eps, momentum=config.norm_momentum
        )
        self.activation = activation(config.activation) if activates else nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        """From `(N, in_channels, H, W)` to `(N, out_channels, ceil(H / stride), ceil(W / stride))`."""
        if self.pads_as_tensorflow:
            hidden = pad_to_halve(hidden, self.convolution.kernel_size[0])
        return self.activation(self.norm(self.convolution(hidden)))


def pad_to_halve(hidden: Tensor, kernel_size: int) -> Tensor:
    """TensorFlow's "same" padding of `(N, C, H, W)` for a convolution of odd size with stride 2.

    An odd size gets `kernel_size // 2` rows of zeros at each end, an even size one fewer at its beginning. Written
    without a branch, so that a traced graph takes both.
    """
    after = kernel_size // 2
    top, left = (after - (size - 1) % 2 for size in hidden.shape[2:])
    return F.pad(hidden, (left, after, top, after))
