"""The prose of a fine-tuned model's card, written from the report that the fine-tuning left in provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..metrics import Metric
from . import numbers
from .front_matter import short_name
from .results import table

_HEADS = {"logistic": "logistic regression", "svm": "a linear SVM", "mlp": "an MLP with one hidden layer"}
_DEPTHS = {"head": "only the new head was trained", "all": "the head first, then everything"}


def transfer_prose(provenance: Mapping[str, Any]) -> str:
    """A `card.md` for a fine-tuned model.

    Args:
        provenance: ``transfer`` holds ``base``, ``depth`` and the ``report`` of the fine-tuning.

    Returns:
        Prose with slots, as a person would write it. What the report does not tell is left out.
    """
    transfer = provenance["transfer"]
    report: Mapping[str, Any] = transfer.get("report") or {}
    learned = short_name(provenance["data"]["train"]["id"])
    metric = next(iter(provenance["evaluations"][0]["metrics"]))
    sections = {
        "Intended use": (
            f"Inputs like the rows of `{learned}`, to be told apart into the same classes (`id2label` in `config.json` "
            "names them). Another set of classes needs another fine-tuning, from this model or from its base."
        ),
        "Limits": _limits(provenance, report),
        "How it was fine-tuned": _story(transfer, report),
        "Data": _data(provenance, report),
    }
    if scratch := report.get("scratch"):
        sections["Against training from scratch"] = _comparison(provenance, scratch)
    introduction = (
        f"`{short_name(transfer['base'])}`, fine-tuned on `{learned}`. It has {{{{ parameters }}}} parameters; its "
        f"{numbers.metric_name(metric)} on {{{{ evaluation_rows }}}} rows that took no part in training is "
        f"{{{{ {metric} }}}} (95 % interval {{{{ {metric}_low }}}} to {{{{ {metric}_high }}}})."
    )
    return "\n\n".join([introduction, *(f"## {heading}\n\n{text}" for heading, text in sections.items())]) + "\n"


def _limits(provenance: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    rows = f"{numbers.count(_training_rows(provenance, report))} rows"
    points = [
        "It answers every input with one of its classes, also one that belongs to none of them.",
        f"It learned from {rows}{_per_class(report)}. Inputs from elsewhere (another camera, another writer, another "
        "background) may be answered less well than the figures above say.",
        "The limits of its base model hold for it too.",
    ]
    return "\n".join(f"- {point}" for point in points)


def _story(transfer: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    depth = str(transfer["depth"])
    stages = report.get("stages") or []
    how = _DEPTHS.get(depth) or (
        f"the head first, then with it the last {depth} of {len(stages)} stages" if stages else f"to depth {depth}"
    )
    choice = report.get("choice") or {}
    points = [f"Depth `{depth}`: {how}."]
    if choice.get("why"):
        points.append(f"Why: {_sentence(choice['why'])}")
    elif report.get("asked") is not None:
        points.append(f"Why: `{report['asked']}` was asked for.")
    if head := report.get("head"):
        points.append(f"Head: {_HEADS.get(head['kind'], head['kind'])}, fitted on the features of the frozen base.")
    training = report.get("training") or {}
    if training.get("learning_rate") is not None:
        points.append(
            f"Training below the head: {numbers.count(training['steps'])} steps at learning rate "
            f"{training['learning_rate']:g}, chosen on {training['chosen_on']}."
        )
    parts = ["\n".join(f"- {point}" for point in points)]
    if probes := choice.get("probes"):
        rows = [(f"`{probe['stage']}`", numbers.metric_value("share", probe["accuracy"])) for probe in probes]
        parts.append(
            "What a linear classifier makes of each stage's frozen features, on rows that it did not see:\n\n"
            + table(("stage", "accuracy"), rows, right=("accuracy",))
        )
    return "\n\n".join(parts)


def _comparison(provenance: Mapping[str, Any], scratch: Mapping[str, Any]) -> str:
    rows = [
        (name, numbers.metric_name(metric), numbers.metric_value(figures["kind"], figures["value"]), interval)
        for name, metrics in (
            ("fine-tuned", provenance["evaluations"][0]["metrics"]),
            ("from scratch", scratch["metrics"]),
        )
        for metric, figures in metrics.items()
        for interval in (numbers.metric_interval(Metric(**figures)),)
    ]
    return (
        "The same network from fresh weights, with the same rows, augmentation and search for the learning rate, and "
        "no fewer steps, measured on the same rows:\n\n"
        + table(("training", "metric", "value", "95 % interval"), rows, right=("value",))
    )


def _data(provenance: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    text = f"It learned from {numbers.count(_training_rows(provenance, report))} rows{_per_class(report)}."
    if measured_on := report.get("measured_on"):
        text += f" It was measured on {_sentence(measured_on)}"
    return text


def _training_rows(provenance: Mapping[str, Any], report: Mapping[str, Any]) -> int:
    return (report.get("rows") or {}).get("train") or provenance["data"]["train"]["rows"]


def _per_class(report: Mapping[str, Any]) -> str:
    if not report.get("examples_per_class"):
        return ""
    few, most = report["examples_per_class"]
    return f", {numbers.count(few)}{'' if few == most else f' to {numbers.count(most)}'} a class"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
