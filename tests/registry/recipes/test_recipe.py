"""Recipes: strict fields, one error with the nearest."""

from __future__ import annotations

import pytest
import yaml
from tsugiki.errors import RecipeError
from tsugiki.recipes.recipe import Recipe, recipe_sha256

MINIMAL = {
    "name": "a",
    "plugin": "toy",
    "family": "plain",
    "task": "image-classification",
    "license": "mit",
    "data": {"id": "org/name", "train": "train", "evaluation": "test", "license": "mit"},
    "training": {"num_train_epochs": 1},
}


def test_defaults():
    recipe = Recipe.from_dict(MINIMAL)
    assert recipe.seeds == [0] and recipe.status == "trained" and recipe.data.validation is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"familly": "plain"}, r"unknown field 'familly'\. Did you mean 'family'"),
        ({"family": None}, "the field 'family' is missing"),
        ({"data": {**MINIMAL["data"], "trian": "x"}}, r"data: unknown field 'trian'\. Did you mean 'train'"),
        ({"data": {"id": "org/name"}}, "data: the field 'train' is missing"),
        ({"data": "mnist"}, "data must be a mapping, not str"),
        ({"seeds": []}, "different whole numbers"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"seeds": ["a"]}, r"seeds\[0\] must be a whole number, not 'a'"),
        ({"license": 7}, "license must be text, not 7"),
        ({"storage": "int8"}, "storage must be one of float32, float16, not 'int8'"),
        ({"data": {**MINIMAL["data"], "fingerprints": {"train": 1234}}}, r"data\.fingerprints\.train must be text"),
        ({"status": "done"}, "status must be one of trained, untrained"),
        ({"augmentation": {"flp": True}}, r"augmentation: unknown field 'flp'\. Did you mean 'flip'"),
        ({"training": ["a"]}, "training must be a mapping"),
        ({"data": {**MINIMAL["data"], "validation": 1.5}}, "a split or a fraction below 1"),
    ],
)
def test_wrong_recipes_are_refused(change, message):
    with pytest.raises(RecipeError, match=message):
        Recipe.from_dict({**MINIMAL, **change})


def test_files(tmp_path):
    with pytest.raises(RecipeError, match=r"recipe\.yaml cannot be read"):
        Recipe.read(tmp_path / "recipe.yaml")
    (tmp_path / "recipe.yaml").write_text("a: [1")
    with pytest.raises(RecipeError, match="is not YAML"):
        Recipe.read(tmp_path)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(MINIMAL))
    before = recipe_sha256(tmp_path)
    assert Recipe.read(tmp_path).name == "a"
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**MINIMAL, "seeds": [1]}))
    assert recipe_sha256(tmp_path) != before


def test_evaluation_sets_of_their_own_stand_for_a_split_of_the_data():
    alone = {key: value for key, value in MINIMAL["data"].items() if key != "evaluation"}
    with pytest.raises(RecipeError, match="nothing to measure on"):
        Recipe.from_dict({**MINIMAL, "data": alone})
    pairs = {"id": "org/pairs", "split": "test", "license": "mit", "name": "pairs"}
    recipe = Recipe.from_dict({**MINIMAL, "data": alone, "evaluations": [pairs, {**pairs, "name": "other"}]})
    assert [evaluation.name for evaluation in recipe.evaluations] == ["pairs", "other"]
    for wrong, message in (
        ([pairs, pairs], "two evaluations have the name 'pairs'"),
        ([{**pairs, "spilt": "x"}], r"evaluations\[0\]: unknown field 'spilt'. Did you mean 'split'"),
        ([{"id": "org/pairs"}], "the field 'split' is missing"),
        ("pairs", "evaluations must be a list"),
    ):
        with pytest.raises(RecipeError, match=message):
            Recipe.from_dict({**MINIMAL, "evaluations": wrong})
