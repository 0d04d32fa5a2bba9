"""A recipe of word vectors from end to end: learnt tokenizer, evaluation sets with tasks of their own, verification."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tsugiki
import yaml
from datasets import Dataset
from tsugiki.errors import DataError
from tsugiki.fingerprint import content_fingerprint
from tsugiki.recipes.train_recipe import train
from tsugiki.snapshots.provenance import Provenance

TEXTS = ["the king and the queen sat down to tea", "the man and the woman sat down to coffee"] * 30
PAIRS = {
    "word1": ["king", "man", "tea", "king", "tea"],
    "word2": ["queen", "woman", "coffee", "coffee", "unheard"],
    "score": [9.0, 8.0, 7.0, 1.0, 5.0],
}
QUESTIONS = {"word1": ["man", "man"], "word2": ["woman", "woman"], "word3": ["king", "duke"], "word4": ["queen", "d"]}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fingerprints = {}
    for name, columns, split in (
        ("corpus", {"text": TEXTS}, "train"),
        ("pairs", PAIRS, "test"),
        ("questions", QUESTIONS, "test"),
    ):
        folder = tmp_path / "mirror" / "org" / name / "data"
        folder.mkdir(parents=True)
        dataset = Dataset.from_dict(columns)
        dataset.to_parquet(folder / f"{split}-00000-of-00001.parquet")
        fingerprints[name] = content_fingerprint(dataset)
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path / "mirror"))
    values = {
        "name": "tiny-words",
        "plugin": "embeddings",
        "family": "word-vectors",
        "task": "word-similarity",
        "license": "mit",
        "config": {"hidden_size": 4},
        "processor": {"min_count": 2},
        "data": {"id": "org/corpus", "train": "train", "license": "mit"},
        "evaluations": [
            {"id": "org/pairs", "split": "test", "license": "mit", "name": "pairs", "source": "here"},
            {"id": "org/questions", "split": "test", "license": "mit", "task": "word-analogy"},
        ],
        "training": {"method": "sgns", "epochs": 1, "sample": 0},
    }
    for evaluation in values["evaluations"]:  # type: ignore[attr-defined]
        evaluation["fingerprint"] = fingerprints[evaluation["id"].partition("/")[2]]
    folder = tmp_path / "tiny-words"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    (folder / "card.md").write_text("Words: {{ spearman_pairs }}.\n\n## Intended use\n\nTests.\n\n## Limits\n\nMany.\n")
    return folder


def test_every_figure_is_measured_by_its_own_task_and_found_again(recipe: Path, tmp_path: Path) -> None:
    snapshot = train(recipe, output_dir=tmp_path / "out", progress=False)
    pairs, questions = Provenance.read(snapshot).evaluations
    assert set(pairs.metrics) == {"spearman_pairs", "coverage_pairs"} and pairs.source == "here"
    assert pairs.metrics["coverage_pairs"].value == 0.8
    assert questions.task == "word-analogy" and questions.metrics["analogy_coverage"].value == 0.5
    assert set(tsugiki.load_processor(snapshot).get_vocab()) >= {"king", "tea"}
    for fast in (False, True):
        found = tsugiki.verify(snapshot, fast=fast)
        assert found.ok, found.problems or found.results
    metrics = {check.metric for check in tsugiki.verify(snapshot).results}
    assert {"spearman_pairs", "coverage_pairs", "analogy_accuracy", "analogy_coverage"} <= metrics


def test_a_changed_digit_of_any_evaluation_is_found(recipe: Path, tmp_path: Path) -> None:
    snapshot = train(recipe, output_dir=tmp_path / "out", progress=False)
    record = json.loads((snapshot / "provenance.json").read_text())
    record["evaluations"][1]["metrics"]["analogy_coverage"]["value"] = 0.75
    (snapshot / "provenance.json").write_text(json.dumps(record))
    found = tsugiki.verify(snapshot)
    assert not found.ok
    assert any("evaluations" in problem for problem in found.problems)


def test_other_data_than_the_recipe_was_written_for_is_refused(recipe: Path, tmp_path: Path) -> None:
    values = yaml.safe_load((recipe / "recipe.yaml").read_text())
    values["evaluations"][0]["fingerprint"] = "0" * 16
    (recipe / "recipe.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(DataError, match=r"org/pairs \[test\] has the fingerprint"):
        train(recipe, output_dir=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
