"""Pipelines that answer several inputs although one of them cannot be answered, whatever class they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ..answers import ERROR
from ..answers import answered as bisected
from ..errors import DataError, OptionError

if TYPE_CHECKING:
    from transformers import Pipeline

WINDOW = 64  # inputs of a list that are run again where one of them fails


class AnsweringPipeline:
    """What `tsugiki.pipeline` puts before a pipeline's own class.

    Called with a list, a generator or a data set, it answers an input that cannot be answered by ``{"error": why}`` in
    its place. One input alone raises as the pipeline's own class does.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the pipeline's own class, but for inputs that cannot be answered.

        Raises:
            DataError: The input is one alone and cannot be answered.
        """
        found = super().__call__(*args, **kwargs)  # type: ignore[misc]
        if isinstance(found, dict) and set(found) == {ERROR}:  # one input of a pipeline that reads it in chunks
            raise DataError(found[ERROR])
        return found

    def get_iterator(self, inputs: Any, num_workers: int, batch_size: int, *parameters: Any) -> Any:
        """The answers to several inputs: all of transformers' ways to give some come here."""
        run = partial(super().get_iterator, num_workers=num_workers, batch_size=batch_size)  # type: ignore[misc]

        def answer(some: Sequence[Any]) -> list[Any]:
            names = ("preprocess_params", "forward_params", "postprocess_params")
            return list(run(list(some), **dict(zip(names, parameters, strict=True))))

        return _Answers(inputs, answer, batch_size if num_workers == 0 else None)


@cache
def answering(pipeline_class: type[Pipeline]) -> type[Pipeline]:
    """A subclass of a pipeline's class that answers several inputs although one of them cannot be answered."""
    body = {"__doc__": pipeline_class.__doc__, "__module__": pipeline_class.__module__}
    return type(pipeline_class.__name__, (AnsweringPipeline, pipeline_class), body)


class _Answers:
    """Answers as they are asked for, of inputs that have a length or come one by one.

    Args:
        inputs: A list, a generator or a data set.
        answer: Answers several.
        at_once: Inputs a forward pass, which a generator is asked for together; None to answer a list as a whole.
    """

    def __init__(self, inputs: Any, answer: Callable[[Sequence[Any]], list[Any]], at_once: int | None) -> None:
        self.inputs = inputs
        self.answer = answer
        self.at_once = at_once

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Iterator[Any]:
        if not hasattr(self.inputs, "__len__"):
            yield from self._of_stream()
            return
        count = len(self.inputs)
        window = max(1, count if self.at_once is None else max(self.at_once, WINDOW))
        failures: list[Exception] = []
        for start in range(0, count, window):
            rows = range(start, min(start + window, count))
            yield from self._of(rows, lambda some: [self.inputs[row] for row in some], failures)
        if failures and len(failures) == count and not isinstance(failures[0], DataError):
            raise failures[0]  # no input is at fault where none can be answered

    def _of_stream(self) -> Iterator[Any]:
        window: list[Any] = []
        for one in self.inputs:
            window.append(one)
            if len(window) == (self.at_once or 1):
                yield from self._of(window, list, [])
                window = []
        yield from self._of(window, list, [])

    def _of(self, some: Sequence[Any], read: Callable[[Sequence[Any]], list[Any]], failures: list[Exception]) -> Any:
        """Answers to some inputs; what could not be answered goes to `failures`."""
        import torch

        def answer(part: Sequence[Any]) -> list[Any]:
            try:
                return [[found] for found in self.answer(read(part))]
            except (OptionError, torch.OutOfMemoryError):
                raise
            except Exception as error:  # what a stranger's preprocessing and network say of an input is of any kind
                if len(part) == 1:
                    failures.append(error)
                raise DataError(" ".join(str(error).split()) or type(error).__name__) from error

        return [found[0] for found in bisected(some, answer)]
