"""`tsugiki train`: a recipe becomes a whole snapshot, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
import torch
import tsugiki
import yaml
from safetensors.torch import load_file
from tsugiki.data.groups import name_digest
from tsugiki.errors import CardError, DataError, OutputError, RecipeError
from tsugiki.evaluation.evaluate import evaluate
from tsugiki.fingerprint import file_sha256
from tsugiki.output import partial_path
from tsugiki.recipes import train_recipe as recipe_training
from tsugiki.recipes.prepared_recipe import prepare
from tsugiki.recipes.recipe import Recipe
from tsugiki.snapshots.provenance import FastFigure, Provenance, Selection

from .. import stripes_recipe
from ..stripes_recipe import striped, write_recipe


@pytest.fixture
def recipe_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path / "mirror"))
    return write_recipe(tmp_path)


def test_weights_stored_as_float16_are_computed_with_as_float32(recipe_folder, tmp_path):
    import transformers

    file = recipe_folder / "recipe.yaml"
    recipe = yaml.safe_load(file.read_text()) | {"storage": "float16", "seeds": [0]}
    file.write_text(yaml.safe_dump(recipe))
    output = recipe_training.train(recipe_folder, output_dir=tmp_path / "out", progress=False)
    assert {tensor.dtype for tensor in load_file(output / "model.safetensors").values()} == {torch.float16}
    model = transformers.AutoModelForImageClassification.from_pretrained(output)  # as people load it who train it
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_recipe_goes_on_from_its_base_model_with_the_base_models_processor(recipe_folder, tmp_path, monkeypatch):
    base = recipe_training.train(recipe_folder, output_dir=tmp_path / "base", progress=False)
    asked = []
    monkeypatch.setattr("tsugiki.snapshots.hub.download", lambda *name: asked.append(name) or base)
    file = recipe_folder / "recipe.yaml"
    recipe = yaml.safe_load(file.read_text()) | {"base_model": "org/base", "seeds": [0, 1]}
    del recipe["processor"], recipe["config"]
    recipe["training"] |= {"num_train_epochs": 1, "learning_rate": 1e-9}
    file.write_text(yaml.safe_dump(recipe))
    output = recipe_training.train(recipe_folder, output_dir=tmp_path / "out", progress=False)
    processors = [json.loads((folder / "preprocessor_config.json").read_text()) for folder in (base, output)]
    assert processors[0] == processors[1]
    before, after = (load_file(folder / "model.safetensors") for folder in (base, output))
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in before)
    assert Provenance.read(output).base_model == "org/base"
    assert asked == [("org/base", None)]  # once for the processor and the networks of both seeds


def test_a_recipe_becomes_a_snapshot_with_its_record(recipe_folder, tmp_path):
    output = recipe_training.train(recipe_folder, output_dir=tmp_path / "out", progress=False)
    names = {path.name for path in output.iterdir()}
    assert {"README.md", "config.json", "model.safetensors", "preprocessor_config.json", "provenance.json"} <= names
    assert not any(name.startswith(("seed-", "checkpoint", "training_args")) for name in names)
    assert not partial_path(output).exists()
    record = Provenance.read(output)
    assert record.weights.sha256 == file_sha256(output / "model.safetensors")
    assert record.data.train.fingerprint and record.data.train.rows == 160
    assert len(record.seeds["accuracy"].values) == 2
    assert record.hardware.processes == 1 and record.history[-1]["epoch"] == 4
    (evaluation,) = record.evaluations
    assert evaluation.metrics["accuracy"].value == record.seeds["accuracy"].values[0]
    measured = evaluate(output, "org/stripes", split="test")["accuracy"]
    assert measured == evaluation.metrics["accuracy"]
    assert evaluation.fast == FastFigure(80, 0, correct=round(measured.value * 80))


def test_the_same_recipe_gives_the_same_weights(recipe_folder, tmp_path):
    folders = [
        recipe_training.train(recipe_folder, output_dir=tmp_path / name, seeds=[3], progress=False) for name in "ab"
    ]
    first, second = (load_file(folder / "model.safetensors") for folder in folders)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_that_stopped_between_seeds_continues(recipe_folder, tmp_path, monkeypatch):
    trained = []
    original = recipe_training.train_seed

    def stopping(run, seed, folder, **options):
        if seed == 1 and not trained:
            trained.append(seed)
            raise KeyboardInterrupt
        return original(run, seed, folder, **options)

    monkeypatch.setattr(recipe_training, "train_seed", stopping)
    output = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        recipe_training.train(recipe_folder, output_dir=output, progress=False)
    assert not output.exists()
    record = partial_path(output) / "seed-0" / "run.json"
    before = record.stat().st_mtime_ns
    with pytest.raises(OutputError, match="unfinished run with other options"):
        recipe_training.train(recipe_folder, output_dir=output, training={"num_train_epochs": 1}, progress=False)
    assert record.stat().st_mtime_ns == before
    recipe_training.train(recipe_folder, output_dir=output, progress=False)
    assert len(json.loads((output / "provenance.json").read_text())["seeds"]["accuracy"]["values"]) == 2


def test_other_data_than_the_recipe_names_is_refused_before_the_first_step(recipe_folder, tmp_path):
    striped(range(100)).to_parquet(tmp_path / "mirror" / "org" / "stripes" / "data" / "train-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"org/stripes \[train\] has the fingerprint .*, the recipe says"):
        recipe_training.train(recipe_folder, output_dir=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists() and not partial_path(tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "front_matter", "said"),
    [
        ({"license": "other", "license_name": "own"}, "", "license 'other' needs a license_link"),
        ({}, "---\nlanguage: klingon\n---\n", "language 'klingon' is no code"),
    ],
)
def test_what_no_card_takes_is_refused_before_the_first_step(changes, front_matter, said, recipe_folder, tmp_path):
    recipe, prose = recipe_folder / "recipe.yaml", recipe_folder / "card.md"
    recipe.write_text(yaml.safe_dump({**yaml.safe_load(recipe.read_text()), **changes}))
    prose.write_text(front_matter + prose.read_text())
    with pytest.raises(CardError, match=said):
        recipe_training.train(recipe_folder, output_dir=tmp_path / "out", progress=False)
    assert not list(tmp_path.glob("out*"))


def test_missing_data_names_its_source(recipe_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="It comes from a loom"):
        recipe_training.train(recipe_folder, output_dir=tmp_path / "out", progress=False)


def test_groups_that_a_recipe_leaves_out_are_measured_on_alone_and_found_again(recipe_folder, tmp_path):
    data = recipe_folder.parent / "mirror" / "org" / "stripes" / "data" / "train-00000-of-00001.parquet"
    table = datasets.Dataset.from_parquet(str(data))
    looms = [("old", "new", "big", "small")[row // 8 % 4] for row in range(len(table))]
    table.add_column("loom", looms).to_parquet(data)
    file = recipe_folder / "recipe.yaml"
    recipe = yaml.safe_load(file.read_text()) | {"seeds": [0]}
    recipe["data"] |= {"columns": {"group": "loom"}, "validation": 0.3, "leave_out": ["big"], "evaluation": "train"}
    del recipe["data"]["fingerprints"]
    file.write_text(yaml.safe_dump(recipe))
    run = prepare(Recipe.read(file))
    parts = [set(run.train.groups.tolist()), set(run.validation.groups.tolist())]
    assert (len(parts[0]), len(parts[1])) == (2, 1)
    assert parts[0].isdisjoint(parts[1])
    output = recipe_training.train(recipe_folder, output_dir=tmp_path / "out", progress=False)
    evaluation = Provenance.read(output).evaluations[0]
    assert (evaluation.rows, evaluation.columns) == (40, {})
    assert evaluation.selection == Selection(0, group="loom", left_out=[name_digest("big")])
    assert tsugiki.verify(output).ok
    del recipe["data"]["columns"]
    with pytest.raises(RecipeError, match=r"data\.columns\.group says which column holds them"):
        Recipe.from_dict(recipe)


def test_an_existing_snapshot_is_kept_unless_asked(recipe_folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.safetensors").write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        recipe_training.train(recipe_folder, output_dir=tmp_path / "out", progress=False)
    assert (tmp_path / "out" / "model.safetensors").read_text() == "precious"


def test_a_full_disk_is_one_error_and_leaves_nothing(recipe_folder, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", full)
    with pytest.raises(OutputError, match="no space left on the disk"):
        recipe_training.train(recipe_folder, output_dir=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists() and not partial_path(tmp_path / "out").exists()


def test_a_recipe_of_an_absent_plugin_needs_an_output(recipe_folder):
    path = recipe_folder / "recipe.yaml"
    path.write_text(path.read_text().replace("plugin: toy", "plugin: telescopes"))
    with pytest.raises(RecipeError, match="no installed plugin 'telescopes'"):
        recipe_training.train(recipe_folder, progress=False)


@pytest.mark.two_processes(job=stripes_recipe.train_by_two)
def test_two_processes_make_one_snapshot_that_says_so(made_by_two):
    assert Provenance.read(made_by_two / "out").hardware.processes == 2
    assert not partial_path(made_by_two / "out").exists()


@pytest.mark.killed(job=stripes_recipe.train_and_be_killed)
def test_killed_and_run_again_gives_the_weights_of_an_unbroken_run(left_by_killed, tmp_path, monkeypatch):
    monkeypatch.setenv("TSUGIKI_DATASETS", str(left_by_killed / "mirror"))
    recipe, output = left_by_killed / "stripes-mlp", left_by_killed / "out"
    assert not output.exists() and partial_path(output).exists()
    unbroken = recipe_training.train(recipe, output_dir=tmp_path / "unbroken", seeds=[0], progress=False)
    recipe_training.train(recipe, output_dir=output, seeds=[0], progress=False)
    assert file_sha256(output / "model.safetensors") == file_sha256(unbroken / "model.safetensors")
    assert Provenance.read(output).history == Provenance.read(unbroken).history
    assert not partial_path(output).exists()
