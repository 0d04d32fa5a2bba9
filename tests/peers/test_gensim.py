"""gensim reads every published set of word vectors, from each format that we write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from tsugiki.registry import registry
from tsugiki_embeddings.vectors.word_vectors import WordVectors

FAMILIES = ("tsugiki_word_vectors", "tsugiki_fasttext")
PUBLISHED = [
    one.name
    for one in registry().checkpoints()
    if json.loads(Path(one.path, "config.json").read_text(encoding="utf-8"))["model_type"] in FAMILIES
]


@pytest.fixture(scope="module", params=PUBLISHED)
def vectors(request: pytest.FixtureRequest) -> WordVectors:
    return WordVectors.load(request.param)


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.glove", "v.bin.gz"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_gensim_reads_words_and_numbers(vectors: WordVectors, name: str, tmp_path: Path) -> None:
    vectors.to_file(tmp_path / name)
    options = {"binary": ".bin" in name, "no_header": ".glove" in name}
    limit = len(vectors) if options["no_header"] else None  # else gensim leaves the file open, and counts it first
    keyed = KeyedVectors.load_word2vec_format(tmp_path / name, limit=limit, **options)
    assert keyed.index_to_key == vectors.words
    np.testing.assert_array_equal(keyed.vectors, vectors.matrix)


def test_gensim_finds_the_same_neighbours(vectors: WordVectors) -> None:
    keyed = vectors.to_gensim()
    for word in vectors.words[200:1000:100]:
        theirs = keyed.most_similar(word, topn=5)
        ours = vectors.most_similar(word, top_k=5)
        assert [one for one, _ in ours] == [one for one, _ in theirs]
        assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], abs=1e-5)
