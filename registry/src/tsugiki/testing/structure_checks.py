"""Checks of how a network is cut: stages and head for transfer, feature maps of a backbone."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from ..errors import PluginError
from ..snapshots.auto_classes import auto_class_of
from .subject import ConformanceError, NotApplicableError, Subject, largest_difference, require


def stages_cover_every_parameter(subject: Subject) -> None:
    """Each parameter lies in exactly one stage or in the head, so that every depth of transfer means something."""
    if not subject.family.declaration.head_of(subject.family.model_class(subject.key).__name__):
        raise NotApplicableError("the network has no head")
    from ..transfer.stages import check_stages

    with torch.device("meta"):
        model = subject.family.model_class(subject.key)(subject.config())
    try:
        check_stages(model)
    except PluginError as error:
        raise ConformanceError(f"{error}; correct stages and head in its Family(...)") from error


def takes_a_new_head(subject: Subject) -> None:
    """A new head for other classes can be set on the network, and everything below it stays."""
    from ..transfer.graft import graft
    from ..transfer.stages import head_of

    auto_class = auto_class_of(subject.family, subject.key)
    if not auto_class.endswith("Classification"):
        raise NotApplicableError("not a classifier")
    model = subject.model()
    names = {number: f"class {number}" for number in range((model.config.num_labels or 0) + 3)}
    grafted = graft(model, {"id2label": names, "label2id": {name: number for number, name in names.items()}})
    with torch.inference_mode():
        logits = grafted(**subject.inputs(grafted)).logits
    classes = logits.shape[-1 if auto_class.endswith("TokenClassification") else 1]
    require(
        classes == len(names),
        f"{type(model).__name__} gives {classes} logits for {len(names)} labels; build the head for config.num_labels",
    )
    path, _ = head_of(model)
    weights = grafted.state_dict()
    changed = [
        name
        for name, value in model.state_dict().items()
        if not name.startswith(f"{path}.") and not torch.equal(value, weights[name])
    ]
    require(not changed, f"{', '.join(changed[:3])} changes with a new head {path!r}")


def backbone_gives_named_feature_maps(subject: Subject) -> None:
    """A backbone returns the maps that are asked for, with the channels that it announces."""
    model_class = subject.family.model_class(subject.key)
    backbone: Any = subject.model()
    names = list(backbone.stage_names)
    config = subject.family.config_class()(**{**subject.overrides, "out_features": names})
    torch.manual_seed(0)
    model = model_class(config).eval()
    inputs = subject.inputs(model)
    with torch.inference_mode():
        maps = model(**inputs).feature_maps
    require(len(maps) == len(names), f"{model_class.__name__} gives {len(maps)} maps for out_features={names}")
    for name, channels, feature_map in zip(names, model.channels, maps, strict=True):
        require(
            feature_map.ndim == 4 and feature_map.shape[1] == channels,
            f"{model_class.__name__}: the map {name!r} has shape {tuple(feature_map.shape)} and announces {channels} "
            "channels; set num_features to what forward gives",
        )
    last = subject.family.config_class()(**{**subject.overrides, "out_indices": [-1]})
    require(
        list(last.out_features) == names[-1:],
        f"{type(last).__name__}: out_indices=[-1] means {last.out_features}, not {names[-1:]}",
    )
    try:
        subject.family.config_class()(**{**subject.overrides, "out_features": ["no such stage"]})
    except ValueError as error:
        require(
            names[-1] in str(error),
            f"{type(config).__name__} refuses out_features that do not exist, but does not name those that do: {error}",
        )
        return
    require(False, f"{type(config).__name__} takes out_features that do not exist; derive it from BackboneConfigMixin")


def backbone_loads_from_a_task_snapshot(subject: Subject) -> None:
    """The backbone of a trained model has the trained weights, without complaint, and its maps are hidden states."""
    from ..snapshots.loading import load

    tasks = subject.family.declaration.tasks
    if not tasks:
        raise NotApplicableError("the family has no task model")
    trained = Subject(subject.family, tasks[0], subject.folder, subject.overrides).model(seed=1)
    trained.save_pretrained(subject.folder)
    backbone = load(str(subject.folder), task="backbone")
    weights = trained.state_dict()
    strange = [
        name for name, value in backbone.state_dict().items() if not torch.equal(value, weights.get(name, value + 1))
    ]
    name = type(backbone).__name__
    require(
        not strange,
        f"{name} does not find {', '.join(strange[:3])} in a snapshot of {type(trained).__name__}; "
        "hold the shared part under the same name (base_model_prefix) in both",
    )
    found: Any = type(backbone).from_pretrained(
        subject.folder, out_features=backbone.stage_names, output_loading_info=True
    )
    whole, report = found
    bad = {kind: keys for kind, keys in report.items() if keys}
    require(
        not bad,
        f"{name}.from_pretrained complains of {bad} in a snapshot of {type(trained).__name__}; name the head's weights "
        "in _keys_to_ignore_on_load_unexpected",
    )
    if "output_hidden_states" not in inspect.signature(type(trained).forward).parameters:
        return
    inputs = subject.inputs(trained)
    with torch.inference_mode():
        maps = whole.eval()(**inputs).feature_maps
        states = trained(**inputs, output_hidden_states=True).hidden_states
    difference = largest_difference([one.flatten(1) for one in maps], [one.flatten(1) for one in states])
    require(
        difference <= 1e-6,
        f"the feature maps of {name} differ by {difference:.1e} from the hidden_states of {type(trained).__name__}; "
        "let both run the same stages",
    )
