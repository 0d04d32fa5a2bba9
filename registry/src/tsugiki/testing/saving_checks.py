"""Checks of what is written to files and read again: configs, weights, processors, Auto classes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any

import numpy as np
import torch

from .subject import NotApplicableError, Subject, largest_difference, output_tensors, require

_NOT_COMPARED = ("_name_or_path", "transformers_version", "architectures", "dtype")
ROUNDING = 1e-5  # relative
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy")


def config_round_trip(subject: Subject) -> None:
    """A config saved and loaded is the same, and carries the family's ``model_type``."""
    config = subject.config()
    require(
        config.model_type == subject.family.model_type,
        f"{type(config).__name__}.model_type is {config.model_type!r} and the plugin declares "
        f"{subject.family.model_type!r}; make them the same",
    )
    require(
        config.model_type.startswith("tsugiki_"),
        f"model_type {config.model_type!r} must begin with 'tsugiki_': transformers takes plain names over time",
    )
    config.save_pretrained(subject.folder)
    changed = _changed(config, type(config).from_pretrained(subject.folder))
    require(
        not changed,
        f"{type(config).__name__} loads with another value of {', '.join(changed)}; store plain JSON values and pass "
        "them on to super().__post_init__",
    )


def _changed(config: Any, again: Any) -> list[str]:
    """The fields in which a config that was made again differs from the first."""
    left, right = config.to_dict(), again.to_dict()
    names = (left.keys() | right.keys()) - set(_NOT_COMPARED)
    return sorted(name for name in names if left.get(name) != right.get(name))


def config_shows_every_field(subject: Subject) -> None:
    """A config prints all of its fields, and the text of one makes the same config."""
    config = subject.config()
    config_class = type(config)
    shown = repr(config)
    own = [name for name, kind in _own_fields(config_class).items() if "ClassVar" not in str(kind)]
    hidden = [name for name in own if f'"{name}": ' not in shown]
    require(
        not hidden,
        f"{config_class.__name__} prints without {', '.join(hidden[:3])}: a parent's @dataclass prints that parent's "
        "fields alone; decorate it with @dataclass(kw_only=True, repr=False)",
    )
    changed = _changed(config, config_class.from_dict(json.loads(config.to_json_string(use_diff=False))))
    require(
        not changed,
        f"{config_class.__name__} made of its own to_json_string has another value of {', '.join(changed)}; take plain "
        "JSON values in its fields",
    )


def config_is_strict(subject: Subject) -> None:
    """A config refuses a value of the wrong type instead of building some other network."""
    config_class = subject.family.config_class()
    for name, annotation in _own_fields(config_class).items():
        if any(word in str(annotation) for word in ("Any", "ClassVar")):
            continue
        taken = isinstance(annotation, str)  # the text of a type is skipped, whatever else may refuse the value
        with contextlib.suppress(Exception):  # whatever kind: it was refused
            config_class(**{**subject.overrides, name: object()})
            taken = True
        require(
            not taken,
            f"{config_class.__name__} takes {name}=object(); decorate it with @strict (huggingface_hub.dataclasses), "
            "in a module without `from __future__ import annotations`: that makes text of the types, which it skips",
        )


def _own_fields(config_class: type) -> dict[str, Any]:
    """Types by name of the fields that the class has besides those of every config, inherited ones too."""
    from transformers import PreTrainedConfig

    common = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    inherited = dataclasses.fields(config_class) if dataclasses.is_dataclass(config_class) else ()
    own = {field.name: field.type for field in inherited if field.name not in common}
    return {**vars(config_class).get("__annotations__", {}), **own}


def processor_round_trip(subject: Subject) -> None:
    """A processor saved and loaded prepares a picture or recording the same way, in the shape that the model takes."""
    if subject.family.declaration.processor_trainer is not None:
        raise NotApplicableError("the family's processor is learnt from data; its snapshots are looked at")
    processor = subject.processor()
    if processor is None:
        raise NotApplicableError("the family has no processor")
    names = getattr(processor, "model_input_names", ())
    generator = np.random.default_rng(0)
    example: Any
    if "pixel_values" in names:
        from PIL import Image

        name, example = "pixel_values", Image.fromarray(generator.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    elif "input_values" in names:
        name, example = "input_values", generator.normal(0, 0.1, 5_000).astype(np.float32)
    else:
        raise NotApplicableError("neither an image processor nor one of waveforms")
    prepared = processor(example, return_tensors="pt")[name]
    processor.save_pretrained(subject.folder)
    again = type(processor).from_pretrained(subject.folder)(example, return_tensors="pt")[name]
    require(
        torch.equal(prepared, again),
        f"{type(processor).__name__} prepares an input differently after save_pretrained and from_pretrained; keep "
        "its settings in attributes of the same name",
    )
    for key in subject.family.declaration.tasks[:1]:
        model = Subject(subject.family, key, subject.folder, subject.overrides).model()
        with torch.inference_mode():
            model(**{name: prepared})


def save_load_round_trip(subject: Subject) -> None:
    """A model saved and loaded has the same weights, bit for bit, and gives the same outputs, to rounding."""
    model = subject.model()
    model.save_pretrained(subject.folder)
    found: Any = type(model).from_pretrained(subject.folder, output_loading_info=True)
    loaded, report = found
    loaded.eval()
    bad = {name: keys for name, keys in report.items() if keys}
    require(not bad, f"{type(model).__name__} loads with {bad}; every weight must be saved and found under one name")
    saved, again = model.state_dict(), loaded.state_dict()
    changed = [name for name in saved if name not in again or not torch.equal(saved[name], again[name])]
    require(not changed, f"{type(model).__name__} loads with other values of {', '.join(changed[:3])}")
    inputs = subject.inputs(model)
    with torch.inference_mode():
        # Which kernel computes a convolution, and so the last bits, may depend on where the weights lie in memory.
        difference = largest_difference(output_tensors(model(**inputs)), output_tensors(loaded(**inputs)))
    require(
        difference <= ROUNDING,
        f"{type(model).__name__} gives other outputs after loading; compute buffers from the config, or save them",
    )


def safetensors_only(subject: Subject) -> None:
    """A saved model holds its weights in safetensors and nothing that is unpickled."""
    subject.model().save_pretrained(subject.folder)
    files = sorted(path.name for path in subject.folder.iterdir())
    require("model.safetensors" in files, f"save_pretrained wrote {', '.join(files)} and no model.safetensors")
    pickles = [name for name in files if name.endswith(_PICKLES)]
    require(not pickles, f"save_pretrained wrote {', '.join(pickles)}; weights belong into model.safetensors alone")


def auto_classes(subject: Subject) -> None:
    """After registration, transformers' Auto classes find the family with no call of tsugiki."""
    import transformers

    from ..snapshots.auto_classes import auto_classes_of

    model = subject.model()
    model.save_pretrained(subject.folder)
    config = transformers.AutoConfig.from_pretrained(subject.folder, trust_remote_code=False)
    require(
        type(config) is type(model.config),
        f"AutoConfig gives {type(config).__name__} for {subject.family.model_type!r}, not "
        f"{type(model.config).__name__}",
    )
    names = auto_classes_of(subject.family, subject.key)
    if not names:
        raise NotApplicableError(f"transformers has no Auto class for {subject.key!r}")
    for name in names:
        auto = getattr(transformers, name)
        if subject.key == "backbone":  # AutoBackbone.from_pretrained asks the Hub for every folder
            found = auto.from_config(config, trust_remote_code=False)
        else:
            found = auto.from_pretrained(subject.folder, use_safetensors=True, trust_remote_code=False)
        require(
            type(found) is type(model),
            f"{name} gives {type(found).__name__} for {subject.family.model_type!r}, not {type(model).__name__}",
        )
