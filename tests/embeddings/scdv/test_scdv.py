from __future__ import annotations

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.mixture import GaussianMixture
from tsugiki.errors import DataError, OptionError
from tsugiki.testing import check_family
from tsugiki_embeddings.scdv.scdv import SCDVConfig, SCDVForSequenceClassification, SCDVModel
from tsugiki_embeddings.scdv.scdv_features import (
    WordTopics,
    check_choices,
    count_words,
    document_frequency_weights,
    fit_topics,
    soft_clusters,
    sparse_document_vectors,
    sparsity_threshold,
)

from .scdv_by_hand import cut, dense_documents, threshold_of, word_topic_vectors

WORDS, DIMENSIONS, CLUSTERS = 30, 5, 4
SHARE = 0.2


def random_topics(seed: int = 0) -> WordTopics:
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(WORDS, DIMENSIONS)).astype(np.float32)
    clusters = generator.dirichlet(np.full(CLUSTERS, 0.3), size=WORDS).astype(np.float32)
    idf = generator.uniform(0.5, 3, size=WORDS).astype(np.float32)
    idf[:2] = 0
    return WordTopics(vectors, clusters, idf)


def random_documents(count: int = 9, seed: int = 1) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, WORDS, size=length).tolist() for length in [0, 1, *range(3, 1 + count)]]


def stream(documents: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, documents)])
    return np.array([word for words in documents for word in words], np.int32), offsets.astype(np.int64)


def by_hand(topics: WordTopics, documents: list[list[int]], share: float = SHARE) -> tuple[np.ndarray, float]:
    in_double = (array.astype(np.float64) for array in (topics.vectors, topics.clusters, topics.idf))
    dense = dense_documents(documents, word_topic_vectors(*in_double))
    threshold = threshold_of(dense, share)
    return cut(dense, threshold), threshold


def model_of(topics: WordTopics, threshold: float) -> SCDVModel:
    model = SCDVModel(SCDVConfig(vocab_size=WORDS, hidden_size=DIMENSIONS, num_clusters=CLUSTERS)).eval()
    arrays = (topics.vectors, topics.clusters, topics.idf)
    model.set_state(*(torch.from_numpy(array) for array in arrays), threshold=threshold)
    return model


def padded(documents: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, documents))
    input_ids = torch.tensor([words + [0] * (longest - len(words)) for words in documents])
    return input_ids, torch.tensor([[1] * len(words) + [0] * (longest - len(words)) for words in documents])


def test_sparse_vectors_are_the_papers_algorithm():
    topics, documents = random_topics(), random_documents()
    expected, threshold = by_hand(topics, documents)
    counts = count_words(*stream(documents), WORDS)
    assert sparsity_threshold(counts, topics, SHARE) == pytest.approx(threshold, rel=1e-5)
    found = sparse_document_vectors(counts, topics, threshold)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-6)
    assert found.nnz == np.count_nonzero(expected)
    assert found.has_canonical_format


def test_model_gives_the_same_vectors_in_batches_with_padding():
    topics, documents = random_topics(), random_documents()
    expected, threshold = by_hand(topics, documents)
    input_ids, attention_mask = padded(documents)
    with torch.inference_mode():
        found = model_of(topics, threshold)(input_ids, attention_mask).pooler_output
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_padding_is_left_out_without_a_mask():
    topics = random_topics()
    model = model_of(topics, 0.0)
    alone = model(torch.tensor([[5, 6]])).pooler_output
    torch.testing.assert_close(model(torch.tensor([[5, 6, 0, 0]])).pooler_output, alone)


def test_a_threshold_of_zero_keeps_everything():
    topics, documents = random_topics(), random_documents()
    expected, _ = by_hand(topics, documents, share=0.0)
    found = sparse_document_vectors(count_words(*stream(documents), WORDS), topics, 0.0)
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-6)


def test_counting_leaves_its_inputs_as_they_are():
    tokens, offsets = stream(random_documents())
    before = tokens.copy(), offsets.copy()
    count_words(tokens, offsets, WORDS)
    np.testing.assert_array_equal(tokens, before[0])
    np.testing.assert_array_equal(offsets, before[1])


def test_documents_do_not_see_each_other():
    topics, documents = random_topics(), random_documents()
    counts = count_words(*stream(documents), WORDS)
    together = sparse_document_vectors(counts, topics, 0.1).toarray()
    for row in range(len(documents)):
        np.testing.assert_array_equal(sparse_document_vectors(counts[[row]], topics, 0.1).toarray()[0], together[row])


def test_gradients_are_those_of_the_dense_formula():
    topics, documents = random_topics(), random_documents()
    model = model_of(topics, 0.05).double()
    input_ids, attention_mask = padded(documents)
    target = torch.randn(len(documents), CLUSTERS * DIMENSIONS, dtype=torch.float64)
    (model(input_ids, attention_mask).pooler_output * target).sum().backward()
    vectors = torch.from_numpy(topics.vectors).double().requires_grad_()
    clusters = torch.from_numpy(topics.clusters).double().requires_grad_()
    table = (clusters[:, :, None] * vectors[:, None, :]).flatten(1) * model.idf[:, None]  # the paper's, (V, K D)
    sums = (table[input_ids] * attention_mask[..., None]).sum(1)
    dense = torch.nn.functional.normalize(sums, dim=1)
    (torch.where(dense.abs() < model.threshold, 0, dense) * target).sum().backward()
    torch.testing.assert_close(model.word_vectors.weight.grad, vectors.grad)
    torch.testing.assert_close(model.word_clusters.weight.grad, clusters.grad)


def test_compiled_and_plain_give_the_same():
    topics, documents = random_topics(), random_documents()
    model = model_of(topics, 0.05)
    inputs = padded(documents)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.inference_mode():
        torch.testing.assert_close(compiled(*inputs).pooler_output, model(*inputs).pooler_output)


def test_passes_the_conformance_checks():
    check_family("embeddings", "scdv", vocab_size=50, hidden_size=6, num_clusters=3)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_clusters_are_scikit_learns_mixture(covariance):
    vectors = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    mixture = GaussianMixture(4, covariance_type=covariance, max_iter=50, random_state=3).fit(vectors)
    found = soft_clusters(vectors, 4, covariance=covariance, seed=3)
    np.testing.assert_allclose(found, mixture.predict_proba(vectors), atol=1e-6)


def test_smooth_idf_is_scikit_learns():
    texts = ["a b b", "b c", "c c d", "b"]
    vectorizer = TfidfVectorizer(token_pattern=r"\w").fit(texts)
    numbers = [[vectorizer.vocabulary_[word] for word in text.split()] for text in texts]
    counts = count_words(*stream(numbers), 4)
    np.testing.assert_allclose(document_frequency_weights(counts, "smooth"), vectorizer.idf_, rtol=1e-6)


def test_plain_idf_is_the_papers_and_zero_for_words_of_no_document():
    counts = count_words(*stream([[0, 1, 1], [0], [0, 2]]), 4)
    expected = [0, np.log(3), np.log(3), 0]
    np.testing.assert_allclose(document_frequency_weights(counts, "plain"), expected, rtol=1e-6)
    assert document_frequency_weights(counts, "none").tolist() == [1, 1, 1, 1]


def test_words_of_most_documents_can_be_left_out():
    documents = [[2, 3, 4], [2, 5, 6], [2, 7, 8], [2, 9, 3]]
    counts = count_words(*stream(documents), WORDS)
    vectors = np.random.default_rng(0).normal(size=(WORDS, 3)).astype(np.float32)
    topics, _ = fit_topics(counts, vectors, num_clusters=2, max_document_share=0.5)
    assert topics.idf[2] == 0
    assert topics.idf[3] > 0
    assert not topics.vectors[:2].any() and not topics.idf[:2].any() and not topics.clusters[:2].any()


def test_more_clusters_than_words_is_one_sentence():
    counts = count_words(*stream([[2, 3]]), 5)
    with pytest.raises(DataError, match="6 clusters need at least as many words, and there are 3"):
        fit_topics(counts, np.ones((5, 2), np.float32), num_clusters=6)


def test_vectors_that_are_not_finite_are_refused():
    vectors = np.full((5, 2), np.nan, np.float32)
    with pytest.raises(DataError, match="not finite"):
        fit_topics(count_words(*stream([[2, 3]]), 5), vectors, num_clusters=2)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"covariance": "ful"}, "covariance_type must be one of"),
        ({"idf": "log"}, "idf must be one of plain, smooth, none"),
        ({"sparsity": 4}, "such as 0.04 for 4 %"),
        ({"max_df": 0}, "max_df is a share"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choice, message):
    with pytest.raises(OptionError, match=message):
        check_choices(**{"covariance": "tied", "idf": "smooth", "sparsity": 0.04, "max_df": 1.0, **choice})


@pytest.mark.parametrize("fields", [{"vocab_size": 0}, {"num_clusters": 0}, {"hidden_size": "many"}])
def test_config_refuses(fields):
    with pytest.raises(StrictDataclassError, match=next(iter(fields))):
        SCDVConfig(**fields)


def test_state_of_another_shape_is_refused():
    topics = random_topics()
    model = model_of(topics, 0.0)
    good = [torch.from_numpy(array) for array in (topics.vectors, topics.clusters, topics.idf)]
    with pytest.raises(ValueError, match=r"clusters must be \(30, 4\), not \(30, 3\)"):
        model.set_state(good[0], good[1][:, :3], good[2], threshold=0.0)
    with pytest.raises(ValueError, match="threshold must be at least 0"):
        model.set_state(*good, threshold=-1.0)


def test_one_text_without_a_batch_is_refused():
    with pytest.raises(ValueError, match="tokenise texts with padding=True"):
        model_of(random_topics(), 0.0)(torch.tensor([4, 5]))


def test_saved_classifier_gives_the_same_logits(tmp_path):
    config = SCDVConfig(vocab_size=WORDS, hidden_size=DIMENSIONS, num_clusters=CLUSTERS, num_labels=3)
    model = SCDVForSequenceClassification(config).eval()
    model.scdv.threshold.fill_(0.1)
    model.save_pretrained(tmp_path)
    inputs = padded(random_documents())
    loaded = SCDVForSequenceClassification.from_pretrained(tmp_path).eval()
    assert torch.equal(loaded(*inputs).logits, model(*inputs).logits)
    body = SCDVModel.from_pretrained(tmp_path).eval()
    assert torch.equal(body(*inputs).pooler_output, model.scdv(*inputs).pooler_output)
