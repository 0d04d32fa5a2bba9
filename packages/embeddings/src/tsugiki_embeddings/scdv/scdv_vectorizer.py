"""SCDV as scikit-learn has its vectorizers: texts in, a sparse matrix of document vectors out.

    vectorizer = SCDVVectorizer(n_clusters=60)
    classifier = make_pipeline(vectorizer, LinearSVC()).fit(texts, labels)

Everything is kept sparse; one document at a time is dense. `to_model` makes the transformers model of the same
vectors, and `from_model` the way back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from tsugiki.errors import DataError, OptionError
from tsugiki.text_table import text_table
from tsugiki.training.job import TrainingJob

from ..words.word_tokenizer import SPECIAL, WORDS, train_word_tokenizer, word_list, word_tokenizer
from .scdv import SCDVConfig, SCDVForSequenceClassification, SCDVModel
from .scdv_features import WordTopics, check_choices, check_words, count_words, fit_topics, sparse_document_vectors

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from ..vectors.word_vectors import WordVectors

TOKENIZED_AT_ONCE = 1024  # texts whose words stand in memory as Python numbers


class SCDVVectorizer(TransformerMixin, BaseEstimator):
    """Turns texts into sparse composite document vectors (Mekala et al. 2017, arXiv:1612.06778).

    Args:
        word_vectors: Vectors of words: a `WordVectors`, or what `tsugiki.load` takes. Words of the fitted texts that it
            has are used. By default skip-gram vectors are trained on the fitted texts (`sgns`).
        n_clusters: K, Gaussians of the mixture.
        covariance_type: Of the mixture: ``full``, ``tied``, ``diag`` or ``spherical``.
        center: Take the mean of the words' vectors away first (Mu and Viswanath 2018); the paper does not.
        sparsity: p as a share: entries below p (|mean least| + |mean greatest|) / 2 are zero. 0 keeps all.
        idf: ``plain`` (the paper's ln(N / df)), ``smooth`` (scikit-learn's) or ``none``.
        sublinear_tf: A word that stands c times in a text counts 1 + ln c, not c as in the paper.
        max_df: Words that stand in more than this share of the documents count nothing.
        min_count: Rarer words are left out.
        max_words: Only so many words are kept, the commonest.
        lowercase: Whether case is ignored.
        token_pattern: Regular expression of a word, as `tokenizers` has them.
        vector_size: D, of vectors trained here; so are the next five.
        window: Words on either side that a word predicts.
        negative: Negative samples.
        sample: From which share of the text on words are skipped at random.
        epochs: Passes over the texts.
        workers: Threads that prepare steps ahead; the vectors are the same for any number.
        random_state: Seed of vectors and clusters.

    Attributes:
        tokenizer_: The vocabulary, a tokenizer of transformers.
        vocabulary_: Words by number, from 2 on.
        word_vectors_: (V, D), rows 0 (padding) and 1 (unknown) zero.
        word_clusters_: p(C_k | w) (V, K).
        idf_: (V,).
        threshold_: Entries nearer to zero are zero.
    """

    def __init__(
        self,
        word_vectors: WordVectors | str | Path | None = None,
        *,
        n_clusters: int = 60,
        covariance_type: str = "tied",
        center: bool = False,
        sparsity: float = 0.04,
        idf: str = "plain",
        sublinear_tf: bool = False,
        max_df: float = 1.0,
        min_count: int = 5,
        max_words: int | None = None,
        lowercase: bool = True,
        token_pattern: str = WORDS,
        vector_size: int = 200,
        window: int = 10,
        negative: int = 10,
        sample: float = 1e-3,
        epochs: int = 10,
        workers: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.word_vectors = word_vectors
        self.n_clusters = n_clusters
        self.covariance_type = covariance_type
        self.center = center
        self.sparsity = sparsity
        self.idf = idf
        self.sublinear_tf = sublinear_tf
        self.max_df = max_df
        self.min_count = min_count
        self.max_words = max_words
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.vector_size = vector_size
        self.window = window
        self.negative = negative
        self.sample = sample
        self.epochs = epochs
        self.workers = workers
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, raw_documents: Iterable[str], y: Any = None) -> SCDVVectorizer:
        """Learn vocabulary, word vectors, clusters, document frequencies and threshold.

        Args:
            raw_documents: Texts.
            y: Unused.

        Raises:
            DataError: There are no texts, no words, or fewer words than clusters.
            OptionError: A parameter is out of range.
        """
        self._check_parameters()
        self._fit_counts(check_texts(raw_documents))
        return self

    def fit_transform(self, raw_documents: Iterable[str], y: Any = None) -> csr_array:
        """`fit` and `transform` in one, float32 (N, K D)."""
        self._check_parameters()
        counts = self._fit_counts(check_texts(raw_documents))
        return sparse_document_vectors(counts, self._topics(), self.threshold_)

    def transform(self, raw_documents: Iterable[str]) -> csr_array:
        """Document vectors of texts.

        Args:
            raw_documents: Texts; words that were not fitted are passed over.

        Returns:
            float32 (N, K D), sparse.
        """
        check_is_fitted(self)
        tokens, offsets = tokenize_texts(self.tokenizer_, check_texts(raw_documents))
        counts = count_words(tokens, offsets, len(self.idf_), sublinear=self.sublinear_tf)
        return sparse_document_vectors(counts, self._topics(), self.threshold_)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """``cluster0_0``, … : the cluster and the dimension of the word vectors, (K D,)."""
        check_is_fitted(self)
        clusters, dimensions = self.word_clusters_.shape[1], self.word_vectors_.shape[1]
        return np.asarray([f"cluster{k}_{d}" for k in range(clusters) for d in range(dimensions)], dtype=object)

    def to_model(self) -> tuple[SCDVModel, PreTrainedTokenizerFast]:
        """The transformers model that gives the same vectors, with its tokenizer."""
        check_is_fitted(self)
        topics = self._topics()
        config = SCDVConfig(
            vocab_size=len(topics.idf),
            hidden_size=topics.vectors.shape[1],
            num_clusters=topics.clusters.shape[1],
            sublinear_tf=self.sublinear_tf,
        )
        model = SCDVModel(config).eval()
        state = (torch.from_numpy(array) for array in (topics.vectors, topics.clusters, topics.idf))
        model.set_state(*state, threshold=self.threshold_)
        return model, self.tokenizer_

    @classmethod
    def from_model(
        cls, model: SCDVModel | SCDVForSequenceClassification, tokenizer: PreTrainedTokenizerFast
    ) -> SCDVVectorizer:
        """The vectorizer of a fitted model, ready to transform.

        Args:
            model: The document vectors; a classifier's are those below it.
            tokenizer: The model's own.

        Raises:
            DataError: The tokenizer has another vocabulary.
        """
        body = model.scdv if isinstance(model, SCDVForSequenceClassification) else model
        config = body.config
        if len(tokenizer) != config.vocab_size:
            raise DataError(
                f"the tokenizer has {len(tokenizer):,} words and the model {config.vocab_size:,}; load both from one "
                "snapshot"
            )
        made = cls(n_clusters=config.num_clusters, vector_size=config.hidden_size, sublinear_tf=config.sublinear_tf)
        arrays = (body.word_vectors.weight, body.word_clusters.weight, body.idf)
        vectors, clusters, idf = (array.detach().float().cpu().numpy().copy() for array in arrays)
        made._keep(tokenizer, WordTopics(vectors, clusters, idf), float(body.threshold))
        return made

    def _fit_counts(self, texts: list[str]) -> csr_array:
        """Fit, and the counts of the texts' words (N, V)."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        tokenizer = train_word_tokenizer(
            texts,
            min_count=self.min_count,
            max_words=self.max_words,
            lowercase=self.lowercase,
            pattern=self.token_pattern,
        )
        given = None
        if self.word_vectors is not None:
            tokenizer, given = self._given(self.word_vectors, tokenizer)
        check_words(len(tokenizer) - SPECIAL, self.n_clusters)
        tokens, offsets = tokenize_texts(tokenizer, texts)
        vectors = self._trained(tokens, offsets, len(tokenizer), seed) if given is None else given
        counts = count_words(tokens, offsets, len(tokenizer), sublinear=self.sublinear_tf)
        topics, threshold = fit_topics(
            counts,
            vectors,
            num_clusters=self.n_clusters,
            covariance=self.covariance_type,
            idf=self.idf,
            max_document_share=self.max_df,
            center=self.center,
            sparsity=self.sparsity,
            seed=seed,
        )
        self._keep(tokenizer, topics, threshold)
        return counts

    def _given(
        self, source: WordVectors | str | Path, tokenizer: PreTrainedTokenizerFast
    ) -> tuple[PreTrainedTokenizerFast, NDArray[np.float32]]:
        """The tokenizer of the words that have vectors, and those (V, D)."""
        from ..vectors.word_vectors import WordVectors

        vectors = source if isinstance(source, WordVectors) else WordVectors.load(source)
        words = [word for word in word_list(tokenizer)[SPECIAL:] if word in vectors.index]
        if len(words) < 2:
            raise DataError("the word vectors hold none of the texts' words; are they of another language or case?")
        matrix = np.zeros((SPECIAL + len(words), vectors.matrix.shape[1]), np.float32)
        matrix[SPECIAL:] = vectors.matrix[[vectors.index[word] for word in words]]
        return word_tokenizer(words, lowercase=self.lowercase, pattern=self.token_pattern), matrix

    def _trained(
        self, tokens: NDArray[np.int32], offsets: NDArray[np.int64], vocab_size: int, seed: int
    ) -> NDArray[np.float32]:
        """Skip-gram vectors of the texts' own words (V, D)."""
        from ..training.sgns import train_sgns
        from ..vectors.word_vectors_model import WordVectorsConfig, WordVectorsModel

        model = WordVectorsModel(WordVectorsConfig(vocab_size=vocab_size, hidden_size=self.vector_size))
        arguments = {
            "seed": seed,
            "window": self.window,
            "negatives": self.negative,
            "sample": self.sample,
            "epochs": self.epochs,
            "workers": self.workers,
        }
        with tempfile.TemporaryDirectory(prefix="tsugiki-scdv-") as folder:
            train_sgns(model, TrainingJob(text_table((tokens, offsets)), Path(folder), arguments, progress=False))
        return model.embeddings.weight.detach().numpy()

    def _keep(self, tokenizer: PreTrainedTokenizerFast, topics: WordTopics, threshold: float) -> None:
        self.tokenizer_ = tokenizer
        self.vocabulary_ = {word: number for word, number in tokenizer.get_vocab().items() if number >= SPECIAL}
        self.word_vectors_, self.word_clusters_, self.idf_ = topics.vectors, topics.clusters, topics.idf
        self.threshold_ = threshold

    def _topics(self) -> WordTopics:
        return WordTopics(self.word_vectors_, self.word_clusters_, self.idf_)

    def _check_parameters(self) -> None:
        check_choices(self.covariance_type, self.idf, self.sparsity, self.max_df)
        for name in ("n_clusters", "vector_size", "window", "epochs"):
            if (value := getattr(self, name)) < 1:
                raise OptionError(f"{name} must be at least 1, not {value}")


def check_texts(raw_documents: Iterable[str]) -> list[str]:
    """The texts as a list.

    Raises:
        DataError: There is none, one is no string, or they are a single string.
    """
    if isinstance(raw_documents, str | bytes):
        raise DataError("texts must be a list of strings, not one string; put it in brackets")
    texts = list(raw_documents)
    if not texts:
        raise DataError("the corpus is empty: it holds no text")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"texts must be strings, and number {row} is {type(text).__name__}")
    return texts


def tokenize_texts(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Word numbers of all texts, one after the other (T,), and where each starts, with the end (N + 1,)."""
    pieces: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    lengths = [0]
    for start in range(0, len(texts), TOKENIZED_AT_ONCE):
        encoded = tokenizer(
            texts[start : start + TOKENIZED_AT_ONCE],
            add_special_tokens=False,
            padding=False,
            truncation=False,
            return_attention_mask=False,
        )
        for numbers in encoded["input_ids"]:
            pieces.append(np.asarray(numbers, np.int32))
            lengths.append(len(numbers))
    return np.concatenate(pieces), np.cumsum(lengths, dtype=np.int64)
