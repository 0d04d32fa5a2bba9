"""Landmarks: where each point of an object is, and whether it is seen, by heat maps whose mean place is the answer.

For each of L points the network gives (x, y, visible). A map of each point is made a distribution over the places of
the picture by a softmax, and the point is its mean (Sun et al. 2018, Integral human pose regression, section 3): exact
below the grid, and trained end to end by the distance alone.
"""

from dataclasses import dataclass

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput
from tsugiki.forward_options import forward_options
from tsugiki.pixel_values import check_picture

from ..networks.feature_maps import FeatureMapsConfig, Neck, feature_maps, initialize

BETA = 0.02  # fractions of the frame below which the loss is square, above which it is linear


@strict
class LandmarkConfig(FeatureMapsConfig, PreTrainedConfig):
    """Sizes and choices of a landmark network, besides those of `FeatureMapsConfig`.

    Attributes:
        num_landmarks: L, points of an object.
        landmark_names: Their names, where they have some.
        mirrored: For each point the number of the one that it becomes in a mirror, where that is known.
        eyes: Numbers of the two points whose distance errors are measured by, such as the outer corners of the eyes;
            by default errors are measured by the diagonal of the box around all points.
        visibility_weight: Of whether points are seen, within the loss.
    """

    model_type = "tsugiki_landmarks"

    image_size: list[int] | tuple[int, ...] = (96, 96)
    widths: list[int] | tuple[int, ...] = (24, 48, 96, 128)
    depths: list[int] | tuple[int, ...] = (0, 1, 2, 1)
    neck_size: int = 64
    num_landmarks: int = 68
    landmark_names: list[str] | None = None
    mirrored: list[int] | None = None
    eyes: list[int] | tuple[int, ...] | None = None
    visibility_weight: float | int = 0.1

    def validate_landmarks(self) -> None:
        """Refuse points that are none."""
        if self.num_landmarks < 1:
            raise ValueError(f"num_landmarks must be at least 1, not {self.num_landmarks}.")
        if self.mirrored is not None and sorted(self.mirrored) != list(range(self.num_landmarks)):
            raise ValueError("mirrored must name every landmark once.")
        if self.eyes is not None and (
            len(self.eyes) != 2 or not all(0 <= one < self.num_landmarks for one in self.eyes)
        ):
            raise ValueError(f"eyes must be the numbers of two landmarks, not {self.eyes}.")
        if self.landmark_names is not None and len(self.landmark_names) != self.num_landmarks:
            raise ValueError(f"there are {self.num_landmarks} landmarks and {len(self.landmark_names)} landmark_names.")


@dataclass
class LandmarkOutput(ModelOutput):
    """What the network says.

    Attributes:
        loss: Where labels were given.
        logits: Of each point being seen (B, L).
        keypoints: x and y in fractions of the frame (B, L, 2).
        hidden_states: The backbone's maps, where asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    keypoints: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


@dataclass
class LandmarkModelOutput(ModelOutput):
    """The map that the heat maps are made of (B, C, H, W), and the backbone's, where asked for."""

    last_hidden_state: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class LandmarkPreTrainedModel(PreTrainedModel):
    """What the models of the family share."""

    config_class = LandmarkConfig
    base_model_prefix = "landmarks"
    main_input_name = "pixel_values"

    def _init_weights(self, module: nn.Module) -> None:
        """See `tsugiki_detection.networks.feature_maps.initialize`."""
        initialize(module)


class LandmarkModel(LandmarkPreTrainedModel):
    """Backbone and neck: one fine map that knows of the whole."""

    def __init__(self, config: LandmarkConfig) -> None:
        super().__init__(config)
        self.backbone = feature_maps(config)
        self.neck = Neck(self.backbone.channels, config, 1)
        self.post_init()

    @forward_options
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None) -> LandmarkModelOutput:
        """From pictures (B, C, H, W) to a map of their features."""
        check_picture(pixel_values, self.config.num_channels, 1)
        maps = self.backbone(pixel_values)
        return LandmarkModelOutput(self.neck(maps)[0], tuple(maps) if output_hidden_states else None)


class LandmarkForKeypointDetection(LandmarkPreTrainedModel):
    """A landmark network."""

    accepts_loss_kwargs = False

    def __init__(self, config: LandmarkConfig) -> None:
        super().__init__(config)
        self.landmarks = LandmarkModel(config)
        self.heat_maps = nn.Conv2d(config.neck_size, 2 * config.num_landmarks, 1)  # places, and whether it is seen
        self.post_init()

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Two pictures with all points, of which the first is not seen."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.rand(2, self.config.num_landmarks, 3, generator=generator)
        labels[..., 2] = 1.0
        labels[:, 0, 2] = 0.0
        shape = (2, self.config.num_channels, *self.config.image_size)
        return {"pixel_values": torch.randn(shape, generator=generator), "labels": labels}

    @forward_options
    def forward(
        self, pixel_values: Tensor, labels: Tensor | None = None, output_hidden_states: bool | None = None
    ) -> LandmarkOutput:
        """Find the points.

        Args:
            pixel_values: Normalised pictures (B, C, H, W).
            labels: x and y in fractions of the frame and whether the point is seen (B, L, 3); below 0 where that is
                not known, and the point is not asked for.
            output_hidden_states: Return the backbone's maps as well; the config's value if `None`.
        """
        seen = self.landmarks(pixel_values, output_hidden_states=output_hidden_states, return_dict=True)
        places, visible = self.heat_maps(seen.last_hidden_state).float().chunk(2, 1)  # (B, L, H, W) each
        shares = places.flatten(2).softmax(-1).view_as(places)
        keypoints = mean_places(shares)
        logits = (shares * visible).sum((2, 3))  # where the point is said to be, whether it is seen
        loss = None
        if labels is not None:
            loss = landmark_loss(keypoints, logits, labels, float(self.config.visibility_weight))
        return LandmarkOutput(loss, logits, keypoints, seen.hidden_states)


def mean_places(shares: Tensor) -> Tensor:
    """Mean x and y (B, L, 2), in fractions of the frame, of distributions over its places (B, L, H, W)."""
    height, width = shares.shape[-2:]
    x = (torch.arange(width, device=shares.device, dtype=shares.dtype) + 0.5) / width
    y = (torch.arange(height, device=shares.device, dtype=shares.dtype) + 0.5) / height
    return torch.stack([(shares.sum(2) * x).sum(-1), (shares.sum(3) * y).sum(-1)], -1)


def landmark_loss(keypoints: Tensor, logits: Tensor, labels: Tensor, visibility_weight: float) -> Tensor:
    """The mean over pictures of the mean distance of the points that are seen, and of whether each is.

    Args:
        keypoints: (B, L, 2).
        logits: (B, L).
        labels: (B, L, 3).
        visibility_weight: Of the second part.
    """
    known, visible = labels[..., 2] >= 0, labels[..., 2] > 0
    distance = F.smooth_l1_loss(keypoints, labels[..., :2].float(), beta=BETA, reduction="none").sum(-1)
    distance = torch.where(visible, distance, 0.0).sum(1) / visible.sum(1).clamp(min=1)
    entropy = F.binary_cross_entropy_with_logits(logits, visible.float(), reduction="none")
    entropy = torch.where(known, entropy, 0.0).sum(1) / known.sum(1).clamp(min=1)
    return (100 * distance + visibility_weight * entropy).mean()
