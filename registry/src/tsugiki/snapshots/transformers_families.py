"""Families that no plugin declares: the architectures that transformers itself has, found by their ``model_type``.

Such a family behaves like one of a plugin whose classes are transformers' own. Its models are those of the Auto
classes; where they are cut is found from their modules, see `tsugiki.snapshots.module_tree`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..plugin import Family
from ..registry import RegisteredFamily, registry
from .auto_classes import AUTO_CLASSES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TRANSFORMERS = "transformers"


def known_family(model_type: str, *, model_class: str = "", task: str = "") -> RegisteredFamily | None:
    """The family of a ``model_type``: an installed plugin's, else transformers' own, else None.

    A plugin may declare a part of what transformers has for an architecture, as BERT for filling masks. Asked for a
    model that the plugin leaves out, this is transformers' own family.

    Args:
        model_type: Of a config.
        model_class: Name of the model class that is wanted, where it is known.
        task: Key of the models that is wanted, where it is known.

    Raises:
        AmbiguousNameError: Two plugins claim the `model_type`.
    """
    declared = registry().family_of_model_type(model_type)
    if declared is not None and (not declared.declaration.is_builtin or _has(declared, model_class, task)):
        return declared
    found = transformers_family(model_type, model_class)
    return found if found is not None and (declared is None or _has(found, model_class, task)) else declared


def family_of_model(model: PreTrainedModel) -> RegisteredFamily | None:
    """The family of a model, as `known_family` finds it."""
    return known_family(model.config.model_type, model_class=type(model).__name__)


def key_of(family: RegisteredFamily, model_class: str) -> str:
    """The key of a family's models under which a class stands; empty where it is none of them."""
    models = family.declaration.models
    return next((key for key, reference in models.items() if reference.partition(":")[2] == model_class), "")


def is_found(family: RegisteredFamily) -> bool:
    """Whether a family is declared by no plugin, so that its models say themselves where they are cut."""
    return family.plugin_name == TRANSFORMERS


@cache
def transformers_family(model_type: str, model_class: str = "") -> RegisteredFamily | None:
    """The family that transformers itself has for a ``model_type``, or None.

    Args:
        model_type: Of a config.
        model_class: The class to take where an Auto class has several for the architecture; the first by default.
    """
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if model_type not in CONFIG_MAPPING_NAMES:
        return None
    models: dict[str, str] = {}
    for auto_class in dict.fromkeys(AUTO_CLASSES.values()):
        key = next(key for key, name in AUTO_CLASSES.items() if name == auto_class)
        # Names alone: the mapping of classes imports each one's module when it is asked.
        named = getattr(transformers, auto_class)._model_mapping._model_mapping.get(model_type, ())
        names = (named,) if isinstance(named, str) else tuple(named)
        if names:
            models[key] = f"transformers:{model_class if model_class in names else names[0]}"
    if not models:
        return None
    declaration = Family(
        model_type.lower(),
        config=f"transformers:{CONFIG_MAPPING_NAMES[model_type]}",
        models=models,
        model_type=model_type,
        head="",
    )
    return RegisteredFamily(declaration, TRANSFORMERS, TRANSFORMERS)


def _has(family: RegisteredFamily, model_class: str, task: str) -> bool:
    return (not model_class or bool(key_of(family, model_class))) and (not task or task in family.declaration.models)
