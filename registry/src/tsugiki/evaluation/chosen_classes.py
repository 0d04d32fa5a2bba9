"""Classes of a model that stand for those of some data: what a network tells apart there without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import OptionError, did_you_mean
from ..predictions import Predictions


@dataclass(frozen=True)
class ChosenClasses:
    """A few of a classifier's classes, under the names that the data gives them.

    Attributes:
        names: The data's classes.
        numbers: Those of the model's classes that stand for them.
    """

    names: list[str]
    numbers: list[int]

    @classmethod
    def of(cls, classes: Mapping[str, str], label_names: Sequence[str]) -> ChosenClasses:
        """Find a model's classes by name.

        Args:
            classes: The data's class -> the model's.
            label_names: The model's.

        Raises:
            OptionError: There are fewer than two, the model has no such class, or one stands for two.
        """
        if len(classes) < 2:
            raise OptionError(f"classes must name two of the data's classes or more, not {len(classes)}")
        for name in classes.values():
            if name not in label_names:
                raise OptionError(f"the model has no class {name!r}.{did_you_mean(name, label_names)}")
        if len(set(classes.values())) < len(classes):
            raise OptionError(f"one of the model's classes stands for two of the data's: {dict(classes)}")
        return cls(list(classes), [label_names.index(name) for name in classes.values()])

    def predictions(self, given: Predictions) -> Predictions:
        """What the model says where it must choose among these: their logits alone, labels untouched."""
        return Predictions(given.outputs[:, self.numbers], given.labels)
