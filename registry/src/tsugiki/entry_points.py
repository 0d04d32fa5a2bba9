"""Entry points of plugins: which are installed and wanted, and the manifest behind one."""

from __future__ import annotations

import importlib.metadata
import os
import re

from .errors import PluginError
from .plugin import Plugin

GROUP = "tsugiki.plugins"
CORE = "tsugiki"


def _check_core_version(distribution: importlib.metadata.Distribution) -> None:
    """Refuse a plugin whose own metadata asks for another version of the core, before anything of it is imported."""
    wanted = [
        requirement
        for requirement in distribution.requires or ()
        if re.match(r"tsugiki(?![\w.-])", requirement, re.IGNORECASE) and "extra ==" not in requirement
    ]
    if not wanted:
        return
    from packaging.requirements import Requirement

    core = importlib.metadata.version(CORE)
    for text in wanted:
        requirement = Requirement(text)
        if not requirement.specifier.contains(core, prereleases=True):
            raise PluginError(
                f"it wants tsugiki{requirement.specifier}, and {core} is installed; "
                f"upgrade {distribution.metadata['Name']} or tsugiki"
            )


def is_allowed(name: str) -> bool:
    """Whether ``TSUGIKI_PLUGINS``, a list of names where it is set, has this plugin."""
    allow_list = os.environ.get("TSUGIKI_PLUGINS")
    if allow_list is None:
        return True
    return name in [item.strip() for item in allow_list.split(",")]


def plugin_entry_points() -> list[tuple[importlib.metadata.EntryPoint, importlib.metadata.Distribution]]:
    """Entry points of the group with their distributions, one per distribution and name, sorted by name."""
    found: dict[tuple[str, str], tuple[importlib.metadata.EntryPoint, importlib.metadata.Distribution]] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        if (distribution := point.dist) is not None:
            found.setdefault((point.name, distribution.metadata["Name"]), (point, distribution))
    return [found[key] for key in sorted(found)]


def load_plugin(point: importlib.metadata.EntryPoint, distribution: importlib.metadata.Distribution) -> Plugin:
    """Import a plugin's manifest; nothing of it where it asks for another version of the core.

    Raises:
        PluginError: It is for another version, or the entry point leads to something else. What the manifest itself
            raises is passed on.
    """
    _check_core_version(distribution)
    plugin = point.load()
    if not isinstance(plugin, Plugin):
        raise PluginError(f"its entry point {point.value!r} is not a tsugiki.Plugin")
    if plugin.name != point.name:
        raise PluginError(f"its entry point is called {point.name!r} and its Plugin {plugin.name!r}")
    return plugin
