"""Cards of this plugin's models: what they say, measured again, whole and fast."""

from __future__ import annotations

import importlib.metadata
import json

import datasets
import numpy as np
import pytest
import yaml
from tsugiki.cards.verify import verify
from tsugiki.recipes import train_recipe as recipe_training
from tsugiki.snapshots.provenance import Provenance

CARD = "{{ name }}\n\n## Intended use\n\nTests.\n\n## Limits\n\nAll.\n\n"
WORDS = ["cat", "dog", "hen", "sat", "ran", "on", "the", "mat", "hill", "red"]
FAMILIES = {
    "recurrent": ("text-generation", {"hidden_size": 8, "embedding_size": 4}, {"kind": "word", "vocab_size": 20}),
    "bert": (
        "fill-mask",
        {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8},
        {"kind": "word", "vocab_size": 20, "mask_token": True},
    ),
}


@pytest.fixture
def texts(tmp_path, monkeypatch):
    """Three texts of 700 words each: more windows of 128 tokens than texts."""
    folder, draw = tmp_path / "mirror" / "org" / "texts" / "data", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        rows = [" ".join(draw.choice(WORDS, 700)) for _ in range(3)]
        datasets.Dataset.from_dict({"text": rows}).to_parquet(folder / f"{split}-00000-of-00001.parquet")
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path / "mirror"))
    return tmp_path


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_of_texts(texts, family):
    task, config, processor = FAMILIES[family]
    recipe = {
        "name": "windows",
        "plugin": "seq2seq",
        "family": family,
        "task": task,
        "license": "cc0-1.0",
        "config": config,
        "processor": processor,
        "data": {"id": "org/texts", "train": "train", "evaluation": "test", "license": "cc0-1.0"},
        "training": {"num_train_epochs": 1, "per_device_train_batch_size": 4},
    }
    (texts / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (texts / "card.md").write_text(CARD)
    output = recipe_training.train(texts, output_dir=texts / "snapshot", progress=False)
    (evaluation,) = Provenance.read(output).evaluations
    assert evaluation.rows == 3
    assert evaluation.examples == evaluation.fast.rows > 3
    for fast in (False, True):
        found = verify(output, fast=fast)
        assert found.ok and found.results, found.problems
    card, samples = (output / "README.md").read_text(), Provenance.read(output).samples
    assert len(samples) == (3 if task == "text-generation" else 0)
    assert ("## Samples" in card) == bool(samples)
    assert all(f"```text\n{text}\n```" in card and set(text.split()) <= set(WORDS) for text in samples)
    assert all(len(text.split()) > 100 for text in samples)
    record = json.loads((output / "provenance.json").read_text())
    record["evaluations"][0]["fast"]["sum"] *= 1.01
    (output / "provenance.json").write_text(json.dumps(record))
    assert not verify(output, fast=True).ok


def test_a_translator_with_its_search_errors(tmp_path, monkeypatch):
    folder = tmp_path / "mirror" / "org" / "pairs" / "data"
    folder.mkdir(parents=True)
    rows = {"source": [f"{a} {b}" for a in WORDS for b in WORDS], "target": [f"{b} {a}" for a in WORDS for b in WORDS]}
    for split in ("train", "test"):
        datasets.Dataset.from_dict(rows).to_parquet(folder / f"{split}-00000-of-00001.parquet")
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path / "mirror"))
    columns = {"source": "source", "target": "target"}
    pairs = {"id": "org/pairs", "license": "cc0-1.0", "columns": columns}
    recipe = {
        "name": "pairs",
        "plugin": "seq2seq",
        "family": "recurrent-seq2seq",
        "task": "text-translation",
        "license": "cc0-1.0",
        "config": {"hidden_size": 8, "embedding_size": 4},
        "processor": {"kind": "word", "bleu_tokenize": "none"},
        "generation": {"num_beams": 2, "max_new_tokens": 6},
        "data": {**pairs, "train": "train", "evaluation": "test"},
        "evaluations": [{**pairs, "split": "test", "task": "search-errors", "source": "made here"}],
        "training": {"num_train_epochs": 1, "per_device_train_batch_size": 20},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (tmp_path / "card.md").write_text(CARD)
    output = recipe_training.train(tmp_path, output_dir=tmp_path / "snapshot", progress=False)
    translation, errors = Provenance.read(output).evaluations
    assert sum(errors.metrics[f"{whose}_error_share"].value for whose in ("search", "model")) == pytest.approx(1)
    version = importlib.metadata.version("sacrebleu")
    signature = f"nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:{version}"
    assert translation.signatures == {"bleu": signature, "chrf": translation.signatures["chrf"]}
    assert errors.signatures == {}
    assert f"- bleu: `{signature}`" in (output / "README.md").read_text()
    for fast in (False, True):
        found = verify(output, fast=fast)
        assert found.ok, found
