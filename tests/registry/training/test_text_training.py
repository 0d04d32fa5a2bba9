"""Training of models that write: smoothed labels, early stopping by loss, a recipe's generation config."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from tsugiki import create_model
from tsugiki.errors import RecipeError
from tsugiki.recipes.prepared_recipe import PreparedRecipe, build_model
from tsugiki.recipes.recipe import Recipe
from tsugiki.task import Task
from tsugiki.training.arguments import training_arguments
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki.training.table_trainer import TableTrainer

from ..random_pairs import ROWS, TOKENS, check_smoothed_loss, pairs

MARIAN = {
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
    "dropout": 0.0,
    "init_std": 0.5,
    "decoder_start_token_id": 1,
    "forced_eos_token_id": None,
}


def translator():
    torch.manual_seed(0)
    return create_model("marian", "text-translation", **MARIAN, **TOKENS)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_loss_of_an_encoder_decoder_is_the_published_formula(smoothing, tmp_path):
    check_smoothed_loss(translator(), smoothing, tmp_path)


def test_the_inputs_of_a_smoothed_loss_stay_as_they_were(tmp_path):
    model, batch = translator(), pairs().batch(range(4))
    trainer = TableTrainer(
        model=model, args=training_arguments(tmp_path, {"label_smoothing_factor": 0.1}), train_dataset=pairs()
    )
    trainer.compute_loss(model, batch)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_accumulated_steps_log_the_mean_loss(smoothing, tmp_path):
    """A forward with **kwargs would otherwise be taken for one that divides by the accumulated labels itself."""
    table = pairs(rows=8)
    table.columns["labels"] = table.columns["labels"].clamp(min=3)  # as many labels in each half
    logged = []
    for steps in (1, 2):
        arguments = {
            "max_steps": 1,
            "per_device_train_batch_size": 8 // steps,
            "gradient_accumulation_steps": steps,
            "label_smoothing_factor": smoothing,
            "learning_rate": 0.0,
        }
        result = fit(translator(), TrainingJob(table, tmp_path / str(steps), arguments, progress=False))
        logged.append(result.history[-1]["loss"])
    assert logged[1] == pytest.approx(logged[0], rel=1e-4)


class Searched(Task):
    """Its metrics would take a search, so validation must not ask for them."""

    name: ClassVar[str] = "searched"
    main_metric: ClassVar[str] = "bleu"
    validates_by_loss: ClassVar[bool] = True

    def columns(self, dataset, given=None):
        raise AssertionError

    read_rows = figures = answer = columns  # type: ignore[assignment]

    def row_scores(self, predictions):
        raise AssertionError

    def metrics(self, predictions, *, seed=0):
        raise AssertionError("validation asked for a metric that takes a search")

    def outputs(self, model, batch):
        raise AssertionError("validation kept outputs that nobody scores")


def test_a_task_that_validates_by_loss_stops_at_the_lowest_and_keeps_its_weights(tmp_path):
    train, validation = pairs(), pairs(seed=1)  # random pairs: what is learnt of one helps nothing with the other
    model = translator()
    result = fit(
        model,
        TrainingJob(
            train,
            tmp_path,
            {
                "num_train_epochs": 40,
                "per_device_train_batch_size": 4,
                "learning_rate": 0.02,
                "early_stopping_patience": 2,
                "seed": 0,
            },
            validation=validation,
            task=Searched(),
            progress=False,
        ),
    )
    losses = [entry["eval_loss"] for entry in result.history if "eval_loss" in entry]
    assert len(losses) < 40
    assert result.best_metric == pytest.approx(min(losses))
    assert losses.index(min(losses)) == len(losses) - 3  # two epochs later it stopped
    assert not [name for name in result.history[-1] if name.startswith("eval_") and name != "eval_loss"]
    batch = validation.batch(range(ROWS))
    with torch.inference_mode():
        labels = batch["labels"]
        logits = model(**batch).logits
    measured = float(F.cross_entropy(logits.flatten(0, 1), labels.flatten()))
    assert measured == pytest.approx(min(losses), rel=0.05)  # the best epoch's weights, not the last one's


def recipe(**fields) -> Recipe:
    values = {
        "name": "tiny",
        "plugin": "toy",
        "family": "marian",
        "task": "text-translation",
        "license": "mit",
        "data": {"id": "org/pairs", "train": "train", "evaluation": "test", "license": "mit"},
        "training": {},
        "config": MARIAN,
        **fields,
    }
    return Recipe.from_dict(values)


def prepared(given: Recipe, processor_fields=TOKENS) -> PreparedRecipe:
    """A run without its data."""
    task = SimpleNamespace(processor_fields=lambda _: processor_fields, config_fields=lambda _: {})
    return PreparedRecipe(given, task, None, [], pairs(), None, [], {}, {})  # type: ignore[arg-type]


def test_generation_fields_of_a_recipe_reach_the_saved_model(tmp_path):
    from transformers import GenerationConfig

    model = build_model(prepared(recipe(generation={"num_beams": 5, "length_penalty": 0.8, "max_new_tokens": 9})), 0)
    model.save_pretrained(tmp_path)
    saved = GenerationConfig.from_pretrained(tmp_path)
    assert (saved.num_beams, saved.length_penalty, saved.max_new_tokens) == (5, 0.8, 9)
    assert (saved.decoder_start_token_id, saved.eos_token_id) == (1, 2)


def test_unknown_generation_fields_are_refused():
    with pytest.raises(RecipeError, match="recipe tiny: generation has no field beams"):
        build_model(prepared(recipe(generation={"beams": 5})), 0)


def test_a_model_that_writes_nothing_takes_no_generation_fields():
    given = recipe(
        plugin="toy",
        family="plain",
        task="image-classification",
        config={"image_size": 16},
        generation={"num_beams": 2},
    )
    with pytest.raises(RecipeError, match="PlainForImageClassification writes nothing; leave out generation"):
        build_model(prepared(given, {}), 0)


def test_generation_that_is_no_mapping_is_refused():
    with pytest.raises(RecipeError, match="generation must be a mapping"):
        recipe(generation=5)
