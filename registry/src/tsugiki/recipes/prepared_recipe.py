"""What a recipe needs before its first step: data that is the one it names, a processor, tables and a fresh model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..columns import GROUP
from ..data.groups import without_group
from ..errors import RecipeError
from ..evaluation import task_named
from ..evaluation.chosen_classes import ChosenClasses
from ..evaluation.evaluate import predict_table
from ..evaluation.records import evaluation_record
from ..fingerprint import checked_fingerprint, content_fingerprint
from ..labelled_task import BoundTask
from ..predictions import Predictions
from ..registry import registry
from ..snapshots.provenance import Evaluation, Selection
from ..task import Task
from ..tensor_table import TensorTable
from .recipe import Recipe, RecipeData, RecipeEvaluation

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class EvaluationSet:
    """Data that the card's figures are measured on, the task that scores it, and the classes that count."""

    spec: RecipeEvaluation
    task: Task
    table: TensorTable
    fingerprint: str
    rows: int
    selection: Selection | None = None
    chosen: ChosenClasses | None = None

    def predictions(self, model: PreTrainedModel) -> Predictions:
        """What a model says about the rows."""
        found = predict_table(model, self.table, task=self.task)
        return found if self.chosen is None else self.chosen.predictions(found)

    def record(self, predictions: Predictions, processor: Any) -> Evaluation:
        """The figures of answers by a model with this processor."""
        spec = self.spec
        record = evaluation_record(
            self.task,
            predictions,
            dataset=spec.id,
            split=spec.split,
            revision=spec.revision,
            fingerprint=self.fingerprint,
            rows=self.rows,
            name=spec.name,
            task=spec.task,
            license=spec.license or None,
            source=spec.source,
            columns=without_group(spec.columns)[0] or {},
            selection=self.selection,
            classes=spec.classes,
        )
        signatures = self.task.signatures(processor)
        return replace(record, signatures={name: line for name, line in signatures.items() if name in record.metrics})


@dataclass
class PreparedRecipe:
    """A recipe with everything it needs at hand."""

    recipe: Recipe
    task: Task
    processor: Any
    label_names: list[str]
    train: TensorTable
    validation: TensorTable | None
    evaluation_sets: list[EvaluationSet]
    fingerprints: dict[str, str]
    rows: dict[str, int]

    @property
    def evaluation(self) -> TensorTable:
        """The data that the first figures are measured on."""
        return self.evaluation_sets[0].table


def prepare(recipe: Recipe) -> PreparedRecipe:
    """Find, check and decode the data of a recipe, and build its processor.

    Raises:
        DataError: A data set is missing or is not the one the recipe names.
        RecipeError: The family has no processor, or a field of it is refused.
    """
    from ..data.load_data import load_split

    data, task = recipe.learns_from, task_named(recipe.task)
    names = [data.train, *(name for name in (data.evaluation, data.validation) if isinstance(name, str))]
    loaded, fingerprints = {}, {}
    for split in dict.fromkeys(names):
        loaded[split] = load_split(data.id, split, revision=data.revision, source=data.source)
        fingerprints[split] = checked_fingerprint(
            loaded[split], data.fingerprints.get(split), called=f"{data.id} [{split}]", said_by="the recipe"
        )
    given, group = without_group(data.columns)
    learned, numbers = _learned_rows(data, loaded[data.train], group)
    columns = task.columns(learned, given)
    bound = BoundTask.to_data(task, learned, columns)
    processor = build_processor(recipe, learned, columns)
    train, validation = bound.grouped_table(learned, processor, columns, numbers), None
    if isinstance(data.validation, str):
        validation = bound.table(loaded[data.validation], processor, columns)
    elif data.validation is not None:
        train, validation = hold_out(train, data.validation)
    evaluation_sets = [evaluation_set(spec, recipe, processor, bound.label_names) for spec in recipe.evaluations]
    if data.evaluation is not None:  # the provenance's record of the data says its licence and source
        spec = RecipeEvaluation(data.id, data.evaluation, "", revision=data.revision, columns=data.columns)
        dataset, selection, fingerprint = loaded[data.evaluation], None, fingerprints[data.evaluation]
        if data.leave_out:
            dataset, selection = _left_out_rows(data, dataset)
            fingerprint = content_fingerprint(dataset)
        table = bound.table(dataset, processor, columns)
        evaluation_sets.insert(0, EvaluationSet(spec, task, table, fingerprint, len(dataset), selection))
    return PreparedRecipe(
        recipe=recipe,
        task=task,
        processor=processor,
        label_names=list(bound.label_names),
        train=train,
        validation=validation,
        evaluation_sets=evaluation_sets,
        fingerprints=fingerprints,
        rows={split: len(dataset) for split, dataset in loaded.items()},
    )


def _learned_rows(data: RecipeData, dataset: Dataset, group: str | None) -> tuple[Dataset, Tensor | None]:
    """Rows that are learned from, without groups that are left out, and the number of each one's group."""
    from ..data.groups import read_groups

    if group is None:
        return dataset, None
    groups = read_groups(dataset, group)
    if not data.leave_out:
        return dataset, groups.numbers
    rows, _ = groups.leave_out(data.leave_out)
    return dataset.select(rows.tolist()), groups.numbers[rows]


def _left_out_rows(data: RecipeData, dataset: Dataset) -> tuple[Dataset, Selection]:
    """The rows of groups that are left out, and how provenance says which they are."""
    from ..data.groups import name_digest, read_groups

    groups = read_groups(dataset, data.columns[GROUP])
    _, own = groups.rows_of(data.leave_out)
    return dataset.select(own.tolist()), Selection(
        0, group=groups.column, left_out=[name_digest(name) for name in data.leave_out]
    )


def build_processor(recipe: Recipe, train: Dataset | None, columns: Mapping[str, str]) -> Any:
    """The base model's processor, or the recipe's own, learnt from the training rows where the family's is."""
    family = registry().family(recipe.family)
    learn = family.processor_trainer()
    if recipe.base_model is not None and not recipe.processor:
        from ..snapshots.loading import load_processor

        return load_processor(recipe.base_model)
    if recipe.base_model is not None and learn is not None:
        raise RecipeError(
            f"recipe {recipe.name}: the base model {recipe.base_model} brings its processor; leave out processor"
        )
    try:
        if learn is not None:
            return learn(train, columns, **recipe.processor)
        processor_class = family.processor_class()
        if processor_class is None:
            raise RecipeError(f"recipe {recipe.name}: the family {recipe.family!r} has no processor")
        return processor_class(**recipe.processor)
    except TypeError as error:
        raise RecipeError(f"recipe {recipe.name}: processor: {error}") from error


def evaluation_set(spec: RecipeEvaluation, recipe: Recipe, processor: Any, label_names: Sequence[str]) -> EvaluationSet:
    """One of the recipe's own evaluation sets, checked and decoded."""
    from ..data.load_data import load_split

    task = task_named(spec.task or recipe.task)
    dataset = load_split(spec.id, spec.split, revision=spec.revision, source=spec.source)
    fingerprint = checked_fingerprint(
        dataset, spec.fingerprint, called=f"{spec.id} [{spec.split}]", said_by="the recipe"
    )
    chosen = ChosenClasses.of(spec.classes, label_names) if spec.classes else None
    bound = BoundTask(task, label_names if chosen is None else chosen.names)
    table = bound.table(dataset, processor, task.columns(dataset, spec.columns))
    return EvaluationSet(spec, task, table, fingerprint, len(dataset), chosen=chosen)


def hold_out(table: TensorTable, fraction: float, *, seed: int = 0) -> tuple[TensorTable, TensorTable]:
    """Split rows at random into the larger part and the held-out fraction; rows of one group stay together."""
    import torch

    if table.groups is not None:
        from ..data.splitting import hold_out_at_random

        stay, out = hold_out_at_random(len(table), fraction, seed=seed, groups=table.groups)
        return table.select(stay), table.select(out)
    order = torch.randperm(len(table), generator=torch.Generator().manual_seed(seed))
    held = max(1, round(len(table) * fraction))
    return table.select(order[held:].sort().values), table.select(order[:held].sort().values)


def build_model(run: PreparedRecipe, seed: int) -> PreTrainedModel:
    """The recipe's model: fresh weights drawn from `seed`, or its base model with a new head."""
    from transformers import set_seed

    from ..snapshots.loading import create_model, load

    set_seed(seed)
    follow = {**run.task.processor_fields(run.processor), **BoundTask(run.task, run.label_names).config_fields()}
    fields = {**run.recipe.config, **follow}
    if run.recipe.base_model is not None:
        model = load(run.recipe.base_model, task=run.recipe.task, **fields)
    else:
        model = create_model(run.recipe.family, run.recipe.task, **fields)
    if run.recipe.generation:
        if not model.can_generate():
            raise RecipeError(f"recipe {run.recipe.name}: {type(model).__name__} writes nothing; leave out generation")
        if unknown := model.generation_config.update(**run.recipe.generation):
            raise RecipeError(f"recipe {run.recipe.name}: generation has no field {', '.join(sorted(unknown))}")
    return model
