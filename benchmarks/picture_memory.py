"""How much memory large photographs cost, decoded one after the other or many at once.

    python benchmarks/picture_memory.py [--counts 64 512] [--megapixels 12] [--model resnet20-cifar10]

Makes photographs in two class folders, then fine-tunes a head on them and predicts on them, each in a process of its
own. Prints the peak of memory above that of the process with its model loaded, the wall time, and what the fine-tuning
estimated. `--before` does the same with as many pictures held decoded as a processor (512) or a batch (64) takes, as
it was once: some 80 MB for each photograph of 12 megapixels.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import json, sys, time
import tsugiki, tsugiki.images
from tsugiki.cli.predict import Answering
from tsugiki.cli.sources import find_inputs
from tsugiki.transfer.finetune import finetune
what, name, data, output, before = sys.argv[1:]
if before == "True":
    tsugiki.images.PIXELS_AT_ONCE = 10**15
def memory(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
tsugiki.load(name)
start, started, estimate = memory("VmRSS:"), time.perf_counter(), None
if what == "finetune":
    result = finetune(name, data, output_dir=output, depth="head", progress=False)
    estimate = result.report.estimate.memory_bytes
else:
    answering = Answering.open(name)
    batches = answering.answers(answering.inputs(find_inputs([data])), top_k=1, batch_size=64)
    assert not any(one.error for batch in batches for one in batch)
print(json.dumps([memory("VmHWM:") - start, time.perf_counter() - started, estimate]))
"""
DISTINCT = 8  # photographs that are drawn; the rest are copies


def make_photographs(folder: Path, count: int, megapixels: float) -> None:
    """Noise under a frame of one of two colours, as JPEG files of two classes."""
    import numpy as np
    from PIL import Image

    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    generator = np.random.default_rng(0)
    for number in range(count):
        kind = ("red", "blue")[number % 2]
        file = folder / kind / f"{number:04d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        if number < DISTINCT:
            noise = generator.integers(0, 256, (30, 40, 3), dtype=np.uint8)
            noise[5:25, 5:35, 0 if kind == "red" else 2] = 255
            Image.fromarray(noise).resize((height * 4 // 3, height)).save(file, quality=90)
        else:
            file.write_bytes((folder / kind / f"{number % DISTINCT:04d}.jpg").read_bytes())


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[64, 512], help="photographs (64 512)")
    parser.add_argument("--megapixels", type=float, default=12, help="of each (12)")
    parser.add_argument("--model", default="resnet20-cifar10", help="the model (resnet20-cifar10)")
    parser.add_argument("--before", action="store_true", help="hold many pictures decoded at once")
    options = parser.parse_args()
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder, "photographs")
            make_photographs(data, count, options.megapixels)
            for what in ("finetune", "predict"):
                words = [what, options.model, str(data), str(Path(folder, "out")), str(options.before)]
                environment = {**os.environ, "TSUGIKI_CACHE": str(Path(folder, "cache"))}
                run = subprocess.run(
                    [sys.executable, "-c", CHILD, *words], check=True, capture_output=True, text=True, env=environment
                )
                peak, seconds, estimate = json.loads(run.stdout.splitlines()[-1])
                said = "" if estimate is None else f", estimated {estimate / 1e6:,.0f} MB"
                print(f"{what:<9} {count:>4} photographs: peak {peak / 1e6:,.0f} MB{said}, {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
