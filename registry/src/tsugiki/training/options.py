"""Options of a trainer: a frozen dataclass whose fields carry their ranges, read from the arguments of a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from ..errors import OptionError, did_you_mean

SET_FOR_ALL = ("seed", "save_strategy", "save_total_limit")  # by whoever runs a recipe, whatever its trainer
_RANGE = "range"

Options = TypeVar("Options", bound="TrainerOptions")
Trainer = TypeVar("Trainer", bound=Callable[..., Any])


@dataclass(frozen=True)
class Range:
    """The values that an option takes.

    Attributes:
        whole: Only whole numbers.
        least: The smallest number.
        above: All numbers are larger than this.
        below: All numbers are smaller than this.
    """

    whole: bool = False
    least: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return (
            value == value  # no NaN
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        bounds = [("of at least", self.least), ("above", self.above), ("below", self.below)]
        said = " and ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)
        return f"a {'whole ' * self.whole}number {said}".rstrip()


def whole(default: int | None, *, least: int) -> Any:
    """A field for a whole number; None, where it is the default, is always taken."""
    return field(default=default, metadata={_RANGE: Range(True, least)})


def number(
    default: float | None, *, least: float | None = None, above: float | None = None, below: float | None = None
) -> Any:
    """A field for a number; None, where it is the default, is always taken."""
    return field(default=default, metadata={_RANGE: Range(False, least, above, below)})


def one_of(default: str, choices: Sequence[str]) -> Any:
    """A field for one of some words."""
    return field(default=default, metadata={_RANGE: tuple(choices)})


@dataclass(frozen=True)
class TrainerOptions:
    """Base of the options of a trainer; its fields are made by `whole`, `number` and `one_of`, or have no range.

    Attributes:
        owner: Whose options they are, as errors say it.

    Raises:
        OptionError: A value is out of its range.
    """

    owner: ClassVar[str] = "this family, which is not trained by gradient descent"

    def __post_init__(self) -> None:
        for item in fields(self):
            value, allowed = getattr(self, item.name), item.metadata.get(_RANGE)
            if allowed is None or (value is None and item.default is None) or value in allowed:
                continue
            said = f"one of {', '.join(allowed)}" if isinstance(allowed, tuple) else allowed
            raise OptionError(f"{item.name} must be {said}, not {value!r}")


def split_options(arguments: Mapping[str, Any], kind: type[Options]) -> tuple[Options, dict[str, Any]]:
    """Split training arguments into a trainer's own options and the others.

    Raises:
        OptionError: One of its own is out of range.
    """
    names = [item.name for item in fields(kind)]
    own = {name: value for name, value in arguments.items() if name in names}
    return kind(**own), {name: value for name, value in arguments.items() if name not in own}


def method_options(kind: type[TrainerOptions]) -> Callable[[Trainer], Trainer]:
    """Declare the options of a trainer that is a plugin's method, so that they are checked before the first step.

    A plugin names the trainer in `Plugin.methods`; its other arguments are those of `tsugiki.training.fit.fit`:

        @method_options(DistilOptions)
        def distil(model: PreTrainedModel, job: TrainingJob) -> FitResult: ...

    Args:
        kind: The options, which the trainer takes from its job by `TrainingJob.split_options`.
    """

    def declare(train: Trainer) -> Trainer:
        train.options = kind  # type: ignore[attr-defined]
        return train

    return declare


def read_options(arguments: Mapping[str, Any], kind: type[Options]) -> Options:
    """The options of a trainer that takes no others but a seed.

    Raises:
        OptionError: An argument is unknown, with the nearest that exists, or out of range.
    """
    options, rest = split_options(arguments, kind)
    names = [item.name for item in fields(kind)]
    for name in rest:
        if name not in SET_FOR_ALL:
            raise OptionError(
                f"training option {name!r} is unknown to {kind.owner}; its options: {', '.join(names) or 'none'}."
                f"{did_you_mean(name, names)}"
            )
    return options
