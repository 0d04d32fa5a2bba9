"""Kills two trainings and four fine-tunings at every one of their file operations, and lets each continue.

    python -m tests.registry.every_kill [train|method|pictures|stopping|texts|spots ...] [--every N]

What a run that was killed and started again leaves must equal what an undisturbed one does, byte for byte. Every run is
a fork of this process, with a clock that stands still and memory that nobody measures, so that such figures are equal
too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest.mock import patch

import datasets
import torch
import tsugiki
import yaml
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from tsugiki.cache_root import FOLDER_VARIABLE
from tsugiki.durations import Stopwatch
from tsugiki.errors import OutputError
from tsugiki.output import partial_path
from tsugiki.recipes.train_recipe import train
from tsugiki.tasks.text_classification import TextClassification
from tsugiki.transfer.cache import FeatureCache

from . import transfer_data
from .kills import KILLED, contents, in_fork, killed_at
from .stripes_recipe import write_method_recipe, write_recipe
from .tiny_snapshots import write_snapshot, write_spots
from .toy_alone import toy_alone

SECONDS = 100.0  # by the clock that stands still: long enough for checkpoints to be worth their while
Run = Callable[[Path], object]


def train_recipe(given: Path) -> Run:
    """`tsugiki train` of two seeds."""
    recipe = write_recipe(given)
    fields = yaml.safe_load((recipe / "recipe.yaml").read_text())
    fields["training"]["num_train_epochs"] = 2
    (recipe / "recipe.yaml").write_text(yaml.safe_dump(fields))
    return lambda output: train(recipe, output_dir=output, progress=False)


def train_by_method(given: Path) -> Run:
    """`tsugiki train` by a method of a plugin that has two phases."""
    recipe = write_method_recipe(given)
    return lambda output: train(recipe, output_dir=output, progress=False)


def finetune_pictures(given: Path) -> Run:
    """`tsugiki finetune` of pictures, two epochs at one learning rate."""
    base = write_snapshot(given / "base")
    data = datasets.DatasetDict(train=transfer_data.dataset(4), test=transfer_data.dataset(2, seed=1))
    options = {"max_steps": 4, "per_device_train_batch_size": 8, "learning_rate": 1e-3, "augmentation": False}
    return lambda output: tsugiki.finetune(base, data, output_dir=output, depth=1, progress=False, **options)


def stop_early(given: Path) -> Run:
    """`tsugiki finetune` of pictures that stops when rows held out are no better, after three epochs at most."""
    base = write_snapshot(given / "base")
    data = datasets.DatasetDict(train=transfer_data.dataset(12), test=transfer_data.dataset(2, seed=1))
    options = {"num_train_epochs": 3, "per_device_train_batch_size": 8, "learning_rate": 1e-3}
    options |= {"augmentation": False, "early_stopping_patience": 1}
    return lambda output: tsugiki.finetune(base, data, output_dir=output, depth=1, progress=False, **options)


def finetune_texts(given: Path) -> Run:
    """`tsugiki finetune` of texts, at three learning rates and then at the best."""
    texts = [f"{'good' if row % 2 else 'bad'} {'xyz'[row % 3]} {'ab'[row // 5 % 2]}" for row in range(24)]
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = datasets.Dataset.from_dict({"text": texts, "label": [row % 2 for row in range(24)]}, features=features)
    data = datasets.DatasetDict(train=rows.select(range(16)), test=rows.select(range(16, 24)))
    tokenizer = word_tokenizer(texts)
    torch.manual_seed(0)
    fields = {"vocab_size": len(tokenizer), **TextClassification().config_fields(["old", "new", "none"])}
    model = tsugiki.create_model("words", "text-classification", **fields)
    for part in (model, tokenizer):
        part.save_pretrained(given / "base")
    options = {"max_steps": 2, "per_device_train_batch_size": 8}
    return lambda output: tsugiki.finetune(
        given / "base", data, output_dir=output, depth="all", progress=False, **options
    )


def finetune_spots(given: Path) -> Run:
    """`tsugiki finetune` by the loss alone, of labels that differ in length by row, at a depth that trials choose."""
    base = write_spots(given / "base")
    data = transfer_data.spots(24)
    options = {"max_steps": 4, "per_device_train_batch_size": 8, "learning_rate": 1e-3}
    return lambda output: tsugiki.finetune(base, data, output_dir=output, depth="auto", progress=False, **options)


def word_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of the words of some texts."""
    words = sorted({word for text in texts for word in text.split()})
    made = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(["[PAD]", "[UNK]", *words])}, "[UNK]")
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]")


COMMANDS = {
    "train": train_recipe,
    "method": train_by_method,
    "pictures": finetune_pictures,
    "stopping": stop_early,
    "texts": finetune_texts,
    "spots": finetune_spots,
}


class Killer:
    """One command, whose undisturbed run is known, to be killed and started again.

    Args:
        name: Of the command.
        folder: Where to work.
    """

    def __init__(self, name: str, folder: Path) -> None:
        given = folder / "given"
        given.mkdir(parents=True)
        os.environ["TSUGIKI_DATASETS"] = str(given / "mirror")
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        self.folder = folder
        run = COMMANDS[name](given)

        def quick(output: Path) -> None:
            os.environ[FOLDER_VARIABLE] = str(output.parent / "cache")
            FeatureCache.default().forget()
            clock = patch.object(Stopwatch, "seconds", property(lambda self: SECONDS))
            memory = [patch(f"tsugiki.transfer.{name}.peak_memory", lambda: 0) for name in ("splits", "loss_splits")]
            with clock, memory[0], memory[1]:
                run(output)

        self.run = quick
        self.run(folder / "warm" / "model")  # what is imported, read and cached once
        status, self.operations = killed_at(None, self._root("whole"), lambda: self.run(folder / "whole" / "model"))
        assert status == 0, f"{name} fails"
        self.whole = contents(folder / "whole" / "model")
        assert not partial_path(folder / "whole" / "model").exists()

    def _root(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    def fault_at(self, number: int) -> str:
        """What is wrong after a kill at an operation and a second start; empty where nothing is."""
        root = self._root(f"kill-{number}")
        output = root / "model"
        status, _ = killed_at(number, root, lambda: self.run(output))
        if status != KILLED:
            return f"was not killed (status {status})"
        is_whole = output.exists()
        if is_whole and contents(output) != self.whole:
            return "was seen unfinished"
        status, _ = in_fork(lambda: self.run(output))
        if status and not (is_whole and not partial_path(output).exists()):
            return "does not continue"
        found = contents(output)
        different = sorted(name for name in {*found, *self.whole} if found.get(name) != self.whole.get(name))
        if different:
            return f"has other files: {', '.join(different)}"
        if left := sorted(path.name for path in root.iterdir() if path.name not in ("model", "cache")):
            return f"leaves {', '.join(left)}"
        shutil.rmtree(root)
        return ""

    def starts_again(self) -> str:
        """What is wrong when the finished run is started again; empty where nothing is."""
        output = self.folder / "whole" / "model"

        def stamps() -> dict[str, int]:
            return {str(path): path.stat().st_mtime_ns for path in output.parent.rglob("*")}

        before = stamps()
        try:
            self.run(output)
        except OutputError:
            return "" if stamps() == before else "wrote something"
        return "was done again"


def main() -> int:
    """Print every fault, and how many kills were tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", choices=[[], *COMMANDS], default=[])
    parser.add_argument("--every", type=int, default=1, help="Only every Nth operation.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    faults = 0
    for name in given.commands or COMMANDS:
        with tempfile.TemporaryDirectory() as site, tempfile.TemporaryDirectory() as folder, toy_alone(Path(site)):
            killer = Killer(name, Path(folder))
            numbers = range(0, killer.operations, given.every)
            found = {number: fault for number in numbers if (fault := killer.fault_at(number))}
            again = killer.starts_again()
        for number, fault in found.items():
            print(f"{name}: killed at operation {number}, it {fault}")
        print(
            f"{name}: {len(numbers)} kills at {killer.operations} file operations, {len(found)} with a fault; ", end=""
        )
        print(f"finished and started again, it {again or 'writes nothing'}", flush=True)
        faults += len(found) + bool(again)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
