from __future__ import annotations

import json

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from PIL import Image
from tsugiki.cli.dispatch import main
from tsugiki.errors import DataError
from tsugiki_embeddings.maps.map_command import documents_map, words_map
from tsugiki_embeddings.sentences.text_vectors import text_vectors
from tsugiki_embeddings.vectors.word_vectors import WordVectors


@pytest.fixture(scope="module")
def vectors(tmp_path_factory) -> str:
    matrix = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    words = [f"{first}{second}" for first in "abcdef" for second in "ghijklmnop"]
    folder = tmp_path_factory.mktemp("vectors") / "tiny"
    WordVectors(words, matrix, np.arange(60, 0, -1)).save(folder)
    return str(folder)


@pytest.mark.parametrize("suffix", ["png", "html"])
def test_command_writes_a_map(vectors, tmp_path, capsys, suffix):
    output = tmp_path / f"map.{suffix}"
    assert main(["map", vectors, "--words", "30", "--output", str(output), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["points"] == 30 and printed["path"] == str(output)
    if suffix == "png":
        with Image.open(output) as picture:
            assert picture.format == "PNG"
    else:
        assert '"ag"' in output.read_text(encoding="utf-8")
    assert [file.name for file in tmp_path.iterdir()] == [output.name]


def test_neighborhood_is_that_of_the_word(vectors):
    drawn = words_map(vectors, near="ch", words=10)
    loaded = WordVectors.load(vectors)
    assert list(drawn.labels) == ["ch", *(word for word, _ in loaded.most_similar("ch", top_k=9))]
    assert list(drawn.marked) == [0]
    with pytest.raises(DataError, match="does not have the word 'zz'"):
        words_map(vectors, near="zz")


def test_documents_are_where_the_means_of_their_words_are(vectors):
    loaded = WordVectors.load(vectors)
    texts = ["ag bh bh", "nothing known", "", "cj dk"]
    found = text_vectors(vectors, texts)
    mean = (loaded.vector("ag") + 2 * loaded.vector("bh")) / 3
    np.testing.assert_allclose(found[0], mean, atol=1e-6)
    assert not found[1:3].any()
    assert not text_vectors(vectors, ["", "?"]).any()


def test_title_names_the_folder_of_the_documents_and_none_above_it(vectors, tmp_path):
    words = WordVectors.load(vectors).words
    rows = {"text": [f"{words[n]} {words[n + 1]}" for n in range(40)]}
    Dataset.from_dict(rows).save_to_disk(tmp_path / "alice" / "letters")
    drawn = documents_map(vectors, str(tmp_path / "alice" / "letters"))
    assert drawn.title.endswith(": 40 documents of letters")


def test_documents_have_the_colours_of_their_classes(vectors):
    words = WordVectors.load(vectors).words
    features = Features({"text": Value("string"), "label": ClassLabel(names=["x", "y"])})
    rows = {"text": [f"{words[n]} {words[n + 1]}" for n in range(40)], "label": [n % 2 for n in range(40)]}
    dataset = Dataset.from_dict(rows, features=features)
    drawn = documents_map(vectors, dataset, rows=25)
    assert len(drawn.positions) == 25
    assert list(drawn.group_names) == ["x", "y"]
    class_of = dict(zip(rows["text"], rows["label"], strict=True))
    assert [class_of[text] for text in drawn.details] == drawn.groups.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "map.pdf"], "PNG or an HTML"),
        (["--output", "missing/map.png"], "cannot be written"),
        (["--near", "ag", "--documents", "d"], "do not go with it"),
        (["--split", "test"], "there are none"),
    ],
)
def test_bad_options_are_one_error_and_leave_nothing(vectors, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["map", vectors, *arguments]) != 0
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
