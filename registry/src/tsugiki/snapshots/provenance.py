"""Provenance: how a snapshot came about, as its ``provenance.json`` records it and its card is rendered from.

Listing models reads it, so nothing here imports numpy, torch or transformers.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SnapshotError
from ..fingerprint import file_sha256
from ..metrics import Metric
from ..output import write_json
from ..picture import Picture
from ..records import plain, read_record
from .strict_config import read_json
from .transfer_record import TransferRecord

FILE = "provenance.json"
FORMAT = 2
ORDER = (  # of the file's fields, as a reader looks for them
    *("name", "plugin", "family", "model_type", "task", "pipeline_tag", "parameters", "license", "license_name"),
    *("base_model", "distributed", "requires", "command", "recipe_sha256", "recipe", "citation", "seed", "commit"),
    *("versions", "hardware", "seconds", "date", "weights", "data", "evaluations", "seeds", "history", "samples"),
    *("pictures", "transfer", "card"),
)
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Selection:
    """Which rows of a split were taken: a share held out or so many of each class, drawn with a seed, or whole groups.

    Attributes:
        seed: Of the draw.
        held_out: The share that was held out.
        examples_per_class: So many of each class.
        at_random: Whether the share was drawn from all rows, and not by class.
        group: The column whose groups stayed whole.
        left_out: Digests of the names of the groups that were held out, where they were named; see
            `tsugiki.data.groups.name_digest`.
    """

    seed: int
    held_out: float | None = None
    examples_per_class: int | None = None
    at_random: bool = False
    group: str | None = None
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class DataRecord:
    """Rows that a model learned from or was validated on.

    Attributes:
        id: Hub id, ``tsugiki/...``, or a path.
        split: The split; None for data without any.
        revision: Commit on the Hub.
        fingerprint: Of the content, see `tsugiki.fingerprint.content_fingerprint`.
        rows: Their number.
        license: Licence of the data, where it is stated.
        source: Address and commit it comes from.
        columns: Roles of columns that the user named.
        selection: Which rows were taken, where not all were.
        format: In which the folder was read, where a person named it.
    """

    id: str
    split: str | None
    revision: str | None
    fingerprint: str
    rows: int
    license: str | None
    source: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    selection: Selection | None = None
    format: str = ""


@dataclass(frozen=True)
class LearningData:
    """What a model learned from, and what training was stopped or chosen on, where it has data of its own."""

    train: DataRecord
    validation: DataRecord | None

    def by_use(self) -> dict[str, DataRecord]:
        """``training`` and, where there is such data, ``validation``."""
        return {"training": self.train} | ({"validation": self.validation} if self.validation else {})


@dataclass(frozen=True)
class FastFigure:
    """The figure of the fixed subset that fast verification measures.

    Attributes:
        rows: Rows of the subset.
        seed: That it was drawn with.
        correct: How many of them are answered right, of a task that counts; None otherwise.
        sum: Sum of their scores, of any other task; None otherwise.
    """

    rows: int
    seed: int
    correct: int | None = None
    sum: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The figures of one data set.

    Attributes:
        dataset: Hub id, ``tsugiki/...``, or a path.
        split: The split; None for data without any.
        revision: Commit on the Hub.
        fingerprint: Of the content.
        rows: Of the data set.
        examples: What the task makes of the rows where their number is another, as windows of texts.
        metrics: By name, in the order the card shows them.
        fast: The figure of fast verification.
        name: That the metrics' names end in.
        task: That measured it, where it is not the model's own.
        license: Licence of the data, where it is not among the data that was learned from.
        source: Address and commit it comes from.
        columns: Roles of columns that the task does not find by itself.
        selection: Which rows were measured on, where not all were.
        signatures: By metric, the line that says to readers of the field exactly how it is computed.
        classes: The model's class that stands for each of the data's, where only those were to be told apart.
        format: In which the folder was read, where a person named it.
    """

    dataset: str
    split: str | None
    revision: str | None
    fingerprint: str
    rows: int
    examples: int | None = None
    metrics: dict[str, Metric]
    fast: FastFigure
    name: str | None = None
    task: str | None = None
    license: str | None = None
    source: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    selection: Selection | None = None
    signatures: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    format: str = ""


@dataclass(frozen=True)
class SeedFigures:
    """A metric over several seeds: one by one, mean, and sample standard deviation."""

    values: list[float]
    mean: float
    sd: float

    @classmethod
    def of(cls, values: Sequence[float]) -> SeedFigures:
        """Of the figures of two seeds or more."""
        return cls(list(values), statistics.fmean(values), statistics.stdev(values))


@dataclass(frozen=True)
class RecipeChoices:
    """What a recipe chose: fields of the config, of the training and of the augmentation, and its method."""

    config: dict[str, Any]
    training: dict[str, Any]
    augmentation: dict[str, Any]
    method: str | None = None


@dataclass(frozen=True)
class Hardware:
    """What it ran on: kind and name of the device, processes, threads of each, and number format."""

    device: str
    name: str
    processes: int
    threads: int
    precision: str


@dataclass(frozen=True)
class Weights:
    """The weights file: its name, SHA-256 and size."""

    file: str
    sha256: str
    bytes: int

    @classmethod
    def of(cls, folder: str | Path) -> Weights:
        """Of the snapshot in this folder."""
        path = Path(folder) / WEIGHTS
        return cls(WEIGHTS, file_sha256(path), path.stat().st_size)


@dataclass(frozen=True)
class DistributionRecord:
    """The distribution that ships the weights: its name and version for pip, the file, its SHA-256 and licence.

    `datasets` are Hub ids of what its authors trained on; there is no record of the rows.
    """

    name: str
    version: str
    file: str
    sha256: str
    license: str
    datasets: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Seal:
    """What `tsugiki.cards.seal` leaves: the prose that was rendered, and digests of the parts of the card."""

    format: int
    prose: str
    front_matter: str
    text: str
    fields: dict[str, str]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What a training knows of itself when it has finished.

    Of weights that others trained and another distribution ships, `distributed` says where they come from; seed,
    hardware, time and data are then None.

    Attributes:
        name: Name of the snapshot.
        plugin: The plugin that it comes with or needs.
        parameters: Their number; tied ones count once.
        license: Licence of the weights.
        license_name: Its name where `license` is ``other``.
        base_model: What it was trained from.
        command: What makes it again.
        recipe_sha256: Of the recipe file.
        recipe: What the recipe chose.
        citation: Papers.
        seed: Of these weights.
        commit: Of the checkout it was made in.
        hardware: What it ran on.
        seconds: Wall time.
        data: What it learned from.
        seeds: By metric, where several seeds were trained.
        history: One entry per epoch with ``epoch``, ``loss`` and what else the training logged.
        samples: Texts that the model wrote from nothing.
        transfer: How a fine-tuning went.
        distributed: Where weights come from that were not trained here.
    """

    name: str
    plugin: str
    parameters: int
    license: str
    license_name: str | None = None
    base_model: str | None
    command: str
    recipe_sha256: str | None = None
    recipe: RecipeChoices | None = None
    citation: str = ""
    seed: int | None
    commit: str | None
    hardware: Hardware | None
    seconds: float | None
    data: LearningData | None
    seeds: dict[str, SeedFigures] | None
    history: list[dict[str, Any]]
    samples: list[str] = field(default_factory=list)
    transfer: TransferRecord | None
    distributed: DistributionRecord | None = None

    @property
    def learned(self) -> dict[str, DataRecord]:
        """``training`` and ``validation`` data, as far as there is a record of them."""
        return {} if self.data is None else self.data.by_use()


@dataclass(frozen=True, kw_only=True)
class Provenance(TrainingFacts):
    """How a snapshot came about.

    Attributes:
        family: Its architecture.
        model_type: The architecture's name for transformers.
        task: What it was trained for.
        pipeline_tag: What the Hub calls the task, where that is not its name.
        requires: Distributions that the network needs besides its family's own.
        versions: Of Python and the libraries that shape the result.
        date: Day it was finished, in UTC, ISO 8601.
        weights: The weights file.
        evaluations: What was measured.
        pictures: In the order the card shows them.
        card: The card's seal.
    """

    family: str
    model_type: str
    task: str
    pipeline_tag: str | None = None
    requires: list[str] = field(default_factory=list)
    versions: dict[str, str]
    date: str
    weights: Weights
    evaluations: list[Evaluation]
    pictures: list[Picture]
    card: Seal | None = None

    @classmethod
    def read(cls, folder: str | Path) -> Provenance:
        """Read that of a snapshot.

        Raises:
            SnapshotError: It is missing, not JSON, of another format, or a field is missing, unknown or wrong.
        """
        path = Path(folder) / FILE
        return cls.from_dict(read_json(path), where=str(path))

    @classmethod
    def find(cls, folder: str | Path) -> Provenance | None:
        """Read that of a snapshot, or None where it has none, as those of other libraries have.

        Raises:
            SnapshotError: As `read` does.
        """
        return cls.read(folder) if (Path(folder) / FILE).is_file() else None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = FILE) -> Provenance:
        """Check plain data.

        Args:
            values: As `to_dict` gives it.
            where: The file it comes from, for messages.

        Raises:
            SnapshotError: It is of another format, or a field is missing, unknown or wrong.
        """
        if values.get("format") != FORMAT:
            raise SnapshotError(f"{where}: format must be {FORMAT}; it was written by another version of tsugiki")
        rest = {name: value for name, value in values.items() if name != "format"}
        found = read_record(cls, rest, where, SnapshotError)
        for number, evaluation in enumerate(found.evaluations):
            if (evaluation.fast.correct is None) == (evaluation.fast.sum is None):
                raise SnapshotError(f"{where}: evaluations[{number}].fast must have one of the fields correct and sum")
        unknown = [name for name in ("seed", "hardware", "seconds", "data") if getattr(found, name) is None]
        if unknown and found.distributed is None:
            raise SnapshotError(f"{where}: the field {unknown[0]!r} is missing")
        for metric, summary in (found.seeds or {}).items():
            if metric not in found.metrics or len(summary.values) < 2:
                raise SnapshotError(f"{where}: seeds.{metric} needs two values, and a figure of this name")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        values = plain(self)
        return {"format": FORMAT, **{name: values[name] for name in (*ORDER, *values) if name in values}}

    def write(self, folder: str | Path) -> None:
        """Write it into a snapshot."""
        write_json(Path(folder) / FILE, self.to_dict())

    @property
    def hub_task(self) -> str:
        """What the Hub calls the task."""
        return self.pipeline_tag or self.task

    @property
    def metrics(self) -> dict[str, Metric]:
        """Every figure by name; of one that was measured on several data sets the first."""
        found: dict[str, Metric] = {}
        for evaluation in self.evaluations:
            for name, metric in evaluation.metrics.items():
                found.setdefault(name, metric)
        return found

    @property
    def main_figure(self) -> tuple[str, Metric]:
        """Name and value of the figure that stands for the model where there is room for one.

        Raises:
            SnapshotError: Nothing was measured.
        """
        for evaluation in self.evaluations[:1]:
            for name, metric in evaluation.metrics.items():
                return name, metric
        raise SnapshotError(f"{FILE} of {self.name!r} has no figure")
