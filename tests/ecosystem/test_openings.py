"""A command resolves each name once and opens what it leads to once: a branch on the Hub may move in between.

Every installed checkpoint stands on a Hub of its own here, as ``org/<name>``.
"""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import tsugiki
from PIL import Image
from tsugiki import cli
from tsugiki.registry import registry
from tsugiki.snapshots.snapshot import Snapshot, each_opened_once

COMMANDS = [
    "predict org/lenet5-mnist {picture}",
    "evaluate org/lenet5-mnist {pictures}",
    "evaluate org/lenet5-mnist {pictures} --with org/mlp-mnist",
    "finetune org/lenet5-mnist {pictures} --output-dir {folder}/tuned --depth head --test 0.5",
    "verify org/lenet5-mnist --data {pictures}",
    "export org/lenet5-mnist --onnx {folder}/model.onnx --check",
    "publish org/lenet5-mnist {folder}/published",
    "info org/lenet5-mnist",
    "card org/lenet5-mnist",
    "card org/lenet5-mnist --check",
    "explain org/lenet5-mnist {picture} --method grad-cam --output {folder}/map.png",
    "sample org/vae-mnist --count 1 --output {folder}/digit.png",
    "stylize {picture} {picture} --network org/vgg16bn-half-cifar10 --size 32 --steps 1 --output {folder}/style.png",
    "similar org/word2vec-novels king",
    "analogy org/word2vec-novels man king woman",
    "map org/word2vec-novels --words 20 --perplexity 5 --output {folder}/words.png",
    "map org/word2vec-novels --documents {texts} --perplexity 2 --output {folder}/texts.png",
    "align org/translate-ja-en-transformer 猫 --output {folder}/align.png",
    "search-errors org/translate-ja-en-transformer {pairs} --columns source=ja,target=en --beam 1 --wider 0",
    "score org/lm-char-wagahai 吾輩は猫である",
    "melody org/melody-rnn --output {folder}/tune.mid",
]
READ_AS_FILES = ("card", "info", "publish")


@pytest.fixture
def openings(monkeypatch):
    """What is asked of the Hub, and which folders are opened as snapshots."""
    found = {"resolved": Counter(), "opened": Counter()}
    of_folder = Snapshot.of_folder.__func__

    def download(repository, revision=None):
        found["resolved"][repository] += 1
        return registry().checkpoint(repository.removeprefix("org/")).path

    def counted(cls, folder, *args):
        found["opened"][f"org/{folder.name}"] += 1
        return of_folder(cls, folder, *args)

    monkeypatch.setattr("tsugiki.snapshots.hub.download", download)
    monkeypatch.setattr(Snapshot, "of_folder", classmethod(counted))
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures of two digits, texts and sentence pairs."""
    root = tmp_path_factory.mktemp("data")
    noise = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        folder = root / "pictures" / ["0", "1"][number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    texts = [{"text": text} for text in ("a river", "a house", "the king", "the old queen", "her house", "his river")]
    pairs = [{"ja": "猫 です 。", "en": "it is a cat ."}]
    for name, rows in (("texts", texts), ("pairs", pairs)):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "pictures": root / "pictures",
        "picture": root / "pictures" / "0" / "0.png",
        "texts": root / "texts.jsonl",
        "pairs": root / "pairs.jsonl",
    }


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_opens_each_name_once(line, openings, data, tmp_path, capsys):
    words = [word.format(folder=tmp_path, **data) for word in line.split()]
    code = cli.main(words)
    output = capsys.readouterr()
    names = Counter(word for word in words if word.startswith("org/"))
    assert openings["resolved"] == names, output
    assert openings["opened"] == (Counter() if words[0] in READ_AS_FILES else names)
    assert code == (1 if words[0] == "verify" else 0), output  # these are no rows of the card's data


@pytest.mark.parametrize(
    "call",
    [
        lambda name: tsugiki.load(name),
        lambda name: tsugiki.load_processor(name),
        lambda name: tsugiki.pipeline(name),
    ],
)
def test_a_function_opens_its_name_once(call, openings):
    call("org/lenet5-mnist")
    assert openings["resolved"] == openings["opened"] == {"org/lenet5-mnist": 1}


def test_parts_of_a_run_that_open_a_name_each_get_one_snapshot(openings):
    with each_opened_once():
        first, again = (Snapshot.open("org/lenet5-mnist") for _ in range(2))
    assert first is again
    assert openings["resolved"] == openings["opened"] == {"org/lenet5-mnist": 1}
    assert Snapshot.open("org/lenet5-mnist") is not first
