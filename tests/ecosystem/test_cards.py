"""The published checkpoints: the code that their cards give runs as it stands, and their configs say what they must."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from tsugiki.evaluation import task_named
from tsugiki.first_party import CHECKPOINTS
from tsugiki.metrics import counted_share
from tsugiki.snapshots.provenance import Provenance
from tsugiki.snapshots.resolve import resolve
from tsugiki.snapshots.strict_config import read_json
from tsugiki.tasks.classification import Classification

PUBLISHED = sorted(Path(__file__).parents[2].glob("packages/*/src/*/pretrained/*/provenance.json"))
OF_WORDS = {  # what the Hub calls the tasks of models that read, hear or write a language
    "audio-classification",
    "feature-extraction",
    "image-to-text",
    "sentence-similarity",
    "text-classification",
    "text-generation",
    "token-classification",
    "translation",
}
USAGE = re.compile(r"## How to use it\n\n```(?P<language>\w*)\n(?P<code>.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_usage_on_a_card_runs(name):
    found = USAGE.search((resolve(name) / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    if found["language"] == "python":
        exec(compile(found["code"], f"{name}/README.md", "exec"), {})
    else:
        assert found["code"].startswith("tsugiki ")


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_card_states_the_language_of_a_model_of_words_and_where_an_unusual_licence_is_read(name):
    card = ModelCard.load(resolve(name) / "README.md").data
    assert bool(card.language) == (card.pipeline_tag in OF_WORDS and name != "melody-rnn")
    assert bool(card.license_link) == (card.license == "other")


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_plain_transformers_computes_in_float32(name):
    """Weights are stored as float16 in part; who trains them with `from_pretrained` alone must not train in it."""
    assert read_json(resolve(name) / "config.json")["dtype"] == "float32"


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_every_published_record_is_as_it_would_be_written_now(path, tmp_path):
    Provenance.read(path.parent).write(tmp_path)
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_every_published_share_of_rows_has_wilsons_interval(path):
    provenance = Provenance.read(path.parent)
    for evaluation in provenance.evaluations:
        is_classifier = isinstance(task_named(evaluation.task or provenance.task), Classification)
        for name, metric in evaluation.metrics.items():
            if name.startswith(("exact_match", "coverage", "analogy")) or (is_classifier and name == "accuracy"):
                right = counted_share(round(metric.value * metric.n), metric.n)
                assert (metric.value, metric.low, metric.high) == pytest.approx((right.value, right.low, right.high))
