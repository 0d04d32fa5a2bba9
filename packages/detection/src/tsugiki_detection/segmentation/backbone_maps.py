"""Maps of any backbone by name, of an installed plugin or of transformers, and of what size they are.

A model stores the backbone's config and weights in its own snapshot, so that loading it needs the backbone's
package and never the checkpoint that it began with.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig
from tsugiki.errors import OptionError
from tsugiki.registry import registry

_NOT_OF_THE_BACKBONE = frozenset(
    {"architectures", "dtype", "torch_dtype", "transformers_version", "id2label", "label2id", "num_labels",
     "problem_type", "out_features", "out_indices", "stage_names"}
)  # fmt: skip
_PROBE = 64  # pixels a side of the picture that tells the size of the maps, where the backbone names none


def checkpoint_fields(name: str) -> dict[str, Any]:
    """The config of a checkpoint, with its ``model_type``, as far as it describes the network below its head.

    Args:
        name: As `tsugiki.load` takes it.

    Raises:
        TsugikiError: There is no such checkpoint, or it cannot be read.
    """
    from tsugiki.snapshots.snapshot import Snapshot

    snapshot = Snapshot.open(name)
    fields = {key: value for key, value in snapshot.config.items() if key not in _NOT_OF_THE_BACKBONE}
    return {**fields, "model_type": snapshot.family.model_type}


def backbone_config_of(fields: Mapping[str, Any]) -> PreTrainedConfig:
    """The config of a backbone from its plain fields.

    Args:
        fields: `model_type`, of an installed plugin's family or of transformers', and the others of that config.

    Raises:
        ValueError: No installed package has such a backbone, or the fields do not describe one.
    """
    from tsugiki.snapshots.strict_config import override_config

    config_class, _ = _classes_of(fields.get("model_type"))
    try:
        return override_config(config_class, fields, {})
    except OptionError as error:
        raise ValueError(f"backbone_config: {error}") from error


def _classes_of(model_type: Any) -> tuple[type[Any], type[Any]]:
    """Config and backbone class of a model type."""
    from transformers import AutoBackbone
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

    family = registry().family_of_model_type(model_type) if isinstance(model_type, str) else None
    if family is not None and "backbone" in family.declaration.models:
        return family.config_class(), family.model_class("backbone")
    if family is None and model_type in CONFIG_MAPPING_NAMES:
        config_class = CONFIG_MAPPING[model_type]
        if config_class in AutoBackbone._model_mapping:
            backbone_class: Any = AutoBackbone._model_mapping[config_class]
            return config_class, backbone_class
    known = ", ".join(one.model_type for one in registry().families() if "backbone" in one.declaration.models)
    raise ValueError(
        f"backbone_config must name the model_type of a family with a backbone, not {model_type!r}; installed are: "
        f"{known or 'none'}, and those of transformers."
    )


class BackboneMaps(nn.Module):
    """A backbone's maps from fine to coarse, one of each size.

    Where several stages give maps of one size, the last of them is taken, which has seen most.

    Args:
        config: Of the backbone.
        count: How many maps: those of the coarsest sizes.

    Attributes:
        network: The backbone.
        channels: Of each map.
        strides: Pixels of the picture per step in each map.

    Raises:
        ValueError: The backbone has fewer sizes.
    """

    def __init__(self, config: PreTrainedConfig, count: int) -> None:
        super().__init__()
        _, backbone_class = _classes_of(config.model_type)
        own: Any = copy.deepcopy(config)
        own.set_output_features_output_indices(out_features=list(own.stage_names), out_indices=None)
        self.network = backbone_class(own)
        names, sizes = list(own.stage_names), self._measured(own)
        places = [place for place, size in enumerate(sizes) if size and size not in sizes[place + 1 :]]
        if len(places) < count:
            raise ValueError(
                f"{backbone_class.__name__} gives maps of {len(places)} sizes, of which {count - 1} cannot be skips: "
                f"at most {len(places) - 1}."
            )
        chosen = places[-count:]
        self.network.out_features = [names[place] for place in chosen]
        self.channels: list[int] = list(self.network.channels)
        self.strides: list[int] = [sizes[place] for place in chosen]

    @torch.no_grad()
    def _measured(self, config: Any) -> list[int]:
        """The strides of all stages, by the maps of an empty picture; 0 of one that gives features without a place."""
        side = getattr(config, "image_size", None)
        side = side if isinstance(side, int) else _PROBE
        weight = next(self.network.parameters())
        picture = weight.new_zeros((1, getattr(config, "num_channels", 3), side, side))
        was_training = self.network.training
        maps = self.network.eval()(picture).feature_maps
        self.network.train(was_training)
        return [round(side / one.shape[-1]) if one.shape[-1] > 1 else 0 for one in maps]

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        """Maps `(N, C, H, W)` of pictures `(N, num_channels, H, W)`, from fine to coarse."""
        return list(self.network(pixel_values, return_dict=True).feature_maps)


def load_backbone(maps: BackboneMaps, name: str) -> None:
    """Set the weights of a backbone to those of a checkpoint.

    Args:
        maps: To change.
        name: As `tsugiki.load` takes it; a checkpoint of the backbone's family and sizes.

    Raises:
        TsugikiError: There is no such checkpoint, or it is of another network.
    """
    from tsugiki.snapshots.snapshot import Snapshot

    weights = Snapshot.open(name).model("backbone").state_dict()
    try:
        maps.network.load_state_dict(weights)
    except RuntimeError as error:
        raise OptionError(f"backbone {name!r} does not fit backbone_config; leave backbone_config out") from error
