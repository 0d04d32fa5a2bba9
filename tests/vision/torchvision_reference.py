"""torchvision and timm as references beside a torch without CUDA, for which torchvision has no build.

Their Python packages lie in a folder of their own, named by `TSUGIKI_REFERENCE` (`pip install --no-deps --target`): on
the import path of everything, transformers would import torchvision and fail. The schemas of its compiled operators are
declared here, which is all that importing its networks needs.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest
import torch
import transformers.image_utils
import transformers.modeling_utils  # noqa: F401  # asks whether torchvision is there, before it is

_INT_PAIR = "SymInt pooled_height, SymInt pooled_width"
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    f"roi_align(Tensor input, Tensor rois, float scale, {_INT_PAIR}, int ratio, bool aligned) -> Tensor",
    f"qroi_align(Tensor input, Tensor rois, float scale, {_INT_PAIR}, int ratio, bool aligned) -> Tensor",
    f"roi_pool(Tensor input, Tensor rois, float scale, {_INT_PAIR}) -> (Tensor, Tensor)",
    f"ps_roi_align(Tensor input, Tensor rois, float scale, {_INT_PAIR}, int ratio) -> (Tensor, Tensor)",
    f"ps_roi_pool(Tensor input, Tensor rois, float scale, {_INT_PAIR}) -> (Tensor, Tensor)",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias) -> Tensor",
    "_roi_align_backward(Tensor gradient) -> Tensor",
    "_roi_pool_backward(Tensor gradient) -> Tensor",
    "_ps_roi_align_backward(Tensor gradient) -> Tensor",
    "_ps_roi_pool_backward(Tensor gradient) -> Tensor",
    "_deform_conv2d_backward(Tensor gradient) -> Tensor",
)
_libraries: list[torch.library.Library] = []  # a schema lives as long as its library


@functools.cache
def _import(name: str) -> ModuleType | None:
    folder = os.environ.get("TSUGIKI_REFERENCE")
    if not folder or not Path(folder).is_dir():
        return None
    if not _libraries:
        _libraries.append(torch.library.Library("torchvision", "DEF"))
        for schema in SCHEMAS:
            _libraries[0].define(schema)
    sys.path.append(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def reference(name: str) -> ModuleType:
    """A module of the reference folder; the test is skipped where there is none."""
    module = _import(name)
    if module is None:
        pytest.skip(f"{name} is compared with where TSUGIKI_REFERENCE names a folder that holds it")
    return module


def torchvision_models() -> ModuleType:
    """`torchvision.models`."""
    return reference("torchvision.models")


def timm() -> ModuleType:
    """`timm`; torchvision is imported first, for timm's own imports."""
    reference("torchvision")
    return reference("timm")
