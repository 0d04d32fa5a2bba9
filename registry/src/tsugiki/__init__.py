"""tsugiki: small, installable model plugins for the Hugging Face stack.

Importing this package imports neither torch nor transformers; each name of the public face is imported when used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import TsugikiError
from .plugin import Family, Plugin

if TYPE_CHECKING:
    from .cards.publish import publish
    from .cards.verify import verify
    from .evaluation.evaluate import evaluate
    from .recipes.train_recipe import train
    from .registry import refresh
    from .snapshots.auto_classes import register_all as register
    from .snapshots.listing import ModelInfo, list_models
    from .snapshots.loading import create_model, load, load_processor
    from .snapshots.pipelines import pipeline
    from .transfer.finetune import FinetuneResult, finetune

_LAZY = {
    "FinetuneResult": "transfer.finetune:FinetuneResult",
    "ModelInfo": "snapshots.listing:ModelInfo",
    "create_model": "snapshots.loading:create_model",
    "evaluate": "evaluation.evaluate:evaluate",
    "finetune": "transfer.finetune:finetune",
    "list_models": "snapshots.listing:list_models",
    "load": "snapshots.loading:load",
    "load_processor": "snapshots.loading:load_processor",
    "pipeline": "snapshots.pipelines:pipeline",
    "publish": "cards.publish:publish",
    "refresh": "registry:refresh",
    "register": "snapshots.auto_classes:register_all",
    "train": "recipes.train_recipe:train",
    "verify": "cards.verify:verify",
}

__all__ = [
    "Family",
    "FinetuneResult",
    "ModelInfo",
    "Plugin",
    "TsugikiError",
    "create_model",
    "evaluate",
    "finetune",
    "list_models",
    "load",
    "load_processor",
    "pipeline",
    "publish",
    "refresh",
    "register",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tsugiki")
    if name not in _LAZY:
        raise AttributeError(f"module 'tsugiki' has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    value = getattr(importlib.import_module(f"tsugiki.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY, "__version__"])
