"""Training of SCDV for text classification: word vectors, clusters, document frequencies, threshold, linear SVM.

Everything is learned from the training rows alone, the strength of the SVM's penalty by cross-validation among them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import nn
from tsugiki.durations import Stopwatch
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import main_figure
from tsugiki.text_table import token_stream
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, whole
from tsugiki.training.phases import run_phase

from ..training.word_vector_training import train_word_vectors
from ..vectors.word_vectors_model import WordVectorsConfig, WordVectorsModel
from ..words.word_tokenizer import SPECIAL
from .scdv import SCDVForSequenceClassification
from .scdv_features import check_choices, check_words, count_words, fit_topics, sparse_document_vectors

WORD_VECTORS: dict[str, Any] = {"method": "sgns", "window": 10, "negatives": 10, "sample": 1e-3, "epochs": 10}
STRENGTHS = (1.0, 2.0, 4.0, 8.0)  # vectors of length 1 with thousands of small entries want a large one
ITERATIONS = 2000  # of liblinear, at most


@dataclass(frozen=True)
class SCDVOptions(TrainerOptions):
    """How SCDV is trained. How often a word counts, ``sublinear_tf``, is a field of the config: the model must know it.

    Attributes:
        word_vectors: The method of `word_vector_training.METHODS` with its own options; what is left out of ``sgns`` is
            as in `WORD_VECTORS`.
        covariance_type: As `SCDVVectorizer` has it, as the four below.
        center: The same.
        sparsity: The same.
        idf: The same.
        max_df: The same.
        C: The SVM's C, or several, of which the best is taken.
        folds: Of the cross-validation.
    """

    word_vectors: Mapping[str, Any] = field(default_factory=lambda: WORD_VECTORS)
    covariance_type: str = "tied"
    center: bool = False
    sparsity: float = 0.04
    idf: str = "plain"
    max_df: float = 1.0
    C: float | Sequence[float] = STRENGTHS
    folds: int = whole(3, least=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self.covariance_type, self.idf, self.sparsity, self.max_df)
        if not self.strengths or min(self.strengths) <= 0:
            raise OptionError(f"C must be above 0, not {self.C}")

    @property
    def strengths(self) -> list[float]:
        """The values of C to choose among."""
        return [self.C] if isinstance(self.C, int | float) else list(self.C)

    @property
    def vector_arguments(self) -> dict[str, Any]:
        """What the word vectors are trained with."""
        method = self.word_vectors.get("method", WORD_VECTORS["method"])
        return {**(WORD_VECTORS if method == WORD_VECTORS["method"] else {}), **self.word_vectors}


def train_scdv(model: SCDVForSequenceClassification, job: TrainingJob) -> FitResult:
    """Fit a model in place; the trainer of the family ``scdv``. A killed run need not repeat the word vectors.

    Args:
        model: With a linear classifier; its vocabulary is that of the rows.
        job: Its rows are texts with labels, as `tsugiki.text_table.text_table` makes them; its arguments are those of
            `SCDVOptions`. Nothing is chosen by its validation rows.

    Raises:
        OptionError: An option is unknown or out of range, or the classifier is not linear.
        DataError: A class has no rows, or there are fewer words than clusters.
    """
    options, seed = job.read_options(SCDVOptions), job.seed
    if not isinstance(model.classifier, nn.Linear):
        raise OptionError("an SVM goes into a linear classifier; leave out classifier='mlp'")
    config = model.config
    labels = job.train.labels.cpu().numpy()
    lacking = np.flatnonzero(np.bincount(labels, minlength=config.num_labels or 0) == 0)
    if len(lacking):
        names: dict[Any, str] = config.id2label or {}
        raise DataError(f"the class {names.get(int(lacking[0]), int(lacking[0]))!r} has no training rows; add some")
    check_words(config.vocab_size - SPECIAL, config.num_clusters)

    vectors = WordVectorsModel(WordVectorsConfig(vocab_size=config.vocab_size, hidden_size=config.hidden_size))
    phase = job.phase("word-vectors", arguments={**options.vector_arguments, "seed": seed})
    learnt = run_phase(vectors, phase, train_word_vectors)
    stopwatch = Stopwatch(learnt.seconds)
    counts = count_words(*token_stream(job.train), config.vocab_size, sublinear=config.sublinear_tf)
    topics, threshold = fit_topics(
        counts,
        vectors.embeddings.weight.detach().cpu().numpy(),
        num_clusters=config.num_clusters,
        covariance=options.covariance_type,
        idf=options.idf,
        max_document_share=options.max_df,
        center=options.center,
        sparsity=options.sparsity,
        seed=seed,
    )
    model.scdv.set_state(
        torch.from_numpy(topics.vectors),
        torch.from_numpy(topics.clusters),
        torch.from_numpy(topics.idf),
        threshold=threshold,
    )
    features = sparse_document_vectors(counts, topics, threshold)
    svm = fit_svm(features, labels, strengths=options.strengths, folds=options.folds, seed=seed)
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(svm.weight))
        model.classifier.bias.copy_(torch.from_numpy(svm.bias))
    model.eval()
    best = main_figure(model, job.validation, job.task)
    return FitResult(stopwatch.seconds, device=str(model.device), best_metric=best)


@dataclass(frozen=True)
class LinearSVM:
    """One linear SVM for each class against the rest.

    Attributes:
        weight: (C, F).
        bias: (C,).
        strength: The C it was fitted with.
        scores: Accuracy by cross-validation of each C tried; empty where there was nothing to choose.
        scale: What weight and bias were multiplied by, so that a softmax over the answers is as sure as it is right.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    strength: float
    scores: dict[float, float]
    scale: float


def fit_svm(
    features: csr_array,
    labels: NDArray[np.int64],
    *,
    strengths: Sequence[float],
    folds: int = 3,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> LinearSVM:
    """Fit linear SVMs on sparse features, one class against the rest.

    Args:
        features: (N, F).
        labels: Class numbers from 0, each of which occurs (N,).
        strengths: Values of C, of which the best by cross-validation is taken.
        folds: Of the cross-validation, stratified. Where a class has fewer rows than that, the middle value of
            `strengths` is taken unseen.
        groups: Rows with one number are of one origin, such as a thread of messages, and stay in one fold (N,).
        seed: Of folds and solver.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    strength, scores, scale = sorted(strengths)[len(strengths) // 2], {}, 1.0
    if np.bincount(labels).min() >= folds:
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        splitter = kind(folds, shuffle=True, random_state=seed)
        splits = list(splitter.split(np.zeros(len(labels)), labels, groups))
        answers = np.concatenate([labels[outside] for _, outside in splits])
        held_out: dict[float, NDArray[np.float64]] = {}
        for candidate in strengths:
            parts = []
            for inside, outside in splits:
                weight, bias = _solve(features[inside], labels[inside], candidate, seed)
                parts.append(features[outside] @ weight.T + bias)
            held_out[candidate] = np.concatenate(parts)
        scores = {one: float((logits.argmax(1) == answers).mean()) for one, logits in held_out.items()}
        strength = max(strengths, key=lambda one: scores[one])
        scale = _scale(held_out[strength], answers)
    weight, bias = _solve(features, labels, strength, seed)
    return LinearSVM(weight * scale, bias * scale, float(strength), scores, scale)


def _solve(
    features: csr_array, labels: NDArray[np.int64], strength: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight (C, F) and bias (C,) at one C."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last steps of a large C change no answer
        svm = LinearSVC(C=strength, random_state=seed, max_iter=ITERATIONS).fit(features, labels)
    weight, bias = svm.coef_, svm.intercept_
    if len(weight) == 1:  # of two classes it gives the second's side alone
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    return weight, bias


def _scale(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The factor for which a softmax over held-out answers has the least log loss (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(exponent: float) -> float:
        return -float(log_softmax(logits * np.exp(exponent), axis=1)[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 4), method="bounded").x))
