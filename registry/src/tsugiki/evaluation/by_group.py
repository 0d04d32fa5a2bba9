"""Figures of rows that belong together: of each group, and the mean over groups, which tells what a new one may expect.

Rows of one speaker are right or wrong together, so that an interval over rows is too narrow for speakers that were not
measured. The groups are what is drawn: the mean of their figures has Student's interval, which holds for few of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from ..data.groups import Groups
from ..errors import DataError
from ..metrics import Metric, Metrics
from ..predictions import Predictions
from ..task import Task

_LEVEL = 0.95


class GroupedMetrics(Metrics):
    """Figures of all rows, with those of each group.

    Args:
        metrics: Of all rows.
        column: That says which rows belong together.
        groups: By the group's name.

    Attributes:
        column: As given.
        groups: As given.
        mean: The mean over groups of each figure, its `n` the number of groups; nothing where there is one group.
    """

    def __init__(self, metrics: Mapping[str, Metric], column: str, groups: Mapping[str, Metrics]) -> None:
        super().__init__(metrics)
        self.column, self.groups = column, dict(groups)
        figures = {name: [one[name] for one in groups.values() if name in one] for name in metrics}
        self.mean = Metrics({name: mean_over_groups(of) for name, of in figures.items() if len(of) > 1})
        self.caveats.append(self._caveat())

    def _caveat(self) -> str:
        """What an interval over rows leaves out."""
        if not self.mean:
            return f"All rows are of one {self.column}: how the figure differs from one to another is not known."
        one, many = self.column, len(self.groups)
        return (
            f"Rows of one {one} may be right or wrong together: what a new {one} may expect is the mean over {many:,} "
            "of them and its interval, for that over rows is too narrow."
        )

    def _repr_html_(self) -> str:
        from ..notebook import html_table

        named = {**self.groups, f"mean over {self.column}": self.mean}
        cells = [(name, *(str(found[key]) if key in found else "" for key in self)) for name, found in named.items()]
        return super()._repr_html_() + html_table((self.column, *self), cells)


def grouped_metrics(task: Task, predictions: Predictions, rows: Tensor | None, groups: Groups) -> GroupedMetrics:
    """The figures of all rows, and of the rows of each group.

    Args:
        task: That measures them.
        predictions: What a model said about the rows of a table.
        rows: Number of the group that each row of the table belongs to (N,).
        groups: The groups.

    Raises:
        DataError: The task's predictions are not one a row.
    """
    if rows is None or len(rows) != len(predictions):
        raise DataError(f"{task.name} does not predict row by row, so that there are no figures of groups")
    numbers = rows.numpy()
    found = {
        groups.names[number]: Metrics(task.metrics(predictions.select(np.flatnonzero(numbers == number))))
        for number in np.unique(numbers)
    }
    return GroupedMetrics(task.metrics(predictions), groups.column, found)


def mean_over_groups(figures: list[Metric]) -> Metric:
    """The mean of one figure over groups, each counted once, with Student's interval for the mean of groups like them.

    Args:
        figures: Of each group, at least two.
    """
    from scipy.stats import t

    values = np.array([figure.value for figure in figures], dtype=np.float64)
    reach = float(t.ppf((1 + _LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    mean, kind = float(values.mean()), figures[0].kind
    low, high = mean - reach, mean + reach
    if kind == "share":
        low, high = max(low, 0.0), min(high, 1.0)
    return Metric(mean, low, high, len(values), "score" if kind == "count" else kind)
