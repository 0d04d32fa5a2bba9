"""Content and style of pictures as a VGG network sees them (Gatys, Ecker and Bethge 2015, section 2).

The content of a picture is the maps of one convolution; its style is the Gram matrices of several: which channels go
together, wherever that is. Both losses are relative to the size of what is aimed at, so that their weights mean the
same for every network, layer and size of picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tsugiki.errors import OptionError
from tsugiki.images import Normalize

# The paper takes conv4_2 of a network trained on 224 pixels a side. One that is trained on 32 has seen most of its
# picture by then and gives its places up; conv2_2 still holds them.
CONTENT_LAYER = "conv2_2"
STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")  # the paper's


class LossNetwork(nn.Module):
    """A VGG that only measures: its weights are frozen and it stays in eval mode.

    Args:
        network: A network with `convolution_outputs(pixel_values, names)`.
        normalize: How its pictures were normalised.
        name: What captions call it.
    """

    def __init__(self, network: Any, normalize: Normalize, name: str) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.normalize = normalize
        self.name = name
        self.eval()

    @classmethod
    def load(cls, name: str) -> LossNetwork:
        """Load a registered VGG by its name.

        Raises:
            OptionError: The model is no VGG.
            TsugikiError: There is no such model.
        """
        from tsugiki.snapshots.snapshot import Snapshot

        snapshot = Snapshot.open(name)
        model = snapshot.model()
        network = model.base_model
        if not hasattr(network, "convolution_outputs"):
            raise OptionError(
                f"{name} is a {type(model).__name__}; style transfer needs a VGG network, such as vgg16bn-half-cifar10"
            )
        return cls(network, Normalize.from_processor(snapshot.processor()), name)

    def train(self, mode: bool = True) -> LossNetwork:
        """Stay in eval mode whatever is asked."""
        return super().train(False)

    def forward(self, pictures: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """The outputs of convolutions.

        Args:
            pictures: `(N, 3, H, W)`, from 0 to 1.
            names: Convolutions by the names of the VGG paper, such as `conv4_2`.

        Returns:
            Maps `(N, C, h, w)` by name.

        Raises:
            OptionError: The network has no such convolution, or the pictures are too small for it.
        """
        normalized = self.normalize({"pixel_values": pictures * 255})["pixel_values"]
        try:
            return self.network.convolution_outputs(normalized, list(dict.fromkeys(names)))
        except (ValueError, KeyError) as error:
            raise OptionError(f"{self.name}: {error}") from error


def gram_matrix(maps: Tensor) -> Tensor:
    """The inner products of channels over all places, divided by the number of places.

    Args:
        maps: `(N, C, H, W)`.

    Returns:
        `(N, C, C)`.
    """
    flat = maps.flatten(2)  # (N, C, H W)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def gram_matrices(features: Mapping[str, Tensor], layers: Sequence[str]) -> dict[str, Tensor]:
    """The Gram matrices `(N, C, C)` of some layers' maps."""
    return {layer: gram_matrix(features[layer]) for layer in layers}


def relative_error(values: Tensor, target: Tensor) -> Tensor:
    """`|values - target|^2 / |target|^2` of each row `(N,)`; the target may have one row for all."""
    return (values - target).square().flatten(1).sum(1) / target.square().flatten(1).sum(1).clamp(min=1e-12)


def content_loss(maps: Tensor, target: Tensor) -> Tensor:
    """How far the maps `(N, C, H, W)` of pictures are from those of their content pictures, `(N,)`.

    The paper's equation 1 over half the squared length of the target.
    """
    return relative_error(maps, target)


def style_loss(grams: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """How far the Gram matrices of pictures are from those of the painting, `(N,)`.

    The paper's equations 4 and 5, each layer's term over the squared length of its target: 0 for the painting itself,
    1 for a picture without any structure.

    Args:
        grams: `(N, C, C)` by layer.
        targets: `(1, C, C)` by layer.
        weights: By layer.
    """
    return torch.stack([weight * relative_error(grams[name], targets[name]) for name, weight in weights.items()]).sum(0)


def layer_weights(layers: Sequence[str], weights: Sequence[float] | None = None) -> dict[str, float]:
    """Weights of the style layers by name, brought to a sum of 1; equal by default.

    Raises:
        OptionError: There are no layers, one is named twice, or the weights are not as many positive numbers.
    """
    if not layers or len(set(layers)) != len(layers):
        raise OptionError(f"style layers must be one or more different convolutions, not {', '.join(layers) or 'none'}")
    if weights is None:
        weights = [1.0] * len(layers)
    if len(weights) != len(layers) or min(weights) < 0 or sum(weights) <= 0:
        raise OptionError(f"{len(layers)} style layers need as many weights of at least 0, not {list(weights)}")
    return {layer: weight / sum(weights) for layer, weight in zip(layers, weights, strict=True)}
