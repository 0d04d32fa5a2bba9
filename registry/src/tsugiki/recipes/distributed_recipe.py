"""Making the snapshot of weights that another distribution ships: nothing is trained, everything is measured."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from ..cards.snapshot_writer import FinishedTraining, Measured, write_snapshot
from ..errors import RecipeError
from ..evaluation import task_named
from ..evaluation.evaluate import model_label_names
from ..output import unfinished_output, write_json
from ..registry import Checkpoint, registry
from ..snapshots import environment
from ..snapshots.auto_classes import register_family
from ..snapshots.converted_weights import convert
from ..snapshots.provenance import WEIGHTS, DistributionRecord, RecipeChoices, TrainingFacts
from ..snapshots.resolve import CONFIG
from ..snapshots.saving import save_part
from ..snapshots.snapshot import Snapshot
from ..snapshots.strict_config import override_config, read_json
from .prepared_recipe import build_processor, evaluation_set
from .recipe import Recipe, recipe_file, recipe_sha256

CARD = "card.md"


def make_distributed(recipe: Recipe, recipe_folder: Path, output: Path, *, foreign: Any = None) -> Path:
    """Write the snapshot of a recipe without data: config, processor, figures and card, all but the weights.

    Args:
        recipe: The recipe, whose plugin declares where the weights lie.
        recipe_folder: Its folder.
        output: The snapshot folder, checked.
        foreign: As `tsugiki.output.check_output` takes it.

    Returns:
        The snapshot folder.

    Raises:
        RecipeError: The plugin declares no such weights, or the file of labels is missing.
        PluginError: The distribution is not installed.
        SnapshotError: Its file is not the declared one, or does not fit the config.
    """
    plugin = registry().plugins.get(recipe.plugin)
    weights = None if plugin is None else plugin.manifest.distributed_weights.get(recipe.name)
    if plugin is None or weights is None:
        raise RecipeError(
            f"recipe {recipe.name}: it has no data to learn from, and the plugin {recipe.plugin!r} declares no weights "
            "of this name in another distribution"
        )
    family = registry().family(recipe.family)
    task = task_named(recipe.task)
    with tempfile.TemporaryDirectory() as temporary:
        model_folder = Path(temporary)
        register_family(family)
        model_class = family.model_class(recipe.task if recipe.task in family.declaration.models else "base")
        config = override_config(family.config_class(), {}, {**recipe.config, **_labels(recipe, recipe_folder)})
        config.architectures = [model_class.__name__]
        save_part(config, model_folder)
        file = model_folder / CONFIG
        write_json(file, read_json(file) | {"dtype": "float32"})
        checkpoint = Checkpoint(recipe.name, plugin.name, plugin.distribution, model_folder, weights)
        version = convert(checkpoint, weights, model_folder)
        _add_processor(model_folder, recipe, list(weights.files))
        snapshot = Snapshot.of_folder(model_folder, recipe.name)
        model, processor = snapshot.model(), snapshot.processor()
        names = model_label_names(model)
        sets = [evaluation_set(spec, recipe, processor, names) for spec in recipe.evaluations]
        measured = []
        for one in sets:
            predictions = one.predictions(model)
            measured.append(Measured(one.task, predictions, one.table, one.record(predictions, processor)))
        facts = TrainingFacts(
            name=recipe.name,
            plugin=recipe.plugin,
            parameters=environment.parameter_count(model),
            license=recipe.license,
            license_name=recipe.license_name,
            base_model=None,
            command=f"tsugiki train hub_cards/{recipe.name}",
            recipe_sha256=recipe_sha256(recipe_folder),
            recipe=RecipeChoices(recipe.config, {}, {}),
            citation=recipe.citation,
            seed=None,
            commit=environment.commit(recipe_file(recipe_folder).parent),
            hardware=None,
            seconds=None,
            data=None,
            seeds=None,
            history=[],
            transfer=None,
            distributed=DistributionRecord(
                weights.distribution,
                version,
                weights.weights.path,
                weights.weights.sha256,
                weights.license,
                list(weights.datasets),
            ),
        )
        prose = Path(recipe_folder) / CARD
        with unfinished_output(output, foreign=foreign) as place:
            folder = place.begin()
            write_snapshot(
                folder,
                FinishedTraining(
                    facts=facts,
                    family=family,
                    task=task,
                    model=model_folder,
                    processor=processor,
                    label_names=next((one.chosen.names for one in sets if one.chosen is not None), names),
                    measured=measured,
                    pictures=[],
                    prose=prose.read_text(encoding="utf-8") if prose.is_file() else None,
                ),
            )
            for name in (WEIGHTS, *weights.files):  # the distribution brings them
                (folder / name).unlink()
    return output


def _add_processor(folder: Path, recipe: Recipe, brought: list[str]) -> None:
    """Write the processor's files that the distribution does not bring: all of them, or what stands beside those."""
    if not brought:
        save_part(build_processor(recipe, None, {}), folder)
    elif recipe.processor:
        processor_class: Any = registry().family(recipe.family).processor_class()
        with tempfile.TemporaryDirectory() as place:
            save_part(processor_class.from_pretrained(folder, **recipe.processor), Path(place))
            for file in Path(place).iterdir():
                if file.name not in brought:
                    shutil.copyfile(file, folder / file.name)


def _labels(recipe: Recipe, recipe_folder: Path) -> dict[str, Any]:
    """Fields of the config for the classes that a text file names, one a line."""
    if recipe.labels is None:
        return {}
    path = recipe_file(recipe_folder).parent / recipe.labels
    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RecipeError(f"recipe {recipe.name}: {path} cannot be read: {error.strerror}") from error
    if len(set(names)) < len(names):
        raise RecipeError(f"recipe {recipe.name}: {path} names a class twice")
    return {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
