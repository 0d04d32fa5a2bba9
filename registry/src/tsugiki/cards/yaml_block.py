"""YAML between two lines of ``---`` at the beginning of a text, as the Hub reads it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..errors import CardError

BLOCK = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is much faster


def parse_front_matter(front_matter: str, file: str = "README.md") -> dict[str, Any]:
    """The front matter of a file as plain data.

    Raises:
        CardError: It is not a YAML mapping.
    """
    try:
        data = yaml.load(front_matter, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise CardError(f"the front matter of {file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise CardError(f"the front matter of {file} is not a YAML mapping")
    return data
