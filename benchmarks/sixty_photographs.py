"""From sixty photographs with boxes to a detector of one's own: the commands, the minutes, the figure on twenty others.

    python benchmarks/sixty_photographs.py [--base yolo-bccd] [--formats coco voc yolo] [--keep FOLDER]

Sixty photographs of raccoons (`tsugiki/raccoon`, training part) are written with their boxes in each format, and
`tsugiki finetune BASE FOLDER --output-dir mine` runs on them as a person would run it; then `tsugiki predict mine`
marks twenty photographs of the validation part, and `tsugiki evaluate` measures them. The base has seen no animal.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from datasets import Dataset, DatasetDict
from tsugiki.data.load_data import load_split
from tsugiki_detection.annotations.convert_command import convert

DATA = "tsugiki/raccoon"
LEARNT, MEASURED = 60, 20
FORMATS = ("coco", "voc", "yolo")


def some(split: str, rows: int) -> Dataset:
    """So many photographs, drawn."""
    return load_split(DATA, split).shuffle(seed=0).select(range(rows)).flatten_indices()


def run(*words: str) -> tuple[str, float]:
    """What a command prints, and its minutes."""
    print("$ tsugiki " + " ".join(words), flush=True)
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "tsugiki", *words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout, (time.perf_counter() - began) / 60


def main() -> None:
    """Write, fine-tune, mark, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="yolo-bccd")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--keep", metavar="FOLDER", help="a new folder for everything that is made")
    parser.add_argument("--steps", type=int, help="of each training, for a trial of the commands")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        folder.mkdir(exist_ok=True)
        DatasetDict({"train": some("train", LEARNT)}).save_to_disk(folder / "sixty")
        DatasetDict({"test": some("validation", MEASURED)}).save_to_disk(folder / "twenty")
        photographs = folder / "photographs"
        photographs.mkdir()
        for number, row in enumerate(some("validation", MEASURED)):
            row["image"].convert("RGB").save(photographs / f"{number}.jpg")
        for name in options.formats:
            data, mine = str(folder / f"raccoons-{name}"), str(folder / f"mine-{name}")
            convert(str(folder / "sixty"), data, name)
            short = [] if options.steps is None else ["--max-steps", str(options.steps)]
            report, minutes = run("finetune", options.base, data, "--output-dir", mine, *short)
            print(report)
            marked = str(folder / f"marked-{name}")
            _, shown = run("predict", mine, str(photographs), "--output-dir", marked, "--csv", f"{marked}.csv")
            figures, _ = run("evaluate", mine, str(folder / "twenty"), "--json")
            print(f"{name}: {minutes:.1f} minutes to the snapshot, {shown:.1f} to the marked photographs")
            print(json.dumps(json.loads(figures), indent=1)[:2000], flush=True)


if __name__ == "__main__":
    main()
