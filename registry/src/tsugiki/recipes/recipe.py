"""Recipes: the whole truth of how a checkpoint is made, in one YAML file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..columns import GROUP
from ..errors import OptionError, RecipeError
from ..records import read_record

FILE = "recipe.yaml"


@dataclass(frozen=True)
class RecipeData:
    """The data of a recipe.

    Attributes:
        id: Hub id, or ``tsugiki/...`` for a set of this project.
        train: Split to train on.
        license: Licence of the data.
        evaluation: Split the card's figures are measured on; never used to choose anything. A recipe may leave it
            away and name other data sets in its ``evaluations``.
        source: Address and commit it comes from.
        revision: Commit on the Hub.
        validation: Split to stop early on, or a fraction of the training split that is held out for it.
        columns: Roles of columns the task does not find by itself. Of every task's data, ``group`` is the column that
            says which rows belong together, such as those of one speaker; a fraction held out then has whole groups.
        leave_out: Groups that are not learned from; of the evaluation split only their rows are measured on.
        fingerprints: Split -> content fingerprint, checked before the first step.
    """

    id: str
    train: str
    license: str
    evaluation: str | None = None
    source: str = ""
    revision: str | None = None
    validation: str | float | None = None
    columns: dict[str, str] = field(default_factory=dict)
    leave_out: list[str] = field(default_factory=list)
    fingerprints: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RecipeEvaluation:
    """A data set of its own that the card's figures are measured on.

    Attributes:
        id: Hub id, or ``tsugiki/...`` for a set of this project.
        split: Split to measure on; never used to choose anything.
        license: Licence of the data.
        name: Its name in the metrics' keys: ``spearman`` measured on ``wordsim353`` becomes ``spearman_wordsim353``.
        task: The task that scores it; by default the recipe's.
        source: Address and commit it comes from.
        revision: Commit on the Hub.
        columns: Roles of columns the task does not find by itself.
        fingerprint: Content fingerprint, checked before the first step.
        classes: The model's class that stands for each of the data's, of a classifier that knows more than those.
    """

    id: str
    split: str
    license: str
    name: str | None = None
    task: str | None = None
    source: str = ""
    revision: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    fingerprint: str | None = None
    classes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is made.

    Attributes:
        name: The checkpoint's name; also the name of its folder.
        plugin: The plugin that carries it.
        family: Architecture.
        task: Task name.
        license: Licence of the weights, which may follow from the data.
        data: What it learns from; None where another distribution ships the weights, see
            `tsugiki.Plugin.distributed_weights`.
        training: Fields of `transformers.TrainingArguments` by their own names; ``early_stopping_patience``,
            ``channels_last``, ``attn_implementation``, ``ema_decay`` and ``rows_per_class`` besides.
            The batch size is that of all processes together (``split_batches``) unless the recipe says otherwise.
        seeds: Seeds; the first makes the snapshot, the others are measured for mean and deviation.
        status: ``trained``, or ``untrained`` for a recipe without a snapshot yet.
        config: Fields of the model's config.
        processor: Fields of the processor.
        augmentation: Fields of `tsugiki.augmentation.Augmentation`, or for audio of
            `tsugiki.waveform_augmentation.WaveformAugmentation`; one of a plugin by its ``kind``, and its fields.
        method: The method of a plugin that trains it, such as ``compression:distil``, in the place of `fit` or of the
            family's own trainer; its options stand in ``training``.
        generation: Fields of the model's generation config, such as ``num_beams``, of a model that writes.
        target: Metric -> figure it must reach, such as ``{"accuracy": 0.992}``.
        base_model: Checkpoint it starts from. Its processor is taken where `processor` is left out, as it must be where
            the family learns processors from texts.
        evaluations: More data sets to measure on, each by a task of its own.
        citation: Papers.
        license_name: Name of the licence where `license` is ``other``.
        labels: Text file, beside the recipe or above it, with the name of a class a line, of weights that another
            distribution ships.
        storage: Number format of the published weights, ``float32`` or ``float16``. The figures are those of the stored
            weights, computed in float32.
    """

    name: str
    plugin: str
    family: str
    task: str
    license: str
    data: RecipeData | None = None
    training: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0])
    status: Literal["trained", "untrained"] = "trained"
    config: dict[str, Any] = field(default_factory=dict)
    processor: dict[str, Any] = field(default_factory=dict)
    augmentation: dict[str, Any] = field(default_factory=dict)
    method: str | None = None
    generation: dict[str, Any] = field(default_factory=dict)
    target: dict[str, float] = field(default_factory=dict)
    base_model: str | None = None
    evaluations: list[RecipeEvaluation] = field(default_factory=list)
    citation: str = ""
    license_name: str | None = None
    labels: str | None = None
    storage: Literal["float32", "float16"] = "float32"

    @property
    def learns_from(self) -> RecipeData:
        """The data.

        Raises:
            RecipeError: There is none, because others trained the weights.
        """
        if self.data is None:
            raise RecipeError(f"recipe {self.name}: there is nothing to train; another distribution ships the weights")
        return self.data

    @property
    def data_id(self) -> str:
        """Id of the data it learns from, or of the first that it is measured on."""
        return self.evaluations[0].id if self.data is None else self.data.id

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """Read a recipe from its folder or file.

        Raises:
            RecipeError: It is missing, not YAML, or has a wrong field.
        """
        return cls.from_dict(read_yaml(recipe_file(path)), where=str(recipe_file(path)))

    @classmethod
    def from_dict(cls, values: Any, *, where: str = "recipe") -> Recipe:
        """Check and convert plain data.

        Raises:
            RecipeError: A field is missing, unknown or of the wrong type.
        """
        from ..augmentation_kinds import read_augmentation

        recipe = read_record(cls, values, where, RecipeError)
        if (recipe.data is None or recipe.data.evaluation is None) and not recipe.evaluations:
            raise RecipeError(f"{where}: nothing to measure on; give data.evaluation or evaluations")
        names = [(evaluation.task, evaluation.name) for evaluation in recipe.evaluations]
        if twice := [name for name in names if names.count(name) > 1]:
            raise RecipeError(f"{where}: two evaluations have the name {twice[0][1]!r}, and so the same metrics")
        seeds = recipe.seeds
        if not seeds or len(set(seeds)) != len(seeds):
            raise RecipeError(f"{where}: seeds must be a list of different whole numbers, not {seeds!r}")
        if recipe.data is None and recipe.training:
            raise RecipeError(f"{where}: there is nothing to train without data; weights of others have neither")
        if recipe.data is not None and "training" not in values:
            raise RecipeError(f"{where}: the field 'training' is missing")
        validation = None if recipe.data is None else recipe.data.validation
        if isinstance(validation, float) and not 0 < validation < 1:
            raise RecipeError(f"{where}: data.validation = {validation} must be a split or a fraction below 1")
        if recipe.data is not None and recipe.data.leave_out and GROUP not in recipe.data.columns:
            raise RecipeError(
                f"{where}: data.leave_out names groups; data.columns.{GROUP} says which column holds them"
            )
        try:
            read_augmentation(recipe.augmentation)
        except OptionError as error:
            raise RecipeError(f"{where}: {error}") from error
        return recipe


def recipe_file(path: str | Path) -> Path:
    """The YAML file of a recipe folder, or the file itself."""
    return Path(path) / FILE if Path(path).is_dir() else Path(path)


def recipe_sha256(path: str | Path) -> str:
    """SHA-256 of the recipe file."""
    return hashlib.sha256(recipe_file(path).read_bytes()).hexdigest()


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        RecipeError: It is missing or not YAML.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
