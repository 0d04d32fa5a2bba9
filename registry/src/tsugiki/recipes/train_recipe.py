"""Training from a recipe: `tsugiki train hub_cards/<name>` makes the snapshot, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..augmentation_kinds import read_augmentation
from ..cards.licenses import check_license
from ..cards.metadata import license_link, split_prose
from ..cards.snapshot_files import foreign_part
from ..cards.snapshot_writer import FinishedTraining, Measured, write_snapshot
from ..data.load_data import local_paths
from ..errors import OutputError, RecipeError
from ..evaluation.records import named_metrics
from ..output import check_output, write_json
from ..picture import Picture
from ..predictions import Predictions
from ..records import plain, read_record
from ..registry import registry
from ..snapshots import environment
from ..snapshots.provenance import DataRecord, Hardware, LearningData, RecipeChoices, SeedFigures, TrainingFacts
from ..snapshots.saving import save_part
from ..snapshots.snapshot import each_opened_once
from ..snapshots.strict_config import read_json
from ..training.arguments import check_method
from ..training.event_logs import keep_event_logs
from ..training.fit import fit
from ..training.job import FitResult, TrainingJob
from ..training.processes import is_main_process, wait_for_all
from ..training.resumable import clear_checkpoints, has_progress, resumable_output
from .distributed_recipe import make_distributed
from .prepared_recipe import PreparedRecipe, build_model, prepare
from .recipe import Recipe, recipe_sha256

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ..output import Unfinished

CARD = "card.md"
_RUN = "run.json"


@dataclass(frozen=True)
class SeedRun:
    """What one seed of a recipe gave, besides its weights and its answers.

    Attributes:
        seed: The seed.
        seconds: Wall time of the training.
        history: One entry per epoch.
        metrics: Every figure by name.
        pictures: What the task drew of the model itself.
        samples: What the model wrote from nothing.
        hardware: What it ran on.
        parameters: Their number.
    """

    seed: int
    seconds: float
    history: list[dict[str, Any]]
    metrics: dict[str, float]
    pictures: list[Picture]
    samples: list[str]
    hardware: Hardware
    parameters: int


def train_seed(
    run: PreparedRecipe, seed: int, folder: Path, *, progress: bool = True
) -> tuple[PreTrainedModel, FitResult]:
    """Train one seed of a recipe; continues in `folder` where a killed run stopped.

    Args:
        run: The prepared recipe.
        seed: Seed of the weights, the order of rows and the augmentation.
        folder: Folder of the run's checkpoints.
        progress: Show a progress bar.
    """
    model = build_model(run, seed)
    options = {"save_strategy": "epoch", "save_total_limit": 1, **run.recipe.training, "seed": seed}
    job = TrainingJob(
        run.train.with_augmentation(read_augmentation(run.recipe.augmentation) or run.train.augmentation, seed=seed),
        folder,
        options,
        task=run.task,
        processor=run.processor,
        validation=run.validation,
        progress=progress,
        title=f"{run.recipe.name} seed {seed}",
    )
    trainer = _method(run.recipe) or registry().family(run.recipe.family).trainer(run.recipe.task) or fit
    return model, trainer(model, job)


@each_opened_once()
def train(
    recipe_folder: str | Path,
    *,
    output_dir: str | Path | None = None,
    seeds: Sequence[int] | None = None,
    training: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Make the snapshot of a recipe.

    The first seed makes the weights; the others are trained and measured for mean and deviation. Nothing is chosen on
    the evaluation split. A killed run continues with the same command, with the same result.

    Args:
        recipe_folder: Folder with ``recipe.yaml`` and, for a card, ``card.md``.
        output_dir: The snapshot folder; by default the plugin's own ``pretrained/<name>``.
        seeds: Seeds instead of the recipe's.
        training: Training options over the recipe's; the provenance records them.
        overwrite: Replace a snapshot that this program wrote.
        progress: Show a progress bar.

    Returns:
        The snapshot folder.

    Raises:
        RecipeError: The recipe is wrong.
        CardError: Its licence, or what ``card.md`` states, cannot stand in a card.
        DataError: Its data is missing or not what it says.
        OutputError: The output exists, is or holds data, lies in it, or cannot be written.
    """
    recipe = Recipe.read(recipe_folder)
    if training or seeds:
        recipe = replace(recipe, training={**recipe.training, **(training or {})}, seeds=list(seeds or recipe.seeds))
    _check_card(recipe, Path(recipe_folder) / CARD)
    _method(recipe)
    reads = local_paths(recipe.data_id, *(evaluation.id for evaluation in recipe.evaluations))
    foreign = foreign_part if overwrite else None
    output = check_output(output_dir or default_output(recipe), foreign=foreign, reads=reads)
    if recipe.data is None:
        return make_distributed(recipe, Path(recipe_folder), output, foreign=foreign)
    run = prepare(recipe)
    options = {"foreign": foreign, "reads": reads, "keep": _has_progress}
    with resumable_output(output, asdict(recipe), **options) as (place, is_in_place):
        results = []
        for seed in () if is_in_place else recipe.seeds:
            folder = place.folder / f"seed-{seed}"
            if not (folder / _RUN).exists():
                _train_and_measure(run, seed, folder, progress=progress)
            if is_main_process():
                results.append(read_record(SeedRun, read_json(folder / _RUN), str(folder / _RUN), OutputError))
        if results:
            _write_snapshot(run, place, results, Path(recipe_folder))
    wait_for_all()
    return output


def _method(recipe: Recipe) -> Any:
    """The method that takes the place of the trainer, its options checked; None where the recipe names none."""
    if recipe.method is None:
        return None
    method = registry().method(recipe.method)
    check_method(method, recipe.training, called=f"method {recipe.method!r}")
    return method


def _check_card(recipe: Recipe, prose: Path) -> None:
    """Refuse before the training what would keep its card from being written."""
    if prose.is_file():
        metadata, _ = split_prose(prose.read_text(encoding="utf-8"))
        link = license_link(metadata, recipe.license, "" if recipe.data is None else recipe.data.source)
        check_license(recipe.license, recipe.license_name, link)


def default_output(recipe: Recipe) -> Path:
    """Where a recipe's snapshot belongs: inside the plugin that carries it."""
    installed = registry().plugins.get(recipe.plugin)
    if installed is None or installed.manifest.pretrained is None:
        raise RecipeError(f"recipe {recipe.name}: no installed plugin {recipe.plugin!r} with snapshots; name an output")
    import importlib.util

    package, _, rest = installed.manifest.pretrained.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError(f"recipe {recipe.name}: the package {package!r} cannot be found")
    return Path(next(iter(spec.submodule_search_locations)), rest, recipe.name)


def _has_progress(partial: Path) -> bool:
    return has_progress(partial) or any(partial.glob(f"seed-*/{_RUN}"))


def _train_and_measure(run: PreparedRecipe, seed: int, folder: Path, *, progress: bool) -> None:
    """Train one seed and leave its weights, its answers and a `SeedRun` in `folder`."""
    from ..snapshots.loading import load

    model, result = train_seed(run, seed, folder, progress=progress)
    if not is_main_process():
        return
    model.to("cpu")  # type: ignore[arg-type]
    save_stored(model, folder / "model", run.recipe.storage)
    if run.recipe.storage == "float16":  # what a model computes and does not store, such as positions, is not rounded
        model = load(folder / "model", task=run.recipe.task)
    metrics: dict[str, float] = {}
    for number, evaluation_set in enumerate(run.evaluation_sets):
        predictions = evaluation_set.predictions(model.float())
        predictions.save(folder / f"predictions-{number}.npz")
        figures = named_metrics(evaluation_set.task.metrics(predictions), evaluation_set.spec.name)
        metrics |= {name: metric.value for name, metric in figures.items()}
    finished = SeedRun(
        seed=seed,
        seconds=result.seconds,
        history=result.history,
        metrics=metrics,
        pictures=run.task.model_figures(model.eval(), folder / "model"),
        samples=run.task.samples(model, run.processor),
        hardware=environment.hardware(device=result.device, processes=result.processes, precision=result.precision),
        parameters=environment.parameter_count(model),
    )
    write_json(folder / _RUN, plain(finished))
    clear_checkpoints(folder)


def save_stored(model: PreTrainedModel, folder: Path, storage: str) -> None:
    """Write a model's weights as `storage` and a config that has them loaded as float32.

    ``from_pretrained`` of transformers computes in the config's dtype, and float16 is a way to store weights but not to
    train them: without a loss scale a few steps of AdamW end in NaN.

    Args:
        model: The model; its own weights are rounded to `storage`.
        folder: Where to.
        storage: ``float32`` or ``float16``.
    """
    if storage == "float16":
        model.half()
    save_part(model, folder)
    config = folder / "config.json"
    write_json(config, read_json(config) | {"dtype": "float32"})


def _write_snapshot(run: PreparedRecipe, place: Unfinished, results: list[SeedRun], recipe_folder: Path) -> None:
    """Write the snapshot of a run's first seed."""
    recipe, data, first = run.recipe, run.recipe.learns_from, results[0]
    folder = place.folder / f"seed-{first.seed}"
    measured = []
    for number, given in enumerate(run.evaluation_sets):
        predictions = Predictions.load(folder / f"predictions-{number}.npz")
        measured.append(Measured(given.task, predictions, given.table, given.record(predictions, run.processor)))

    def data_record(split: str) -> DataRecord:
        return DataRecord(
            id=data.id,
            split=split,
            revision=data.revision,
            fingerprint=run.fingerprints[split],
            rows=run.rows[split],
            license=data.license,
            source=data.source,
        )

    validation = data_record(data.validation) if isinstance(data.validation, str) else None
    by_seed = {name: [one.metrics[name] for one in results] for name in first.metrics if len(results) > 1}
    facts = TrainingFacts(
        name=recipe.name,
        plugin=recipe.plugin,
        parameters=first.parameters,
        license=recipe.license,
        license_name=recipe.license_name,
        base_model=recipe.base_model,
        command=f"tsugiki train hub_cards/{recipe.name}",
        recipe_sha256=recipe_sha256(recipe_folder),
        recipe=RecipeChoices(recipe.config, recipe.training, recipe.augmentation, recipe.method),
        citation=recipe.citation,
        seed=first.seed,
        commit=environment.commit(recipe_folder if recipe_folder.is_dir() else recipe_folder.parent),
        hardware=first.hardware,
        seconds=first.seconds,
        data=LearningData(data_record(data.train), validation),
        seeds={name: SeedFigures.of(values) for name, values in by_seed.items()} or None,
        history=first.history,
        samples=first.samples,
        transfer=None,
    )
    prose = recipe_folder / CARD
    write_snapshot(
        place.begin(),
        FinishedTraining(
            facts=facts,
            family=registry().family(recipe.family),
            task=run.task,
            model=folder / "model",
            processor=run.processor,
            label_names=run.label_names,
            measured=measured,
            pictures=first.pictures,
            prose=prose.read_text(encoding="utf-8") if prose.is_file() else None,
        ),
    )
    keep_event_logs(place)
