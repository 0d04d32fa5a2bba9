"""The maps of a backbone, one of each size, and how many pixels of the picture a step in them is."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from tsugiki.eval_mode import eval_mode
from tsugiki.snapshots.backbones import build_backbone

_PROBE = 64  # pixels a side of the picture that tells the size of the maps, where the backbone names none


class BackboneMaps(nn.Module):
    """A backbone's maps from fine to coarse, one of each size.

    Where several stages give maps of one size, the last of them is taken, which has seen most. What has no place, as
    the hidden layers of LeNet, is left out.

    Args:
        fields: The backbone's config, with a `model_type` of an installed plugin or of transformers.
        count: How many maps: those of the coarsest sizes.

    Attributes:
        network: The backbone.
        channels: Of each map.
        strides: Pixels of the picture per step in each map.

    Raises:
        ValueError: There is no such backbone, or it has fewer sizes.
    """

    def __init__(self, fields: Mapping[str, Any], count: int) -> None:
        super().__init__()
        network: Any = build_backbone(fields)
        network.out_features = names = list(network.stage_names)
        sizes = _strides(network)
        places = [place for place, size in enumerate(sizes) if size and size not in sizes[place + 1 :]]
        if len(places) < count:
            raise ValueError(
                f"{type(network).__name__} gives maps of {len(places)} sizes, so that skips can be {len(places) - 1} "
                f"at most, not {count - 1}."
            )
        chosen = places[-count:]
        network.out_features = [names[place] for place in chosen]
        self.network = network
        self.channels: list[int] = list(network.channels)
        self.strides: list[int] = [sizes[place] for place in chosen]

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        """Maps `(N, C, H, W)` of pictures `(N, num_channels, H, W)`, from fine to coarse."""
        return list(self.network(pixel_values, return_dict=True).feature_maps)


@torch.no_grad()
def _strides(network: Any) -> list[int]:
    """The strides of all stages, by the maps of an empty picture; 0 of one that gives features without a place."""
    side = getattr(network.config, "image_size", None)
    side = side if isinstance(side, int) else _PROBE
    picture = next(network.parameters()).new_zeros((1, getattr(network.config, "num_channels", 3), side, side))
    with eval_mode(network):
        maps = network(picture).feature_maps
    return [round(side / one.shape[-1]) if one.shape[-1] > 1 else 0 for one in maps]
