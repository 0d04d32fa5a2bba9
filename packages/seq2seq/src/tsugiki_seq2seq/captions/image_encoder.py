"""The image encoder of a captioner: any family with a backbone, asked of the registry by name, and always frozen.

A captioner stores the encoder's config and weights in its own snapshot, so only the encoder's package is needed to load
it, never its checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from tsugiki.adaptive_pooling import adaptive_pool
from tsugiki.errors import OptionError, UnknownNameError
from tsugiki.registry import registry

_NOT_OF_THE_BACKBONE = frozenset(
    {"architectures", "dtype", "torch_dtype", "transformers_version", "id2label", "label2id", "num_labels",
     "problem_type", "out_features", "out_indices", "stage_names"}
)  # fmt: skip


def encoder_fields(name: str) -> dict[str, Any]:
    """The config of a checkpoint, with its ``model_type``, as far as it describes the network below the classifier.

    Args:
        name: As `tsugiki.load` takes it.

    Raises:
        TsugikiError: There is no such checkpoint, or it cannot be read.
    """
    from tsugiki.snapshots.snapshot import Snapshot

    snapshot = Snapshot.open(name)
    fields = {key: value for key, value in snapshot.config.items() if key not in _NOT_OF_THE_BACKBONE}
    return {**fields, "model_type": snapshot.family.model_type}


def build_backbone(fields: Mapping[str, Any], stages: Sequence[str] | None = None) -> PreTrainedModel:
    """A backbone with fresh weights.

    Args:
        fields: Its config, with a ``model_type`` of an installed plugin or of transformers.
        stages: Names of the stages whose maps it gives; by default its last.

    Raises:
        ValueError: No installed package has such a backbone, or the fields do not describe one.
    """
    from tsugiki.snapshots.strict_config import override_config

    model_type = str(fields.get("model_type"))
    family = registry().family_of_model_type(model_type)
    if family is not None:
        if "backbone" not in family.declaration.models:
            raise ValueError(
                f"family {family.name!r} has no backbone, so it cannot encode pictures; families that have one: "
                f"{', '.join(one.name for one in registry().families() if 'backbone' in one.declaration.models)}."
            )
        config_class, backbone_class = family.config_class(), family.model_class("backbone")
    else:
        config_class, backbone_class = _of_transformers(model_type)
    chosen = {"out_features": list(stages)} if stages else {}
    try:
        return backbone_class(override_config(config_class, fields, chosen))
    except OptionError as error:
        raise ValueError(f"encoder_config and encoder_stages describe no {backbone_class.__name__}: {error}") from error


def _of_transformers(model_type: str) -> tuple[type[Any], type[Any]]:
    """Config and backbone class of one of transformers' own model types."""
    from transformers import AutoBackbone
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

    if model_type in CONFIG_MAPPING_NAMES and CONFIG_MAPPING[model_type] in AutoBackbone._model_mapping:
        config_class = CONFIG_MAPPING[model_type]
        backbone_class: Any = AutoBackbone._model_mapping[config_class]
        return config_class, backbone_class
    try:
        registry().family(model_type.removeprefix("tsugiki_").replace("_", "-"))
    except UnknownNameError as error:
        raise ValueError(f"no installed package has the image encoder {model_type!r}: {error}") from error
    raise ValueError(f"no installed package has the image encoder {model_type!r}.")


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


def load_encoder(encoder: ImageEncoder, name: str) -> None:
    """Set the weights of an encoder to those of a checkpoint.

    Args:
        encoder: To change.
        name: As `tsugiki.load` takes it; a checkpoint of the encoder's family with its config.

    Raises:
        TsugikiError: There is no such checkpoint, or it is of another network.
    """
    from tsugiki.snapshots.snapshot import Snapshot

    weights = Snapshot.open(name).model("backbone").state_dict()
    try:
        encoder.backbone.load_state_dict(weights)
    except RuntimeError as error:
        raise OptionError(f"encoder {name!r} does not fit encoder_config; leave encoder_config out") from error
