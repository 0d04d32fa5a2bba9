"""The recipes of the project."""

from __future__ import annotations

from pathlib import Path

import pytest
from tsugiki.public_record import public_arguments
from tsugiki.recipes.recipe import Recipe
from tsugiki.registry import registry
from tsugiki.training.arguments import check_arguments

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", sorted(REPO.glob("hub_cards/*/recipe.yaml")), ids=lambda path: path.parent.name)
def test_every_recipe_of_the_project_reads_and_its_training_options_exist(folder):
    recipe = Recipe.read(folder.parent)
    assert recipe.name == folder.parent.name
    if recipe.data is None:  # others trained it
        assert recipe.name in registry().plugins[recipe.plugin].manifest.distributed_weights
    elif registry().family(recipe.family).trainer(recipe.task) is None:  # a trainer of its own has options of its own
        check_arguments(recipe.training)
    if recipe.data is not None:
        assert set(recipe.data.fingerprints) >= {recipe.data.train, recipe.data.evaluation} - {None}
    assert all(evaluation.fingerprint for evaluation in recipe.evaluations)


def test_every_option_of_every_recipe_is_public():
    for file in sorted((REPO / "hub_cards").glob("*/recipe.yaml")):
        training = Recipe.read(file).training
        assert public_arguments(training) == training, file
