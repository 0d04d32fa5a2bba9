"""The image encoder of a captioner: any family with a backbone, asked of the registry by name, and always frozen.

See `tsugiki.snapshots.backbones`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput
from tsugiki.adaptive_pooling import adaptive_pool
from tsugiki.snapshots.backbones import build_backbone


class ImageEncoder(nn.Module):
    """Pictures to a grid of feature vectors. Its weights are frozen and it is always in eval mode.

    Args:
        fields: Config of the network, as `build_backbone` takes it.
        stages: Names of the stages whose maps are used; by default its last.
        grid_size: Places a side that the maps are averaged over.

    Attributes:
        backbone: The network.
        output_size: D, the channels of all its maps together.
    """

    main_input_name = "pixel_values"

    def __init__(self, fields: Mapping[str, Any], stages: Sequence[str] | None, grid_size: int) -> None:
        super().__init__()
        self.grid_size = grid_size
        backbone: Any = build_backbone(fields, stages)
        self.backbone = backbone
        self.output_size: int = sum(backbone.channels)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> ImageEncoder:
        """Stay in eval mode, whatever is asked: what is frozen keeps the statistics of its batch normalisation."""
        return super().train(False)

    @torch.no_grad()
    def forward(
        self, pixel_values: Tensor | None = None, output_hidden_states: bool | None = None, **ignored: Any
    ) -> BaseModelOutput:
        """Look at pictures.

        Args:
            pixel_values: Normalised pictures (B, C, H, W).
            output_hidden_states: Give the same as ``hidden_states`` too.
            **ignored: What ``generate()`` passes besides.

        Returns:
            ``last_hidden_state`` (B, S, D), S = ``grid_size`` squared places from top left to bottom right. Maps of
            other sizes are averaged or repeated to the grid.
        """
        maps = self.backbone(pixel_values).feature_maps
        grids = [adaptive_pool(one, self.grid_size) for one in maps]  # (B, C, G, G) each
        features: Any = torch.cat(grids, dim=1).flatten(2).transpose(1, 2)
        return BaseModelOutput(last_hidden_state=features, hidden_states=(features,) if output_hidden_states else None)
