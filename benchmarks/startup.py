"""How long the command line takes to start, against the imports it cannot do without.

    python benchmarks/startup.py [--runs 5]

Prints the median wall time of `tsugiki list` against `import torch`, and of `tsugiki predict NAME FILE` against
`from transformers import PreTrainedModel`, each in processes of its own that take turns, and what `tsugiki list` has
imported.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL = "lenet5-mnist"
COMMAND = "import sys; from tsugiki.cli import main; sys.exit(main(sys.argv[1:]))"
HEAVY = ("torch", "transformers", "numpy", "datasets", "sklearn", "matplotlib")


def seconds(code: str, *arguments: str) -> float:
    """Wall time of one fresh interpreter that runs `code`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def compare(title: str, ours: tuple[str, ...], against: str, runs: int) -> None:
    """Print the medians of `runs` runs of both, in turns, and their ratio."""
    pairs = [(seconds(COMMAND, *ours), seconds(against)) for _ in range(runs)]
    mine, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"tsugiki {title:<28} {mine:6.3f} s")
    print(f"{against:<36} {theirs:6.3f} s")
    print(f"{'ratio':<36} {mine / theirs:6.3f}\n")


def imported_by_list() -> list[str]:
    """The heavy packages in `sys.modules` after `tsugiki list`."""
    code = (
        "import contextlib, io, sys; from tsugiki.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(['list'])\n"
        f"print(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def example_model(folder: Path) -> str:
    """The checkpoint to predict with: the installed one, else the same network with fresh weights."""
    from tsugiki import create_model, list_models
    from tsugiki.registry import registry

    if any(info.name == MODEL for info in list_models()):
        return MODEL
    create_model("lenet", num_labels=10).save_pretrained(folder / "model")
    registry().family("lenet").processor_class()().save_pretrained(folder / "model")
    return str(folder / "model")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each side (5)")
    runs = parser.parse_args().runs
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "picture.png")
        Image.new("L", (28, 28), 128).save(picture)
        model = example_model(Path(folder))
        compare("list", ("list",), "import torch", runs)
        compare("predict NAME FILE", ("predict", model, str(picture)), "from transformers import PreTrainedModel", runs)
    print(f"heavy packages imported by `tsugiki list`: {', '.join(imported_by_list()) or 'none'}")


if __name__ == "__main__":
    main()
