"""How deep to train: chosen by measurement, and deeper the more there is to learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.splitting import class_counts, folds_of
from ..snapshots.transfer_record import DepthChoice, Probe
from ..tensor_table import TensorTable
from .features import HEAD, stage_features
from .heads import standardisation
from .options import Options
from .stages import depth_name, stages_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PLENTY = 10  # examples a class from which everything is trained
FOLDS = 5
MOST_ROWS = 4000  # that a probe looks at
_RIDGE = 0.1  # penalty of a probe, per row, on standardised features


def choose_depth(model: PreTrainedModel, table: TensorTable, options: Options, *, num_labels: int) -> DepthChoice:
    """Choose how many stages to train.

    Two things decide. What the data pays for: a floor that rises with the examples per class, as `floor_for` gives it.
    And what the network lacks: where the features of a lower stage tell the new classes apart better than those above
    it, the stages above were made for other classes, and all of them are trained. The deeper of the two is taken, so
    that for the same probes more data never means less depth.

    Going deep is safe here: the head is fitted first, lower stages learn slower, and the learning rate is chosen.

    Args:
        model: The grafted model; its head plays no part.
        table: Training rows, not augmented.
        options: The options.
        num_labels: Number of classes.
    """
    counts = class_counts(table.labels, num_labels)
    stages = [stage.name for stage in stages_of(model)]
    fewest, examples = int(counts.min()), float(np.median(counts))
    if not stages:
        return DepthChoice(0, [], "the network has no stage below its head.")
    floor = floor_for(examples, len(stages))
    if examples < 2:
        why = (
            f"with one example a class nothing can be measured, and the rule is {depth_name(floor, len(stages))}: the "
            "upper three quarters of the stages."
        )
        return DepthChoice(floor, [], why)
    if fewest < 2:
        why = (
            f"a class has a single example, so nothing was measured; {examples:g} examples a class, the median, pay "
            f"for {depth_name(floor, len(stages))}."
        )
        return DepthChoice(floor, [], why)
    if table.groups is not None and len(table.groups.unique()) < 2:
        why = (
            f"all rows are of one group, so nothing was measured; {examples:g} examples a class, the median, pay for "
            f"{depth_name(floor, len(stages))}."
        )
        return DepthChoice(floor, [], why)
    probes = probe_stages(model, table, options, folds=min(FOLDS, fewest))
    lacking = lacking_depth(probes, min(len(table), MOST_ROWS))
    depth = max(floor, lacking)
    how = f"{min(FOLDS, fewest)}-fold cross-validation"
    pays = f"{examples:g} examples a class pay for {floor} of {len(stages)} stages"
    best = next(probe for probe in probes if probe.depth == lacking)
    if lacking == 0:
        found = f"by {how} no lower stage tells the classes apart better than what the head sees"
    else:
        found = (
            f"by {how} {best.stage} tells the classes apart better ({100 * best.accuracy:.1f} %) than what the head "
            f"sees ({100 * probes[0].accuracy:.1f} %), so the stages above it are trained"
        )
    return DepthChoice(depth, probes, f"{pays}, and {found}.")


def floor_for(examples: float, stages: int) -> int:
    """The depth that so many examples a class pay for, whatever the probes say.

    Three quarters of the stages at one example, everything from ten on, in between by the logarithm of the examples.
    That even one example pays for so much was measured, and is not what one would think: fitted on ten pictures, the
    head alone was 3 to 5 points behind on scikit-learn's digits (LeNet-5 from MNIST) and over 10 on hand signs
    (ResNet-20 from CIFAR-10), perhaps because the highest features are those of the old classes. Fitting the head
    first and learning slower further down keep so little data from doing harm.

    Args:
        examples: Examples of a class, 1 or more.
        stages: Stages of the network.
    """
    share = 0.75 + 0.25 * math.log(max(1.0, examples)) / math.log(PLENTY)
    return min(stages, max(math.ceil(stages / 2), math.floor(share * stages + 1e-9)))


def lacking_depth(probes: Sequence[Probe], rows: int) -> int:
    """The depth above the stage whose features tell the classes apart best.

    A stage counts as better than the head only by more than the standard error of the difference between two shares of
    so many rows; among equals the higher stage is taken.

    Args:
        probes: From the head down.
        rows: On which each was measured.
    """
    head = probes[0]
    best = max(probes, key=lambda probe: (probe.accuracy, -probe.depth))
    spread = head.accuracy * (1 - head.accuracy) + best.accuracy * (1 - best.accuracy)
    return best.depth if best.accuracy - head.accuracy > math.sqrt(spread / rows) else head.depth


def probe_stages(model: PreTrainedModel, table: TensorTable, options: Options, *, folds: int) -> list[Probe]:
    """Measure a ridge classifier on the frozen features of every stage, by cross-validation.

    Args:
        model: The grafted model.
        table: Training rows, not augmented.
        options: The options.
        folds: Number of folds, at most the examples of the smallest class.

    Returns:
        From the head down; depth k stands for the output of the stage that is the highest frozen one at depth k.
    """
    labels = table.labels.cpu().numpy()
    if len(table) > MOST_ROWS:
        part = next(folds_of(labels, math.ceil(len(table) / MOST_ROWS), options.seed))[1]
        if np.bincount(labels[part], minlength=labels.max() + 1).min() >= folds:
            table, labels = table.select(torch.from_numpy(part)), labels[part]
    groups = None if table.groups is None else table.groups.numpy()
    splits = list(folds_of(labels, folds, options.seed, groups))
    features = stage_features(model, table, device=options.device)
    return [
        Probe(depth, name, float(right_answers(features[name], labels, splits).mean()))
        for depth, name in enumerate(probed_stages(model))
    ]


def probed_stages(model: PreTrainedModel) -> list[str]:
    """Names of the stages whose features a probe looks at, from the head down."""
    return [HEAD, *(stage.name for stage in stages_of(model)[-2::-1])]


def right_answers(features: Tensor, labels: NDArray[np.int64], splits: Sequence[tuple[Any, Any]]) -> NDArray[np.bool_]:
    """Which rows outside of each fold a ridge regression on one-hot labels answers right, fold by fold."""
    values = features.double().numpy()
    mean, deviation = standardisation(values)
    values = (values - mean) / deviation  # (N, D); labels play no part in it
    targets = np.eye(labels.max() + 1)[labels]  # (N, C)
    right = []
    for inside, outside in splits:
        x, offset = values[inside], targets[inside].mean(0)
        penalty = _RIDGE * len(inside)
        if len(x) < x.shape[1]:  # the same solution through the rows' own products
            weight = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), targets[inside] - offset)
        else:
            weight = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (targets[inside] - offset))
        right.append((values[outside] @ weight + offset).argmax(1) == labels[outside])
    return np.concatenate(right)
