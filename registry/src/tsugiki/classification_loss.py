"""The loss of a classifier, by the `problem_type` of its config as transformers' own classifiers have it."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from .tensor_table import IGNORED


def classification_loss(logits: Tensor, labels: Tensor, config: Any) -> Tensor:
    """What training lowers, a mean in float32.

    - ``single_label_classification``: the cross entropy in nats of class numbers `(N,)`, of which -100 leaves a row
      out, or of probabilities of the classes `(N, C)`, as mixup makes them.
    - ``multi_label_classification``: the binary cross entropy in nats of numbers from 0 to 1 `(N, C)`.
    - ``regression``: the squared difference from numbers `(N, C)`, or `(N,)` where there is one label.

    Where the config names none, a single label is a regression and several are one class of many. transformers takes
    labels in floating point for several classes a row then; those are probabilities here.

    Args:
        logits: `(N, C)`.
        labels: As above.
        config: Names the `problem_type`.

    Raises:
        ValueError: The labels have another shape.
    """
    logits = logits.float()
    kind = config.problem_type
    if kind == "single_label_classification" or (kind is None and logits.shape[-1] > 1):
        return F.cross_entropy(logits, labels, ignore_index=IGNORED)
    if logits.shape[-1] == 1 and labels.shape == logits.shape[:-1]:
        labels = labels[..., None]
    if labels.shape != logits.shape:
        raise ValueError(
            f"labels of {kind or 'regression'} must be {tuple(logits.shape)}, a number for each label, not "
            f"{tuple(labels.shape)}."
        )
    if kind == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(logits, labels.float())
    return F.mse_loss(logits, labels.float())


def require_single_labels(config: Any, loss: str) -> None:
    """Refuse the `problem_type` that a network's loss is not made for.

    Args:
        config: Names the `problem_type`.
        loss: Whose loss it is, for the message.

    Raises:
        ValueError: The config names another than ``single_label_classification``.
    """
    if config.problem_type not in (None, "single_label_classification"):
        raise ValueError(
            f"{loss} is a cross entropy of single labels; leave problem_type={config.problem_type!r} out of the config."
        )


def place_loss(logits: Tensor, labels: Tensor, config: Any) -> Tensor:
    """The mean cross entropy in nats, in float32, of a classifier that answers at every place of a text or tree.

    Args:
        logits: `(…, C)`.
        labels: Class numbers `(…)`, -100 where nothing is asked.
        config: Names the `problem_type`.

    Raises:
        ValueError: The config names another than ``single_label_classification``.
    """
    require_single_labels(config, "the loss of labels at every place")
    return F.cross_entropy(logits.float().flatten(0, -2), labels.flatten().long(), ignore_index=IGNORED)
