from __future__ import annotations

import numpy as np
import pytest
from tsugiki.errors import DataError, OptionError
from tsugiki_embeddings.maps.tsne_map import (
    class_agreement,
    map_of_documents,
    map_of_words,
    nearest_neighbors,
    neighbor_agreement,
    principal_components,
    shortened,
    tsne_positions,
)
from tsugiki_embeddings.vectors.word_vectors import WordVectors


def blobs(groups: int = 4, each: int = 30, dimension: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = generator.normal(scale=4, size=(groups, dimension))
    classes = np.repeat(np.arange(groups), each)
    return (centres[classes] + generator.normal(size=(groups * each, dimension))).astype(np.float32), classes


def test_neighbors_are_those_of_scikit_learn():
    from sklearn.neighbors import NearestNeighbors

    rows, _ = blobs(each=300)  # more than a block of rows
    distances, neighbors = NearestNeighbors(n_neighbors=7).fit(rows).kneighbors()
    found, measured = nearest_neighbors(rows, 7)
    np.testing.assert_allclose(measured, distances, atol=1e-3)
    assert (found == neighbors).mean() > 0.999


def test_principal_components_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA

    rows, _ = blobs()
    np.testing.assert_allclose(np.abs(principal_components(rows, 3)), np.abs(PCA(3).fit_transform(rows)), atol=1e-3)
    assert principal_components(rows[:, :1], 50).shape == (len(rows), 2)


def test_neighbors_stay_neighbors_as_often_as_with_scikit_learn():
    from sklearn.manifold import TSNE

    rows, classes = blobs()
    ours = tsne_positions(rows, perplexity=15)
    theirs = TSNE(perplexity=15, init="pca", random_state=0).fit_transform(rows)
    assert class_agreement(classes, ours) == class_agreement(classes, theirs) == 1
    assert neighbor_agreement(rows, ours) > neighbor_agreement(rows, theirs) - 0.08


def test_same_seed_gives_the_same_map():
    rows, _ = blobs()
    np.testing.assert_array_equal(tsne_positions(rows, iterations=50), tsne_positions(rows, iterations=50))


@pytest.mark.parametrize("count", [4, 5, 40])
def test_few_or_equal_points_have_places(count):
    assert np.isfinite(tsne_positions(np.eye(count, 5, dtype=np.float32), iterations=50)).all()
    assert np.isfinite(tsne_positions(np.ones((count, 5), np.float32), iterations=50)).all()


def test_bad_vectors_are_refused():
    with pytest.raises(DataError, match="at least 4 points"):
        tsne_positions(np.ones((3, 2)))
    broken = np.ones((6, 2))
    broken[4, 1] = np.nan
    with pytest.raises(DataError, match="row 4"):
        tsne_positions(broken)
    with pytest.raises(OptionError, match="perplexity"):
        tsne_positions(np.eye(6), perplexity=1)


def test_clusters_of_words_are_named_by_words_of_theirs():
    rows, classes = blobs(groups=10, each=12, seed=1)
    words = [f"g{group}n{number}" for number, group in enumerate(classes)]
    drawn = map_of_words(
        WordVectors(words, rows, np.arange(120, 0, -1)), words, title="t", marked=words[3], iterations=50
    )
    assert list(drawn.marked) == [3]
    assert drawn.details[0] == "120 times in the corpus"
    assert (np.diff(np.bincount(drawn.groups)) <= 0).all()  # larger groups first
    for group, name in enumerate(drawn.group_names):
        members = {words[row] for row in np.flatnonzero(drawn.groups == group)}
        assert set(name.split(", ")) <= members


def test_documents_without_known_words_are_left_out_and_classes_are_named_once():
    rows, classes = blobs()
    rows[5] = 0
    texts = [f"text {number}" for number in range(len(rows))]
    drawn = map_of_documents(rows, texts, title="t", classes=classes, class_names=list("abcd"), iterations=50)
    assert len(drawn.positions) == len(rows) - 1
    assert "text 5" not in drawn.details
    assert sorted(label for label in drawn.labels if label) == list("abcd")
    for label, group in zip(drawn.labels, drawn.groups, strict=True):
        assert label in ("", "abcd"[group])
    by_text = dict(zip(drawn.details, drawn.groups, strict=True))
    assert all(by_text[text] == classes[number] for number, text in enumerate(texts) if number != 5)


def test_long_texts_are_shortened_to_one_line():
    assert shortened("a\n b") == "a b"
    assert len(shortened("word " * 500)) == 240
