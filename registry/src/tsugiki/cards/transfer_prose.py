"""The prose of a fine-tuned model's card, written from the report that the fine-tuning left in provenance."""

from __future__ import annotations

from collections.abc import Mapping

from ..metrics import Metric
from ..snapshots.provenance import Provenance
from ..snapshots.transfer_record import BaseChoice, TransferRecord
from . import numbers
from .results import table

_HEADS = {"logistic": "logistic regression", "svm": "a linear SVM", "mlp": "an MLP with one hidden layer"}
_DEPTHS = {"head": "only the new head was trained", "all": "the head first, then everything"}
_DEPTHS_BY_LOSS = {"head": "only the head was trained", "all": "everything was trained"}


def transfer_prose(provenance: Provenance, transfer: TransferRecord) -> str:
    """A `card.md` for a fine-tuned model, with slots, as a person would write it.

    Args:
        provenance: Of the model.
        transfer: How its fine-tuning went.
    """
    metric, _ = provenance.main_figure
    sections = {
        "Intended use": _use(transfer),
        "Limits": _limits(transfer),
        "How it was fine-tuned": _story(transfer),
        "Data": f"{_learned_from(transfer)}. It was measured on {{{{ measured_on }}}}.",
    }
    if transfer.scratch is not None:
        metrics = {"fine-tuned": provenance.evaluations[0].metrics, "from scratch": transfer.scratch.metrics or {}}
        sections["Against training from scratch"] = _comparison(metrics)
    introduction = (
        "`{{ base_model }}`, fine-tuned on `{{ train_data }}`. It has {{ parameters }} parameters; its "
        f"{numbers.metric_name(metric)} on {{{{ evaluation_rows }}}} rows that took no part in training is "
        f"{{{{ {metric} }}}} (95 % interval {{{{ {metric}_low }}}} to {{{{ {metric}_high }}}})."
    )
    shown = [introduction, *([" ".join(transfer.caveats)] if transfer.caveats else [])]
    return "\n\n".join([*shown, *(f"## {heading}\n\n{text}" for heading, text in sections.items())]) + "\n"


def _use(transfer: TransferRecord) -> str:
    if transfer.head is None:
        return (
            "Inputs like the rows of `{{ train_data }}`, for the task of its base, `{{ base_model }}`. Other labels, "
            "or texts of other words, need another fine-tuning, from this model or from its base."
        )
    return (
        "Inputs like the rows of `{{ train_data }}`, to be told apart into the same classes (`id2label` in "
        "`config.json` names them). Another set of classes needs another fine-tuning, from this model or from its base."
    )


def _limits(transfer: TransferRecord) -> str:
    every = ["It answers every input with one of its classes, also one that belongs to none of them."]
    points = [
        *(every if transfer.head is not None else ()),
        f"{_learned_from(transfer)}. Inputs from elsewhere (another camera, another writer, another background) may be "
        "answered less well than the figures above say.",
        "The limits of its base model hold for it too.",
    ]
    return "\n".join(f"- {point}" for point in points)


def _story(transfer: TransferRecord) -> str:
    first = "the head first, then with it" if transfer.head is not None else "the head and"
    depths = _DEPTHS if transfer.head is not None else _DEPTHS_BY_LOSS
    how = depths.get(transfer.depth) or f"{first} the last {transfer.depth} of {len(transfer.stages)} stages"
    why = f"`{transfer.asked}` was asked for." if transfer.choice is None else _sentence(transfer.choice.why)
    points = [
        f"Depth `{transfer.depth}`: {how}.",
        f"Why: {why}",
    ]
    if transfer.base_choice is not None:
        points.insert(0, f"Base: `{transfer.base_choice.base}`, for {_sentence(transfer.base_choice.why)}")
    if transfer.adapted:
        points.insert(0, f"Against the base: {_sentence(transfer.adapted)}")
    if transfer.head is not None:
        points.append(f"Head: {_HEADS[transfer.head.kind]}, fitted on the features of the frozen base.")
    training = transfer.training
    if training.learning_rate is not None:
        what = "Training below the head" if transfer.head is not None else "Training"
        points.append(
            f"{what}: {numbers.count(training.steps)} steps at learning rate {training.learning_rate:g}, chosen on "
            f"{training.chosen_on}."
        )
    parts = ["\n".join(f"- {point}" for point in points)]
    if transfer.base_choice is not None:
        parts.append(_bases(transfer.base_choice))
    if transfer.choice is not None and transfer.choice.probes:
        rows = [(f"`{one.stage}`", numbers.metric_value("share", one.accuracy)) for one in transfer.choice.probes]
        parts.append(
            "What a linear classifier makes of each stage's frozen features, on rows that it did not see:\n\n"
            + table(("stage", "accuracy"), rows, right=("accuracy",))
        )
    if transfer.choice is not None and transfer.choice.trials:
        tried = [(f"`{one.depth}`", numbers.metric_value("score", one.loss)) for one in transfer.choice.trials]
        parts.append(
            "The loss after a short training of each depth, on rows that it did not see:\n\n"
            + table(("depth", "loss"), tried, right=("loss",))
        )
    return "\n\n".join(parts)


def _bases(choice: BaseChoice) -> str:
    tried = [(probe, probe.accuracy) for probe in choice.probes if probe.accuracy is not None]
    rows = [
        (
            f"`{probe.base}`",
            numbers.metric_value("share", accuracy.value),
            numbers.metric_interval(accuracy),
            numbers.count(accuracy.n),
        )
        for probe, accuracy in tried
    ]
    said = (
        "The installed bases that were compared, by what a linear classifier makes of the best of each one's frozen "
        "features, on training rows that it did not see; those that were clearly worse were left after fewer rows:\n\n"
    )
    skipped = [f"`{probe.base}` ({probe.skipped})" for probe in choice.probes if probe.skipped]
    without = f"\n\nNot compared: {', '.join(skipped)}." if skipped else ""
    return said + table(("base", "accuracy", "95 % interval", "rows"), rows, right=("accuracy", "rows")) + without


def _comparison(metrics: Mapping[str, Mapping[str, Metric]]) -> str:
    rows = [
        (training, numbers.metric_name(name), numbers.metric_value(one.kind, one.value), numbers.metric_interval(one))
        for training, measured in metrics.items()
        for name, one in measured.items()
    ]
    return (
        "The same network from fresh weights, with the same rows, augmentation and search for the learning rate, and "
        "no fewer steps, measured on the same rows:\n\n"
        + table(("training", "metric", "value", "95 % interval"), rows, right=("value",))
    )


def _learned_from(transfer: TransferRecord) -> str:
    if not transfer.examples_per_class:
        return f"It learned from {numbers.count(transfer.rows['train'])} rows"
    few, most = transfer.examples_per_class
    per_class = numbers.count(few) + ("" if few == most else f" to {numbers.count(most)}")
    return f"It learned from {numbers.count(transfer.rows['train'])} rows, {per_class} a class"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
