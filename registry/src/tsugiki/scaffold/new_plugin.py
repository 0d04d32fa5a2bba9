"""Writes the files under `template/` with a plugin's names set in, whole or not at all.

Template files end in ``.tmpl`` and hold ``${name}`` and its like; words in capitals in their paths are replaced too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from ..errors import OptionError, OutputError
from ..first_party import CHECKPOINTS, FAMILIES, TASKS
from ..output import atomic_folder
from ..registry import registry
from ..shared_tasks import SHARED_TASKS

FIRST_PARTY = frozenset({"vision", "detection", "face", "embeddings", "seq2seq", "speech", "compression", "games"})
LONGEST = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")
_SUFFIX = ".tmpl"


@dataclass(frozen=True)
class Written:
    """A plugin that was written.

    Attributes:
        path: Its folder.
        files: Its files, relative to the folder.
    """

    path: Path
    files: list[Path]


def new_plugin(name: str, directory: str | Path | None = None) -> Written:
    """Write a plugin that can be installed.

    Args:
        name: The plugin's name, such as ``leaves``; package, classes and family are called after it.
        directory: The folder to write; by default ``tsugiki-<name>`` in the current one.

    Returns:
        What was written.

    Raises:
        OptionError: The name is bad, or belongs to the project or to an installed plugin.
        OutputError: The folder exists and is not empty, or cannot be written.
    """
    _check_name(name)
    names = names_of(name)
    output = Path(directory) if directory is not None else Path(names["distribution"])
    files = []
    try:
        with atomic_folder(output) as partial:
            for path, text in _rendered(names):
                target = partial / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8", newline="\n")
                files.append(path)
    except OSError as error:
        raise OutputError(f"cannot write {output}: {error.strerror or error}") from error
    return Written(output, sorted(files))


def names_of(name: str) -> dict[str, str]:
    """Everything that is called after a plugin, by placeholder.

    Args:
        name: The plugin's name, such as ``fallen-leaves``.

    Returns:
        Among them ``package`` (``tsugiki_fallen_leaves``), ``family`` (``fallen-leaves-net``) and ``class_name``
        (``FallenLeavesNet``).
    """
    family = name if name.endswith("net") else f"{name}-net"
    version = metadata.version("tsugiki").split(".")
    major, minor = int(version[0]), int(version[1])
    return {
        "name": name,
        "distribution": f"tsugiki-{name}",
        "package": f"tsugiki_{name.replace('-', '_')}",
        "family": family,
        "module": family.replace("-", "_"),
        "model_type": f"tsugiki_{family.replace('-', '_')}",
        "class_name": "".join(part.capitalize() for part in family.split("-")),
        "checkpoint": f"{family}-fashion",
        "core": f">={major}.{minor},<{major}.{minor + 1}",
    }


def _check_name(name: str) -> None:
    if not _NAME.match(name) or len(name) > LONGEST:
        raise OptionError(
            f"a plugin's name is made of lower-case letters, digits and single hyphens, begins with a letter and has "
            f"at most {LONGEST} characters; {name!r} is none, try {_nearest_good_name(name)!r}"
        )
    if name in FIRST_PARTY or name == "tsugiki":
        raise OptionError(f"{name!r} is a name of the project's own; choose another, such as 'my-{name}'")
    family = names_of(name)["family"]
    if family in FAMILIES or name in {*SHARED_TASKS, *TASKS, *CHECKPOINTS}:
        raise OptionError(f"{name!r} would clash with the project's own {family!r}; choose another name")
    installed = registry().plugins.get(name)
    if installed is not None:
        raise OptionError(f"a plugin {name!r} is installed ({installed.distribution}); choose another name")


def _nearest_good_name(name: str) -> str:
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST].strip("-")
    return kept if _NAME.match(kept) else "leaves"


def _rendered(names: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """Path and text of every file of the template."""
    for parts, source in _walk(resources.files("tsugiki.scaffold") / "template"):
        path = "/".join(parts).removesuffix(_SUFFIX)
        for word in ("PACKAGE", "MODULE", "CHECKPOINT"):
            path = path.replace(word, names[word.lower()])
        yield Path(path), Template(source.read_text(encoding="utf-8")).substitute(names)


def _walk(folder: Traversable, parts: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _walk(item, (*parts, item.name))
        elif item.name.endswith(_SUFFIX):
            yield (*parts, item.name), item
