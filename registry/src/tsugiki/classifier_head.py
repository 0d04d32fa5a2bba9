"""The classifier that every classification family of the project ends in: a linear layer or a small MLP, by its config.

A head that was fitted outside the network (logistic regression, a linear SVM, an MLP on cached features) is written
into this module, so that the saved model needs nothing but torch to give the same logits.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import nn

from .list_fields import ListFields


@dataclass(kw_only=True, repr=False)
class ClassifierHeadConfig(ListFields):
    """The config fields of the head. Inherit from it before `PreTrainedConfig`; `@strict` then checks it as well."""

    classifier: Literal["linear", "mlp"] = "linear"  # one linear layer, or Linear-ReLU-Linear
    classifier_hidden_size: int = 128  # width between the two linear layers of "mlp"; "linear" has no use for it

    def validate_classifier(self) -> None:
        """Refuse a hidden layer without units."""
        if self.classifier_hidden_size < 1:
            raise ValueError(f"classifier_hidden_size must be at least 1, not {self.classifier_hidden_size}.")

    def validate_dropout(self) -> None:
        """Refuse a number that is no share in a field whose name ends in `dropout`; switches, and None, are none."""
        for name, share in vars(self).items():
            if not name.endswith("dropout") or share is None or isinstance(share, bool):
                continue
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {share}.")


class HeadFields(Protocol):
    """What `classifier_head` reads of a config."""

    classifier: Literal["linear", "mlp"]
    classifier_hidden_size: int

    @property
    def num_labels(self) -> int | None: ...  # noqa: D102


def classifier_head(config: HeadFields, in_features: int) -> nn.Module:
    """Build the head that `config` names, with fresh weights.

    Args:
        config: A model config with `num_labels` and the fields of `ClassifierHeadConfig`.
        in_features: Features per row, D.

    Returns:
        A module from `(N, D)` features to `(N, num_labels)` logits: `nn.Linear` for `classifier="linear"`,
        `nn.Sequential(Linear, ReLU, Linear)` for `"mlp"`.

    Raises:
        ValueError: `config.num_labels` is not at least 1.
    """
    if not config.num_labels:
        raise ValueError("The config names no labels: give num_labels=… or id2label=… to build a classifier.")
    if config.classifier == "linear":
        return nn.Linear(in_features, config.num_labels)
    return nn.Sequential(
        nn.Linear(in_features, config.classifier_hidden_size),
        nn.ReLU(),
        nn.Linear(config.classifier_hidden_size, config.num_labels),
    )
