"""transformers' own common tests, as the package ``transformers_tests``, from an unpacked source distribution.

`nox -s peers` fetches that of the installed version. It leaves out the tests of single models and parts that the common
ones derive from; those parts stand here empty, and are tests of ours elsewhere.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

VARIABLE = "TSUGIKI_PEERS"
PACKAGE = "transformers_tests"
# Module -> what the common tests take from it. The kwargs are fields that every config takes.
LEFT_OUT = {
    "exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
    "generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
    "utils.test_configuration_utils": {
        "config_common_kwargs": {
            "return_dict": False,
            "output_hidden_states": True,
            "output_attentions": True,
            "dtype": "float16",
            "chunk_size_feed_forward": 5,
            "architectures": ["OneModel"],
            "id2label": {0: "no", 1: "yes"},
            "label2id": {"no": 0, "yes": 1},
            "problem_type": "regression",
        }
    },
}


def load(name: str) -> ModuleType:
    """A module of transformers' tests, by its file's name."""
    if PACKAGE not in sys.modules:
        folder = Path(os.environ[VARIABLE])
        (folder / "tests" / "__init__.py").touch()
        _module(PACKAGE, [str(folder / "tests")])
        for path, members in LEFT_OUT.items():
            _module(f"{PACKAGE}.{path.partition('.')[0]}", [])
            vars(_module(f"{PACKAGE}.{path}", [])).update(members)
        # Where they keep pictures and sounds of the Hub; no test that runs offline opens one.
        _module("fetch_hub_objects_for_ci", []).url_to_local_path = lambda url: url
    return importlib.import_module(f"{PACKAGE}.{name}")


def _module(name: str, path: list[str]) -> ModuleType:
    module = ModuleType(name)
    module.__path__ = path
    sys.modules[name] = module
    return module
