"""timm's published weights, read as networks of this plugin: ``tsugiki.load("timm/vgg16.tv_in1k")``.

A repository of timm holds a ``config.json`` with the ``architecture`` and a ``pretrained_cfg`` that tells how pictures
were prepared, and ``model.safetensors`` with timm's names. Each function here takes that config and gives the family,
its config, the processor and the name that each tensor has here. Nothing here imports torch before weights are read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from tsugiki.snapshots.public_weights import PublicWeights

TASK = "image-classification"
CHANNELS = 3
# Arguments of timm that leave the network as it is in evaluation, or are checked.
PLAIN_ARGUMENTS = ("num_classes", "in_chans", "global_pool", "drop_rate", "drop_path_rate", "drop_block_rate")
IMAGENET_MEAN = [0.485, 0.456, 0.406]  # timm's own defaults, where a config leaves them out
IMAGENET_STD = [0.229, 0.224, 0.225]
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}  # numbers of Pillow's

_TENSOR = r"\.(weight|bias|running_mean|running_var|num_batches_tracked)\Z"
Replacement = str | Callable[[re.Match[str]], str]

DENSENETS: Mapping[str, Mapping[str, Any]] = {
    "densenet121": {},
    "densenet169": {"block_layers": [6, 12, 32, 32]},
    "densenet201": {"block_layers": [6, 12, 48, 32]},
    "densenet161": {"growth_rate": 48, "block_layers": [6, 12, 36, 24], "initial_channels": 96},
}
RESNETS = {
    "resnet18": ("basic", [2, 2, 2, 2]),
    "resnet34": ("basic", [3, 4, 6, 3]),
    "resnet50": ("bottleneck", [3, 4, 6, 3]),
    "resnet101": ("bottleneck", [3, 4, 23, 3]),
    "resnet152": ("bottleneck", [3, 8, 36, 3]),
}
RESNET_CHANNELS = {"basic": [64, 128, 256, 512], "bottleneck": [256, 512, 1024, 2048]}
INCEPTION_STEM = {"1a_3x3": 0, "2a_3x3": 1, "2b_3x3": 2, "3b_1x1": 4, "4a_3x3": 5}  # 3 and 6 are pooling
INCEPTION_BLOCKS = {"5": "bcd", "6": "abcde", "7": "abc"}  # of the grids of 35, 17 and 8 places, by their letters
INCEPTION_BRANCHES = {
    "5": ("1x1", "5x5", "3x3dbl", "_pool"),
    "6a": ("3x3", "3x3dbl"),
    "6": ("1x1", "7x7", "7x7dbl", "_pool"),
    "7a": ("3x3", "7x7x3"),
    "7": ("1x1", "3x3", "3x3dbl", "_pool"),
}
MOBILENET_WIDTHS = {"mobilenetv1_100": 1.0, "mobilenetv1_125": 1.25}


def read_vgg(values: Mapping[str, Any]) -> PublicWeights:
    """VGG-11 to 19, with batch norm or without. timm writes the two hidden layers as convolutions over 7x7 places."""
    name, _, norm = values["architecture"].removeprefix("vgg").partition("_")
    depth, has_norm = int(name), norm == "bn"

    def rename(stored: str) -> str | None:
        convolutions = _vgg_convolutions(depth, has_norm)
        return _renamer(
            {
                r"features\.(\d+)": lambda match: convolutions.get(int(match[1]), ""),
                r"pre_logits\.fc1": "vgg.stages.5.2",
                r"pre_logits\.fc2": "vgg.stages.6.0",
                r"head\.fc": "classifier",
            }
        )(stored)

    return PublicWeights(
        "tsugiki_vgg",
        TASK,
        {**_fields(values), "depth": depth, "normalization": "batch" if has_norm else "none"},
        rename,
        processor(values),
        flattened=frozenset({"vgg.stages.5.2.weight", "vgg.stages.6.0.weight"}),
    )


def _vgg_convolutions(depth: int, has_norm: bool) -> dict[int, str]:
    """Number in timm's one row of layers -> the convolution or norm here. ReLU and pooling take a number too."""
    from .classifiers.vgg import BLOCK_LAYERS

    names: dict[int, str] = {}
    number = 0
    for block, layers in enumerate(BLOCK_LAYERS[depth]):
        for layer in range(layers):
            names[number] = f"vgg.stages.{block}.layers.{layer}.convolution"
            if has_norm:
                names[number + 1] = f"vgg.stages.{block}.layers.{layer}.norm"
            number += 3 if has_norm else 2
        number += 1
    return names


def read_densenet(values: Mapping[str, Any]) -> PublicWeights:
    """DenseNet-121, 161, 169 and 201."""
    fields = DENSENETS[values["architecture"]]
    rename = _renamer(
        {
            r"features\.conv0": "densenet.stages.0.convolution",
            r"features\.norm0": "densenet.stages.0.norm_activation.norm",
            r"features\.denseblock(\d+)\.denselayer(\d+)\.(norm|conv)([12])": _dense_layer,
            r"features\.transition(\d+)\.norm": r"densenet.stages.\1.norm_activation.norm",
            r"features\.transition(\d+)\.conv": lambda match: f"densenet.stages.{int(match[1]) + 1}.transition.0",
            r"features\.norm5": "densenet.stages.4.norm_activation.norm",
            r"classifier": "classifier",
        }
    )
    return PublicWeights("tsugiki_densenet", TASK, {**_fields(values), **fields}, rename, processor(values))


def _dense_layer(match: re.Match[str]) -> str:
    block, layer, kind, number = match.groups()
    part = "bottleneck" if number == "1" else "growth"
    module = "norm_activation.norm" if kind == "norm" else "convolution"
    return f"densenet.stages.{block}.layers.{int(layer) - 1}.{part}.{module}"


def read_resnet(values: Mapping[str, Any]) -> PublicWeights:
    """ResNet-18 to 152, as transformers' ResNet; both have the stride of a bottleneck in its 3x3 convolution."""
    layer_type, depths = RESNETS[values["architecture"]]
    fields = {
        "layer_type": layer_type,
        "depths": depths,
        "hidden_sizes": RESNET_CHANNELS[layer_type],
        "downsample_in_bottleneck": False,
    }
    rename = _renamer(
        {
            r"conv1": "resnet.embedder.embedder.convolution",
            r"bn1": "resnet.embedder.embedder.normalization",
            r"layer(\d+)\.(\d+)\.(conv|bn)([123])": _residual_layer,
            r"layer(\d+)\.(\d+)\.downsample\.([01])": _residual_shortcut,
            r"fc": "classifier.1",
        }
    )
    return PublicWeights("resnet", TASK, {**_fields(values, sized=False), **fields}, rename, processor(values))


def _residual_layer(match: re.Match[str]) -> str:
    stage, block, kind, number = match.groups()
    module = "convolution" if kind == "conv" else "normalization"
    return f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}.layer.{int(number) - 1}.{module}"


def _residual_shortcut(match: re.Match[str]) -> str:
    stage, block, number = match.groups()
    module = "convolution" if number == "0" else "normalization"
    return f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}.shortcut.{module}"


def read_inception_v3(values: Mapping[str, Any]) -> PublicWeights:
    """Inception-v3, without the auxiliary classifier that some files hold: it serves only in training."""
    rename = _renamer(
        {
            r"Conv2d_(\d\w_\dx\d)\.(conv|bn)": _inception_stem,
            r"Mixed_([567])([a-e])\.branch(_pool|[\dx]+(?:dbl)?)(?:_(\d)([ab])?)?\.(conv|bn)": _inception_branch,
            r"fc": "classifier",
        }
    )
    return PublicWeights(
        "tsugiki_inception_v3", TASK, _fields(values), rename, processor(values), left_out=("AuxLogits.",)
    )


def _inception_stem(match: re.Match[str]) -> str:
    layer, part = match.groups()
    return f"inception_v3.stages.0.{INCEPTION_STEM[layer]}.{int(part == 'bn')}" if layer in INCEPTION_STEM else ""


def _inception_branch(match: re.Match[str]) -> str:
    grid, letter, branch, number, fork, part = match.groups()
    branches = INCEPTION_BRANCHES.get(grid + letter, INCEPTION_BRANCHES[grid])
    block = INCEPTION_BLOCKS[grid].find(letter)
    if branch not in branches or block < 0:
        return ""
    layer = 1 if branch == "_pool" else int(number or 1) - 1  # the mean comes first
    ends = f".{'ab'.index(fork)}.0" if fork else ""
    path = f"{int(grid) - 4}.{block}.{branches.index(branch)}.{layer}{ends}"
    return f"inception_v3.stages.{path}.{int(part == 'bn')}"


def read_mobilenet(values: Mapping[str, Any]) -> PublicWeights:
    """MobileNet v1. timm pads both sides alike and has the usual epsilon, unlike the first weights in TensorFlow."""
    fields = {
        "width_multiplier": MOBILENET_WIDTHS[values["architecture"]],
        "activation": "relu6",
        "tf_padding": False,
        "norm_eps": 1e-5,
    }
    rename = _renamer(
        {
            r"conv_stem": "mobilenet.stages.0.convolution",
            r"bn1": "mobilenet.stages.0.norm",
            r"blocks\.(\d+)\.(\d+)\.(conv_dw|bn1|conv_pw|bn2)": _separable_block,
            r"classifier": "classifier",
        }
    )
    return PublicWeights("tsugiki_mobilenet", TASK, {**_fields(values), **fields}, rename, processor(values))


def _separable_block(match: re.Match[str]) -> str:
    stage, block, module = match.groups()
    part = "depthwise" if module in ("conv_dw", "bn1") else "pointwise"
    return f"mobilenet.stages.{int(stage) + 1}.{block}.{part}.{'norm' if module.startswith('bn') else 'convolution'}"


def _renamer(rules: Mapping[str, Replacement]) -> Callable[[str], str | None]:
    """Make the function from timm's name of a tensor to ours, by patterns of module names; None where none matches."""
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules.items()]

    def rename(stored: str) -> str | None:
        tensor = re.search(_TENSOR, stored)
        module = stored[: tensor.start()] if tensor else ""
        for pattern, replacement in compiled:
            if tensor and (match := pattern.fullmatch(module)):
                name = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
                return f"{name}.{tensor[1]}" if name else None
        return None

    return rename


def _fields(values: Mapping[str, Any], *, sized: bool = True) -> dict[str, Any]:
    """The fields that every config has: labels, channels, size. What would change the network otherwise is refused."""
    arguments = values.get("model_args") or {}
    if not isinstance(arguments, Mapping):
        raise ValueError(f"model_args must be an object, not {arguments!r}.")
    if others := [name for name in arguments if name not in PLAIN_ARGUMENTS]:
        raise ValueError(f"model_args {others[0]!r} changes the architecture, and only the plain one is read.")
    values = {**values, **arguments}
    for name, wanted in (("in_chans", CHANNELS), ("global_pool", "avg")):
        if values.get(name, wanted) != wanted:
            raise ValueError(f"{name} must be {wanted!r}, not {values[name]!r}.")
    cfg = _pretrained(values)
    labels = values.get("num_classes", cfg.get("num_classes"))
    if not _is_count(labels):
        raise ValueError(f"num_classes must be at least 1, not {labels!r}: weights without a classifier are not read.")
    fields: dict[str, Any] = {"num_channels": CHANNELS}
    if sized:
        fields["image_size"] = _size(cfg)
    names = values.get("label_names", cfg.get("label_names"))
    if isinstance(names, list) and len(names) == labels:
        described = values.get("label_descriptions", cfg.get("label_descriptions"))
        described = described if isinstance(described, Mapping) else {}
        fields["id2label"] = {index: str(described.get(name, name)) for index, name in enumerate(names)}
        fields["label2id"] = {label: index for index, label in fields["id2label"].items()}
    else:
        fields["num_labels"] = labels
    return fields


def processor(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `ColorImageProcessor` that prepares pictures as timm does for evaluation.

    The shorter side is resized to ``floor(size / crop_pct)`` pixels, with ``crop_mode: squash`` both sides; then the
    middle is cut out.

    Args:
        values: timm's config; how pictures are prepared stands in its ``pretrained_cfg``.

    Raises:
        ValueError: A field is not what timm writes, or asks for a preparation that is not known here.
    """
    cfg = _pretrained(values)
    size = _size(cfg)
    crop_pct = cfg.get("crop_pct", 0.875)
    if not isinstance(crop_pct, int | float) or not 0 < crop_pct <= 1:
        raise ValueError(f"crop_pct must be above 0 and at most 1, not {crop_pct!r}.")
    crop_mode, interpolation = cfg.get("crop_mode", "center"), cfg.get("interpolation", "bicubic")
    if crop_mode not in ("center", "squash") or interpolation not in FILTERS:
        raise ValueError(
            f"crop_mode {crop_mode!r} with interpolation {interpolation!r} is not known: "
            f"'center' and 'squash' are, with {', '.join(FILTERS)}."
        )
    resized = math.floor(size / crop_pct)
    return {
        "do_resize": True,
        "size": {"shortest_edge": resized} if crop_mode == "center" else {"height": resized, "width": resized},
        "resample": FILTERS[interpolation],
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": _three(cfg, "mean", IMAGENET_MEAN),
        "image_std": _three(cfg, "std", IMAGENET_STD),
    }


def _pretrained(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ``pretrained_cfg``; in the oldest files its fields stand beside the architecture."""
    cfg = values.get("pretrained_cfg", values)
    if not isinstance(cfg, Mapping):
        raise ValueError(f"pretrained_cfg must be an object, not {cfg!r}.")
    return cfg


def _size(cfg: Mapping[str, Any]) -> int:
    """Pixels a side of the square colour picture that the network takes."""
    shape = cfg.get("input_size")
    if not isinstance(shape, list) or shape != [CHANNELS, *shape[1:2] * 2] or not _is_count(shape[-1]):
        raise ValueError(f"input_size must be [{CHANNELS}, size, size], not {shape!r}.")
    return shape[-1]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _three(cfg: Mapping[str, Any], name: str, default: list[float]) -> list[float]:
    values = cfg.get(name, default)
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(value, int | float) for value in values):
        raise ValueError(f"{name} must be three numbers, not {values!r}.")
    if name == "std" and min(values) <= 0:
        raise ValueError(f"std must be above 0, not {values!r}.")
    return values
