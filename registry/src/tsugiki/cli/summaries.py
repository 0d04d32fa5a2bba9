"""The first line of a command's docstring, read from its file: nothing is imported for it."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path


def summary_of(reference: str) -> str:
    """The first line of the docstring of ``"package.module:function"``; empty where it has none or no file is found.

    Of the package itself only its place is looked up: a module of it may import anything.
    """
    module, _, name = reference.partition(":")
    package, *inner = module.split(".")
    try:
        spec = find_spec(package)
        if spec is None:
            return ""
        roots = spec.submodule_search_locations or ()
        files = [Path(root, *inner).with_suffix(".py") for root in roots] if inner else [Path(spec.origin or "")]
        body = ast.parse(next(file for file in files if file.is_file()).read_bytes()).body
    except (ImportError, OSError, StopIteration, SyntaxError, ValueError):
        return ""  # it is told when the command is used
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""
