"""Training: options, resume after SIGKILL, two processes."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback
from tsugiki.errors import OptionError
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.metrics import share_metric
from tsugiki.tensor_table import TensorTable
from tsugiki.training.arguments import check_arguments
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob

from .. import training_script


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, training_script.train(folder, "normed")


@pytest.mark.killed(job=training_script.train_normed_and_be_killed)
def test_killed_at_a_random_step_and_resumed_is_bit_equal(unbroken, left_by_killed):
    """Augmentation, batch normalisation, momentum and a schedule, killed inside an epoch after a checkpoint."""
    folder, whole = unbroken
    assert whole["steps"] == training_script.STEPS
    kill_at = (left_by_killed / "killed_at").read_text()
    assert not (left_by_killed / "result.json").exists()
    resumed = training_script.train(left_by_killed, "normed")
    assert resumed["losses"] == whole["losses"], f"killed at batch {kill_at}"
    expected, weights = (load_file(path / "weights.safetensors") for path in (folder, left_by_killed))
    assert expected.keys() == weights.keys()
    assert all(torch.equal(expected[name], weights[name]) for name in expected), f"killed at batch {kill_at}"
    assert not list((left_by_killed / "run").glob("saving"))


@pytest.mark.two_processes(job=training_script.train_plain)
def test_two_processes_give_the_losses_of_one_at_the_same_global_batch(made_by_two, tmp_path):
    one, two = training_script.train(tmp_path, "plain"), json.loads((made_by_two / "result.json").read_text())
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["steps"] == two["steps"] == len(one["losses"])
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-4)


@pytest.mark.two_processes(job=training_script.train_normed)
def test_two_processes_with_batch_norm_end_within_the_interval(unbroken, made_by_two):
    _, one = unbroken
    two = json.loads((made_by_two / "result.json").read_text())
    assert two["processes"] == 2
    correct = torch.arange(training_script.ROWS) < one["correct"]
    interval = share_metric(correct.numpy())
    slack = 1 / training_script.ROWS
    assert interval.low - slack <= two["correct"] / training_script.ROWS <= interval.high + slack


def test_early_stopping_keeps_the_best_epoch(tmp_path):
    table = training_script.stripes()
    train, validation = table.select(range(160)), table.select(range(160, 240))
    result = fit(
        training_script.network("plain"),
        TrainingJob(
            train,
            tmp_path,
            {"num_train_epochs": 30, "learning_rate": 0.02, "early_stopping_patience": 2},
            validation=validation,
            task=task_named("image-classification"),
            progress=False,
        ),
    )
    assert result.best_metric == 1.0
    assert len(result.history) < 30
    assert {"epoch", "loss", "learning_rate", "eval_loss", "eval_accuracy"} <= result.history[0].keys()


@pytest.mark.parametrize("epoch", [1, 3])
def test_stopped_early_after_a_kill_keeps_the_best_epoch_too(epoch, tmp_path):
    """The best epoch is the first, for what it learns the validation calls wrong; it is killed there or at its end."""

    class Kill(TrainerCallback):
        def on_save(self, args, state, control, **kwargs):
            if state.epoch == epoch:
                raise KeyboardInterrupt

    table = training_script.stripes()
    train, validation = table.select(range(160)), table.select(range(160, 240))
    wrong = TensorTable({**validation.columns, "labels": 1 - validation.labels}, transform=validation.transform)
    arguments = {"num_train_epochs": 30, "learning_rate": 0.02, "early_stopping_patience": 2}
    made = {}
    for name in ("whole", "killed"):
        job = TrainingJob(
            train, tmp_path / name, arguments, validation=wrong, task=task_named("image-classification"), progress=False
        )
        if name == "killed":
            with pytest.raises(KeyboardInterrupt):
                fit(training_script.network("plain"), job, callbacks=[Kill()])
        model = training_script.network("plain")
        assert len(fit(model, job).history) == 3
        made[name] = model.state_dict()
    assert all(torch.equal(made["whole"][name], made["killed"][name]) for name in made["whole"])


def test_early_stopping_without_validation_is_refused(tmp_path):
    with pytest.raises(OptionError, match="needs validation data"):
        fit(
            training_script.network("plain"),
            TrainingJob(training_script.stripes(), tmp_path, {"early_stopping_patience": 2}),
        )


def test_frozen_parts_stay_as_they_are(tmp_path):
    model = training_script.network("normed")
    stem = model.normed.stem
    for parameter in stem.parameters():
        parameter.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit(
        model,
        TrainingJob(training_script.stripes(), tmp_path, {"max_steps": 3, "learning_rate": 0.1}, progress=False),
        frozen=[stem],
    )
    for name, value in model.state_dict().items():
        moved = not torch.equal(value, before[name])
        assert moved != name.startswith("normed.stem"), name


def test_parameter_groups_have_their_own_learning_rates(tmp_path):
    model = training_script.network("plain")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    groups = [
        {"params": list(model.classifier.parameters()), "lr": 0.1},
        {"params": list(model.plain.parameters()), "lr": 0.0},
    ]
    fit(
        model,
        TrainingJob(training_script.stripes(), tmp_path, {"max_steps": 2, "optim": "sgd"}, progress=False),
        parameter_groups=groups,
    )
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("classifier"), name


def test_channels_last_computes_the_same_and_leaves_the_weights_contiguous(tmp_path):
    losses = []
    for channels_last in (False, True):
        model = training_script.network("normed")
        seen = []
        model.normed.stem.register_forward_hook(
            lambda module, _, output, seen=seen: seen.append(output.is_contiguous(memory_format=torch.channels_last))
        )
        arguments = {"max_steps": 3, "save_strategy": "steps", "save_steps": 1, "channels_last": channels_last}
        folder = tmp_path / str(channels_last)
        result = fit(model, TrainingJob(training_script.stripes(), folder, arguments, progress=False))
        losses.append(result.history[-1]["loss"])
        assert seen == [channels_last] * 3
        assert all(parameter.is_contiguous() for parameter in model.parameters())
        model.save_pretrained(folder / "model")
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_after_training_in_bf16_the_model_computes_in_fp32(tmp_path):
    model, rows = training_script.network("plain"), training_script.stripes()
    fit(model, TrainingJob(rows, tmp_path, {"max_steps": 2, "bf16": True}, progress=False))
    model.save_pretrained(tmp_path / "model")
    loaded = type(model).from_pretrained(tmp_path / "model").eval()
    batch = rows.select(range(20)).batch(range(20))
    del batch["labels"]
    with torch.inference_mode():
        assert torch.equal(model(**batch).logits, loaded(**batch).logits)


def test_unknown_options_name_the_nearest():
    with pytest.raises(OptionError, match=r"unknown training option 'lerning_rate'\. Did you mean 'learning_rate'"):
        check_arguments({"lerning_rate": 1})


def test_refused_values_are_one_error(tmp_path):
    with pytest.raises(OptionError, match=r"training options: .*nonsense"):
        fit(
            training_script.network("plain"),
            TrainingJob(training_script.stripes(), tmp_path, {"lr_scheduler_type": "nonsense"}),
        )


def test_validation_keeps_what_the_task_keeps_of_a_forward_pass(tmp_path):
    class OtherWayRound(type(task_named("image-classification"))):
        def outputs(self, model, batch):
            assert "labels" not in batch
            return -model(**batch).logits

    network, table = training_script.network("plain"), training_script.stripes()
    arguments = {"num_train_epochs": 1, "learning_rate": 0.0, "per_device_train_batch_size": 64, "seed": 0}
    accuracy = {}
    for task in (task_named("image-classification"), OtherWayRound()):
        result = fit(network, TrainingJob(table, tmp_path, arguments, validation=table, task=task, progress=False))
        accuracy[type(task).__name__] = result.history[-1]["eval_accuracy"]
    predictions = predict_table(network, table)
    best = (predictions.outputs.argmax(1) == predictions.labels).mean()
    worst = (predictions.outputs.argmin(1) == predictions.labels).mean()
    assert accuracy == pytest.approx({"ImageClassification": best, "OtherWayRound": worst})
