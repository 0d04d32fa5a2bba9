"""What a fine-tuning tried, chose and got: for a person to read, and as the record that provenance keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ..durations import rough_duration
from ..file_tree import FileCount
from ..metrics import Metric
from ..snapshots.transfer_record import BaseChoice, HeadRecord, TrainingRecord, TransferFacts, TransferRecord
from ..task import Picture
from .estimate import Estimate
from .heads import Head
from .stages import depth_name
from .tuning import Tuned

DEPTH_FILE = "depth.png"


@dataclass(frozen=True, kw_only=True)
class Report(TransferFacts):
    """How a fine-tuning went.

    Attributes:
        depth: How many stages were trained besides the head.
        files: What became of the files of a folder; None for other data.
        head: The head that was fitted on features; None where the network learns by its loss alone.
        tuned: The training below the head.
        scratch: The same network from fresh weights, or None.
        metrics: What was measured.
        scratch_metrics: What was measured from scratch, or None.
        estimate: The estimate before it started.
    """

    depth: int
    files: FileCount | None
    head: Head | None
    tuned: Tuned
    scratch: Tuned | None
    metrics: Mapping[str, Metric]
    scratch_metrics: Mapping[str, Metric] | None
    estimate: Estimate

    @property
    def depth_name(self) -> str:
        """The depth as a person writes it."""
        return depth_name(self.depth, len(self.stages))

    @property
    def trained_stages(self) -> list[str]:
        """Stages that were trained, from input to output."""
        return self.stages[len(self.stages) - self.depth :]

    def record(self) -> TransferRecord:
        """What provenance keeps of it."""
        facts = {item.name: getattr(self, item.name) for item in fields(TransferFacts)}
        facts["seconds"] = {phase: round(seconds, 2) for phase, seconds in self.seconds.items()}
        return TransferRecord(
            **facts,
            depth=self.depth_name,
            files={} if self.files is None else self.files.numbers,
            head=None if self.head is None else _head_record(self.head),
            training=_training_record(self.tuned),
            scratch=None if self.scratch is None else _training_record(self.scratch, self.scratch_metrics),
            estimate=self.estimate.to_dict(),
        )

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The report, one fact a line, what speaks against the figures first."""
        per_class = ""
        if self.examples_per_class:
            few, most = self.examples_per_class
            per_class = f", {few:,}" if few == most else f", {few:,} to {most:,}"
            per_class += " a class"
        lines = [f"Base {self.base}, {self.rows['train']:,} training rows{per_class}."]
        if self.base_choice is not None:
            lines += base_lines(self.base_choice)
        if self.adapted:
            lines.append(f"Against the base: {self.adapted}")
        if self.head is not None:
            lines.append(f"Head: {_head_sentence(self.head)}")
        lines.append(f"Depth {self.depth_name}: {self.why}")
        if self.files is not None:
            lines.insert(0, f"Data {self.files}.")
        lines = [*self.caveats, *lines]
        if self.choice is not None and self.choice.probes:
            tried = ", ".join(f"{probe.stage} {100 * probe.accuracy:.1f} %" for probe in self.choice.probes)
            lines.append(f"Linear probes on frozen features, rows they did not see: {tried}.")
        if self.choice is not None and self.choice.trials:
            tried = ", ".join(f"{trial.depth} {trial.loss:.3f}" for trial in self.choice.trials)
            lines.append(f"Loss after short trainings of each depth, on rows that they did not see: {tried}.")
        if self.tuned.fit is not None:
            lines.append(f"Training: {_tuned_sentence(self.tuned)}")
        for name, metric in self.metrics.items():
            lines.append(f"{name} {metric}, measured on {self.measured_on}.")
        if self.scratch is not None and self.scratch_metrics is not None:
            figures = ", ".join(f"{name} {metric}" for name, metric in self.scratch_metrics.items())
            lines.append(f"From scratch: {figures}; {_tuned_sentence(self.scratch)}")
        took = ", ".join(f"{phase} {rough_duration(seconds)}" for phase, seconds in self.seconds.items())
        lines.append(f"E{str(self.estimate)[1:]}; it took {took}.")
        return lines

    @property
    def why(self) -> str:
        """Why this depth, one sentence."""
        return f"{self.asked!r} was asked for." if self.choice is None else self.choice.why


def base_lines(choice: BaseChoice) -> list[str]:
    """The table of what was compared, a line each."""
    width = max(len(probe.base) for probe in choice.probes)
    lines = []
    for probe in choice.probes:
        said = probe.skipped
        if (accuracy := probe.accuracy) is not None:
            shown = f"{100 * accuracy.value:5.1f} % [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}]"
            said = f"{shown} of {accuracy.n:,} rows, {rough_duration(probe.seconds)}"
        lines.append(f"  {probe.base:<{width}}  {said}")
    return [f"Base {choice.base} because {choice.why}", *lines]


def _head_record(head: Head) -> HeadRecord:
    tried = [{"strength": strength, "accuracy": accuracy} for strength, accuracy in head.tried.items()]
    return HeadRecord(head.kind, head.strength, tried, head.scale)


def _training_record(tuned: Tuned, metrics: Mapping[str, Metric] | None = None) -> TrainingRecord:
    return TrainingRecord(
        learning_rate=tuned.learning_rate,
        tried=tuned.tried,
        chosen_on=tuned.chosen_on,
        steps=0 if tuned.fit is None else tuned.fit.steps,
        seconds=round(tuned.seconds, 2),
        metrics=None if metrics is None else dict(metrics),
    )


def _head_sentence(head: Head) -> str:
    name = {"logistic": "logistic regression", "svm": "linear SVM", "mlp": "MLP"}[head.kind]
    if not head.tried:
        return f"{name} on cached features, regularisation {head.strength:g}: too few rows to choose."
    tried = ", ".join(f"{strength:g} {100 * accuracy:.1f} %" for strength, accuracy in head.tried.items())
    scaled = "" if head.kind != "svm" else f" Its logits are decision values times {head.scale:.2g}."
    return f"{name} on cached features, regularisation {head.strength:g} by cross-validation ({tried}).{scaled}"


def _tuned_sentence(tuned: Tuned) -> str:
    steps = 0 if tuned.fit is None else tuned.fit.steps
    if not tuned.tried:
        return f"{steps:,} steps at learning rate {tuned.learning_rate:g}, chosen on {tuned.chosen_on}."
    tried = ", ".join(f"{scores['learning_rate']:g} (loss {scores['loss']:.3f})" for scores in tuned.tried)
    return f"{steps:,} steps at learning rate {tuned.learning_rate:g}, of {tried} on {tuned.chosen_on}."


def draw_depths(report: Report, folder: Path) -> Picture | None:
    """Draw what the probes of each stage found; None when nothing was probed."""
    if report.choice is None or not report.choice.probes:
        return None
    from matplotlib.figure import Figure

    probes = report.choice.probes[::-1]  # from input to output, as in the network
    figure = Figure(figsize=(5.2, 0.9 + 0.42 * len(probes)), layout="constrained")
    axes = figure.subplots()
    colors = ["tab:blue" if probe.depth < report.depth or report.depth == 0 else "tab:orange" for probe in probes]
    axes.barh([probe.stage for probe in probes], [100 * probe.accuracy for probe in probes], color=colors)
    axes.set(xlabel="accuracy of a linear probe, %", xlim=(0, 100))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / DEPTH_FILE, dpi=110)
    return Picture(
        DEPTH_FILE,
        f"What a linear classifier makes of each stage's frozen features, on rows it did not see. Depth "
        f"{report.depth_name} was chosen: {report.why}",
    )
