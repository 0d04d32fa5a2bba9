"""Backbones inside of other networks: any family that has one, asked of the registry by name.

What stands on a backbone stores the backbone's config and weights in its own snapshot, so only the backbone's package
is needed to load it, never its checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, UnknownNameError
from ..registry import registry

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

_NOT_OF_THE_BACKBONE = frozenset(
    {"architectures", "dtype", "torch_dtype", "transformers_version", "id2label", "label2id", "num_labels",
     "problem_type", "out_features", "out_indices", "stage_names"}
)  # fmt: skip


def backbone_fields(name: str) -> dict[str, Any]:
    """The config of a checkpoint, with its ``model_type``, as far as it describes the network below the classifier.

    Args:
        name: As `tsugiki.load` takes it.

    Raises:
        TsugikiError: There is no such checkpoint, or it cannot be read.
    """
    from .snapshot import Snapshot

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
    from .strict_config import override_config

    model_type = str(fields.get("model_type"))
    family = registry().family_of_model_type(model_type)
    if family is not None:
        if "backbone" not in family.declaration.models:
            raise ValueError(
                f"family {family.name!r} has no backbone, so it gives no maps of pictures; families that have one: "
                f"{', '.join(one.name for one in registry().families() if 'backbone' in one.declaration.models)}."
            )
        config_class, backbone_class = family.config_class(), family.model_class("backbone")
    else:
        config_class, backbone_class = _of_transformers(model_type)
    chosen = {"out_features": list(stages)} if stages else {}
    try:
        return backbone_class(override_config(config_class, fields, chosen))
    except OptionError as error:
        raise ValueError(f"the backbone's config and stages describe no {backbone_class.__name__}: {error}") from error


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
        raise ValueError(f"no installed package has the backbone {model_type!r}: {error}") from error
    raise ValueError(f"no installed package has the backbone {model_type!r}.")


def load_backbone(backbone: nn.Module, name: str) -> None:
    """Set the weights of a backbone to those of a checkpoint.

    Args:
        backbone: To change; as `build_backbone` makes it of the checkpoint's config.
        name: As `tsugiki.load` takes it.

    Raises:
        TsugikiError: There is no such checkpoint, or it is of another network.
    """
    from .snapshot import Snapshot

    weights = Snapshot.open(name).model("backbone").state_dict()
    try:
        backbone.load_state_dict(weights)
    except RuntimeError as error:
        raise OptionError(f"the network of {name!r} is not the one of the config; leave its config out") from error
