"""What is said of data that is nothing like what a base was made for, and that nothing is said of other data."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import transformers
import tsugiki
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from tsugiki.evaluation import task_named
from tsugiki.snapshots.listing import ModelInfo
from tsugiki.snapshots.made_for import MadeFor
from tsugiki.snapshots.provenance import Provenance
from tsugiki.transfer import unlike_base as module
from tsugiki.transfer.installed_bases import InstalledBase
from tsugiki.transfer.options import Options
from tsugiki.transfer.unlike_base import unlike_base

from ..tiny_snapshots import write_snapshot


def photographs(side: int, *, colour: bool, rows: int = 16) -> datasets.Dataset:
    """Noise of a size, the longer side twice as long."""
    generator = np.random.default_rng(0)
    encoded = []
    for _ in range(rows):
        pixels = generator.integers(0, 255, (side, 2 * side, 3)).astype(np.uint8)
        pixels = pixels if colour else pixels.mean(2, keepdims=True).repeat(3, 2).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png")
        encoded.append({"bytes": file.getvalue(), "path": None})
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    return datasets.Dataset.from_dict({"image": encoded, "label": [row % 2 for row in range(rows)]}, features=features)


def processor(channels: int) -> Any:
    """Of pictures of 16 x 16."""
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    return ViTImageProcessorPil(size={"height": 16, "width": 16}, image_mean=[0.5] * channels)


def said(data: datasets.Dataset, processor: Any, task: str = "image-classification") -> list[str]:
    found = task_named(task)
    return unlike_base(data, found.columns(data), found, processor, Options(progress=False))


@pytest.fixture
def bases(monkeypatch):
    def base(name: str, side: int, needs: str | None = None, channels: int = 3) -> InstalledBase:
        info = ModelInfo(name, "vision", None, "image-classification", None, 0, needs=needs)
        return InstalledBase(name, info, MadeFor("pictures", side, side, channels))

    found = [base("grey", 64, channels=1), base("small", 20), base("far", 64, "pip install far"), base("large", 96)]
    monkeypatch.setattr(module, "installed_bases", lambda task, kind: [one for one in found if one.name in names])
    names = {"grey", "small", "far", "large"}
    return names


def test_photographs_many_times_larger_than_the_network_reads_are_named_with_a_base_for_them(bases):
    said_of_them = said(photographs(100, colour=True), processor(3))
    assert said_of_them == [
        "Half of the pictures have 100 pixels or more on their short side, and the base reads 16: it was made for "
        "small pictures, and most of what shows in these is lost. large was made for pictures of 96 x 96."
    ]
    bases.remove("large")
    [sentence] = said(photographs(100, colour=True), processor(3))
    assert sentence.endswith(" far was made for pictures of 64 x 64 (pip install far).")
    bases.clear()
    [sentence] = said(photographs(100, colour=True), processor(3))
    assert sentence.endswith("most of what shows in these is lost.")


def test_pictures_in_colour_are_named_where_the_base_was_made_for_grey_ones(bases):
    [sentence] = said(photographs(20, colour=True), processor(1))
    assert sentence.startswith("Most of the pictures are in colour, and the base was made for grey ones")
    assert sentence.endswith(" small was made for pictures of 20 x 20.")


@pytest.mark.parametrize(("side", "colour", "channels"), [(63, True, 3), (8, True, 3), (63, False, 1), (20, False, 3)])
def test_nothing_is_said_of_pictures_such_as_the_base_was_made_for(side, colour, channels, bases):
    assert said(photographs(side, colour=colour), processor(channels)) == []


def tokenizer(words: list[str], **fields: Any) -> Any:
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(["<unk>", *words])}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", **fields)


def texts(*lines: str) -> datasets.Dataset:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["a", "b"])})
    return datasets.Dataset.from_dict({"text": [*lines], "label": [n % 2 for n in range(len(lines))]}, features)


def test_texts_of_unknown_words_and_texts_that_are_cut_are_told_with_their_shares():
    known = tokenizer(["red", "rose"])
    assert said(texts("red rose red", "rose tulip"), known, "text-classification") == []
    [sentence] = said(texts("rote Rose", "rose rote tulpe"), known, "text-classification")
    assert sentence == (
        "Of the words in the texts, 80 % are unknown to the base, which knows 3: it was made for other texts."
    )
    short = tokenizer(["red", "rose"], model_max_length=2)
    [sentence] = said(texts("red rose red", "red rose", "red red red red"), short, "text-classification")
    assert sentence.startswith("The base reads 2 words of a text at most, and 67 % of the texts are longer")


def test_what_is_said_before_the_run_stands_in_its_report_and_on_its_card(tmp_path: Path, capfd):
    base = write_snapshot(tmp_path / "base")
    out = tmp_path / "out"
    result = tsugiki.finetune(base, photographs(130, colour=False), output_dir=out, depth="head", augmentation=False)
    [sentence] = [one for one in result.caveats if "on their short side" in one]
    shown = capfd.readouterr().err
    assert 0 <= shown.find(f"\n{sentence}\n") < shown.find("\nestimate: ")
    assert sentence in str(result.report)
    provenance = Provenance.read(out)
    assert provenance.transfer is not None
    assert sentence in provenance.transfer.caveats
    assert sentence in (out / "README.md").read_text(encoding="utf-8")
