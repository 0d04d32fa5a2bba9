"""What SCDV knows of words; document vectors are tested in test_scdv_vectorizer.py against sums by hand."""

import numpy as np
from scipy.sparse import csr_array
from tsugiki_embeddings.scdv.scdv_features import fit_topics


def test_center_takes_the_mean_of_the_words_away():
    generator = np.random.default_rng(0)
    vectors = (generator.standard_normal((12, 4)) + 3).astype(np.float32)
    counts = csr_array(generator.integers(0, 3, (6, 12)).astype(np.float32))
    topics, _ = fit_topics(counts, vectors, num_clusters=2, center=True)
    np.testing.assert_allclose(topics.vectors[2:], vectors[2:] - vectors[2:].mean(0), rtol=1e-6)
    np.testing.assert_array_equal(topics.vectors[:2], 0)
