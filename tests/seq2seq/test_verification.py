"""Cards of models whose task makes other rows than the data has: measured again, whole and fast."""

from __future__ import annotations

import json

import datasets
import numpy as np
import pytest
import yaml
from tsugiki import recipe_training
from tsugiki.cards.verify import verify
from tsugiki.provenance import read_provenance

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
    (evaluation,) = read_provenance(output)["evaluations"]
    assert evaluation["rows"] == 3
    assert evaluation["examples"] == evaluation["fast"]["rows"] > 3
    for fast in (False, True):
        found = verify(output, fast=fast)
        assert found.ok and found.results, found.problems
    card, samples = (output / "README.md").read_text(), read_provenance(output).get("samples", [])
    assert len(samples) == (3 if task == "text-generation" else 0)
    assert ("## Samples" in card) == bool(samples)
    assert all(f"```text\n{text}\n```" in card and set(text.split()) <= set(WORDS) for text in samples)
    assert all(len(text.split()) > 100 for text in samples)
    record = json.loads((output / "provenance.json").read_text())
    record["evaluations"][0]["fast"]["sum"] *= 1.01
    (output / "provenance.json").write_text(json.dumps(record))
    assert not verify(output, fast=True).ok
