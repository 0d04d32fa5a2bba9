"""How well the pixels of pictures are named: intersection over union, Dice and the share of right pixels.

All are made of counts by picture and class, so that resampling pictures adds up a few numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tsugiki.metrics import Metric, score_metric

from .segmentation_loss import IGNORED_PIXEL

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class PixelCounts:
    """Pixels by picture and class; those without a label are not among them.

    Attributes:
        right: Named so and labelled so (N, C).
        named: Named so (N, C).
        labelled: Labelled so (N, C).
    """

    right: Counts
    named: Counts
    labelled: Counts

    @classmethod
    def of(cls, answers: Sequence[NDArray[np.generic]], labels: Sequence[NDArray[np.generic]]) -> PixelCounts:
        """Count.

        Args:
            answers: Class numbers (H, W) of each picture.
            labels: Likewise; 255 and negative numbers are no class.
        """
        pairs = []
        classes = 1
        for answer, label in zip(answers, labels, strict=True):
            true = np.asarray(label).astype(np.int64).ravel()
            known = (true >= 0) & (true != IGNORED_PIXEL)
            said, true = np.asarray(answer).astype(np.int64).ravel()[known], true[known]
            pairs.append((said, true))
            classes = max(classes, int(said.max(initial=0)) + 1, int(true.max(initial=0)) + 1)
        right, named, labelled = (np.zeros((len(pairs), classes), dtype=np.int64) for _ in range(3))
        for row, (said, true) in enumerate(pairs):
            right[row] = np.bincount(true[said == true], minlength=classes)
            named[row] = np.bincount(said, minlength=classes)
            labelled[row] = np.bincount(true, minlength=classes)
        return cls(right, named, labelled)

    @property
    def union(self) -> Counts:
        """Named or labelled so (N, C)."""
        return self.named + self.labelled - self.right

    def picture_scores(self) -> NDArray[np.float64]:
        """Of each picture the mean intersection over union of the classes that it has or is said to have (N,)."""
        return np.array([_mean_iou(*pair) for pair in zip(self.right, self.union, strict=True)])

    def metrics(self, names: Sequence[str], *, seed: int = 0) -> dict[str, Metric]:
        """`miou`, `dice`, `pixel_accuracy` and `iou_<class>` of each class that occurs, with bootstrap intervals.

        Args:
            names: Of the classes, by number.
            seed: Of the draws.
        """
        right, union, labelled = self.right, self.union, self.labelled
        both = self.named + labelled
        pixels = int(labelled.sum())

        def metric(statistic: object, of: int = pixels) -> Metric:
            return score_metric(statistic, len(right), n=of, seed=seed)  # type: ignore[arg-type]

        metrics = {
            "miou": metric(lambda rows: _mean_iou(right[rows].sum(0), union[rows].sum(0))),
            "dice": metric(lambda rows: _mean_iou(2 * right[rows].sum(0), both[rows].sum(0))),
            "pixel_accuracy": metric(lambda rows: float(right[rows].sum() / max(1, labelled[rows].sum()))),
        }
        for number, name in enumerate(names[: right.shape[1]]):
            if union[:, number].any():
                metrics[f"iou_{name.replace(' ', '_')}"] = metric(
                    lambda rows, n=number: float(right[rows, n].sum() / max(1, union[rows, n].sum())),
                    int(labelled[:, number].sum()),
                )
        return metrics

    def commonest(self) -> float:
        """The `miou` of whoever names every pixel by the commonest class."""
        counts = self.labelled.sum(axis=0)
        return float(counts.max() / max(1, counts.sum()) / max(1, np.count_nonzero(counts)))


def _mean_iou(part: Counts, whole: Counts) -> float:
    """The mean ratio (C,) over the classes that occur; 1 where none does."""
    occurs = whole > 0
    return float((part[occurs] / whole[occurs]).mean()) if occurs.any() else 1.0
