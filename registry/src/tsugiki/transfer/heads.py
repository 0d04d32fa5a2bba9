"""Heads fitted on cached features with scikit-learn, and written into the model's own classifier.

What scikit-learn finds is a matrix and a bias (for an MLP two of each) on standardised features. The standardisation is
folded into them, so that the saved model needs nothing but torch and gives the same logits.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.splitting import folds_of
from ..errors import OptionError, did_you_mean
from .graft import linear_layers, rebuild_head
from .stages import head_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

KINDS = ("logistic", "svm", "mlp")
STRENGTHS: dict[str, tuple[float, ...]] = {
    "logistic": (0.1, 1.0, 10.0),  # C: the inverse of the penalty, for features of unit variance
    "svm": (0.001, 0.01, 0.1),  # C
    "mlp": (0.1, 0.01),  # alpha: the penalty itself
}
UNCHOSEN = {"logistic": 1.0, "svm": 0.1, "mlp": 0.1}  # with too few rows to choose
FOLDS = 3
FEWEST_TO_CHOOSE = 3  # examples a class; with fewer, folds lack classes
MOST_TO_CHOOSE = 4000  # rows that the choice looks at
HIDDEN_SIZE = 128
_PRIOR_ROWS = 100  # rows that the common variance counts for against each feature's own
_ITERATIONS = 200
_MLP_BATCH, _MLP_STEPS = 64, 2000


@dataclass(frozen=True)
class Head:
    """A fitted head: linear layers with ReLU between them.

    Attributes:
        kind: ``logistic``, ``svm`` or ``mlp``.
        layers: Per layer the weight (out, in) and the bias (out,).
        strength: The regularisation that was used.
        tried: Mean accuracy by cross-validation of every strength tried; empty when there were too few rows.
        scale: What an SVM's decision values were multiplied by, so that a softmax over them is as sure as it is right.
    """

    kind: str
    layers: list[tuple[Floats, Floats]]
    strength: float
    tried: dict[float, float] = field(default_factory=dict)
    scale: float = 1.0

    def logits(self, features: Tensor | NDArray[Any]) -> Floats:
        """Logits (N, C) of features (N, D)."""
        hidden = np.asarray(features, dtype=np.float64)
        for number, (weight, bias) in enumerate(self.layers):
            hidden = hidden @ weight.T + bias
            if number + 1 < len(self.layers):
                hidden = np.maximum(hidden, 0)
        return hidden

    def write(self, model: PreTrainedModel) -> None:
        """Put the head into the model's own classifier.

        Raises:
            OptionError: The family has no classifier of this kind.
        """
        hidden_size = len(self.layers[0][1]) if self.kind == "mlp" else None
        rebuild_head(model, "mlp" if self.kind == "mlp" else "linear", hidden_size=hidden_size)
        path, head = head_of(model)
        targets = linear_layers(head)
        shapes = [tuple(weight.shape) for weight, _ in self.layers]
        lacking = any(layer.bias is None and bias.any() for layer, (_, bias) in zip(targets, self.layers, strict=False))
        if lacking or [tuple(layer.weight.shape) for layer in targets] != shapes:
            raise OptionError(f"the head {path!r} of {type(model).__name__} does not take layers of shape {shapes}")
        with torch.no_grad():
            for layer, (weight, bias) in zip(targets, self.layers, strict=True):
                layer.weight.copy_(torch.from_numpy(weight))
                if layer.bias is not None:
                    layer.bias.copy_(torch.from_numpy(bias))


def check_kind(kind: str) -> None:
    """Refuse a head that does not exist.

    Raises:
        OptionError: Names the nearest that does.
    """
    if kind not in KINDS:
        raise OptionError(f"head must be one of {', '.join(KINDS)}, not {kind!r}.{did_you_mean(str(kind), KINDS)}")


def fit_head(
    features: Tensor | NDArray[Any],
    labels: Tensor | NDArray[Any],
    kind: str = "logistic",
    *,
    num_labels: int,
    seed: int = 0,
    views: Sequence[Tensor | NDArray[Any]] = (),
    hidden_size: int = HIDDEN_SIZE,
    choose: bool = True,
    groups: Tensor | NDArray[Any] | None = None,
    bias: bool = True,
) -> Head:
    """Fit a head on features.

    How strongly it is regularised is chosen by cross-validation among three strengths (two for an MLP), when every
    class has at least three examples.

    Args:
        features: What the head sees of every row (N, D).
        labels: Class numbers (N,); every class must occur.
        kind: ``logistic`` (multinomial logistic regression), ``svm`` (linear, one against the rest) or ``mlp`` (one
            hidden layer).
        num_labels: Number of classes, C.
        seed: Of the folds and of what the solvers draw.
        views: Features of augmented copies of the same rows, each (N, D). A row's views never stand in the fold that
            it is scored in.
        hidden_size: Width of the MLP's hidden layer.
        choose: Whether to choose the strength.
        groups: Group numbers (N,) of rows that belong together; no group stands on both sides of a fold.
        bias: Whether the layers of ``logistic`` and ``svm`` have one; without, it is 0.

    Returns:
        The head, with weights for features as they are, not standardised.

    Raises:
        OptionError: The kind is unknown.
    """
    check_kind(kind)
    plain, targets = np.asarray(features, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    copies = [np.asarray(view, dtype=np.float64) for view in views]
    fit = _Solver(kind, num_labels, seed, hidden_size, bias)
    strength, scale = UNCHOSEN[kind], 1.0
    tried: dict[float, float] = {}
    if choose and np.bincount(targets, minlength=num_labels).min() >= FEWEST_TO_CHOOSE:
        rows = _at_most(targets, MOST_TO_CHOOSE, seed)
        if splits := _splits(targets[rows], seed, None if groups is None else np.asarray(groups)[rows]):
            views_of_rows = [copy[rows] for copy in copies]
            strength, tried, held_out = _choose(fit, plain[rows], views_of_rows, targets[rows], STRENGTHS[kind], splits)
            if kind == "svm":
                scale = _scale(*held_out)
    layers = fit(plain, copies, targets, strength)
    if kind == "svm":
        layers = [(weight * scale, bias * scale) for weight, bias in layers]
    return Head(kind, layers, strength, tried, scale)


def _splits(labels: Labels, seed: int, groups: Labels | None) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Folds with every class on the side that a head is fitted on; none where the groups allow none."""
    if groups is not None and len(np.unique(groups)) < 2:
        return []
    classes = len(np.unique(labels))
    splits = folds_of(labels, FOLDS, seed, groups)
    return [(inside, outside) for inside, outside in splits if len(np.unique(labels[inside])) == classes]


def _choose(
    fit: _Solver,
    plain: Floats,
    copies: Sequence[Floats],
    labels: Labels,
    strengths: Sequence[float],
    splits: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
) -> tuple[float, dict[float, float], tuple[Floats, Labels]]:
    """The best strength by cross-validation, the score of each, and the held-out logits and labels of the best."""
    answers = np.concatenate([labels[outside] for _, outside in splits])
    logits: dict[float, Floats] = {}
    for strength in strengths:
        heads = [
            Head(fit.kind, fit(plain[inside], [copy[inside] for copy in copies], labels[inside], strength), strength)
            for inside, _ in splits
        ]
        logits[strength] = np.concatenate(
            [head.logits(plain[outside]) for head, (_, outside) in zip(heads, splits, strict=True)]
        )
    scores = {strength: float((logits[strength].argmax(1) == answers).mean()) for strength in strengths}
    best = max(strengths, key=lambda strength: scores[strength])
    return best, scores, (logits[best], answers)


def _at_most(labels: Labels, rows: int, seed: int) -> NDArray[np.intp]:
    """A stratified part of so many rows, or all of them where that would leave a class too few."""
    if len(labels) > rows:
        part = next(folds_of(labels, math.ceil(len(labels) / rows), seed))[1]
        if np.bincount(labels[part], minlength=labels.max() + 1).min() >= FEWEST_TO_CHOOSE:
            return part
    return np.arange(len(labels))


def _scale(logits: Floats, labels: Labels) -> float:
    """The factor for which a softmax over held-out decision values has the least log loss (Guo et al. 2017)."""

    def loss(factor: float) -> float:
        scaled = logits * factor
        scaled = scaled - scaled.max(1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(labels)), labels]).mean())

    return float(min(np.geomspace(0.25, 16, 49), key=loss))


class _Solver:
    """Fits one head with one strength; gives layers for features as they are."""

    def __init__(self, kind: str, num_labels: int, seed: int, hidden_size: int, bias: bool = True) -> None:
        self.kind = kind
        self.num_labels = num_labels
        self.seed = seed
        self.hidden_size = hidden_size
        self.bias = bias

    def __call__(
        self, plain: Floats, copies: Sequence[Floats], labels: Labels, strength: float
    ) -> list[tuple[Floats, Floats]]:
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        views = 1 + len(copies)
        features, labels = np.concatenate([plain, *copies]), np.tile(labels, views)
        # A penalty means the same however many views a row has: C weighs rows against it, alpha is divided by them.
        strength = strength * views if self.kind == "mlp" else strength / views
        mean, deviation = standardisation(features)
        if not self.bias:
            mean = np.zeros_like(mean)
        with warnings.catch_warnings(), threadpool_limits(1):  # in small problems threads wait more than they work
            warnings.simplefilter("ignore", ConvergenceWarning)  # a step less or more changes no answer
            layers = self._solve((features - mean) / deviation, labels, strength)
        weight, bias = layers[0]
        layers[0] = (weight / deviation, bias - (weight / deviation) @ mean)
        return layers

    def _solve(self, features: Floats, labels: Labels, strength: float) -> list[tuple[Floats, Floats]]:
        if self.kind == "mlp":
            return self._solve_mlp(features, labels, strength)
        if self.kind == "svm":
            from sklearn.svm import LinearSVC

            solver = LinearSVC(
                C=strength, random_state=self.seed, dual="auto", max_iter=10 * _ITERATIONS, fit_intercept=self.bias
            )
        else:
            from sklearn.linear_model import LogisticRegression

            solver = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=1e-3, fit_intercept=self.bias)
        solver.fit(features, labels)
        return [_both_sides(solver.coef_, solver.intercept_ + np.zeros(len(solver.coef_)))]

    def _solve_mlp(self, features: Floats, labels: Labels, strength: float) -> list[tuple[Floats, Floats]]:
        from sklearn.neural_network import MLPClassifier

        solver = MLPClassifier(
            (self.hidden_size,),
            alpha=strength,
            random_state=self.seed,
            max_iter=max(10, _MLP_STEPS // math.ceil(len(labels) / _MLP_BATCH)),
            batch_size=min(_MLP_BATCH, len(labels)),
        ).fit(features, labels)
        (first, last), (first_bias, last_bias) = solver.coefs_, solver.intercepts_
        return [(first.T.copy(), first_bias), _both_sides(last.T, last_bias)]


def _both_sides(weight: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """A layer with one row per class, where scikit-learn gives two classes a single row: the difference of the two."""
    if len(weight) > 1:
        return weight.copy(), bias.copy()
    return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2


def standardisation(features: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each feature; the deviations drawn towards their common one, for few rows tell little."""
    mean, variance = features.mean(0), features.var(0)
    common = variance.mean() or 1.0
    return mean, np.sqrt((len(features) * variance + _PRIOR_ROWS * common) / (len(features) + _PRIOR_ROWS))
