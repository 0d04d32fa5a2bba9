"""Options of a fine-tuning: ours and those of `TrainingArguments`; and which rows learn."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tsugiki.augmentation import Augmentation
from tsugiki.data.splitting import check_classes, hold_out, pick_examples, repeated
from tsugiki.errors import CardError, DataError, OptionError
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import FitResult
from tsugiki.transfer import tuning
from tsugiki.transfer.options import LIGHT, read_options
from tsugiki.transfer.tuning import rates_for, rows_of_step, schedule_for, steps_of

from .. import transfer_data


def test_options_are_sorted_into_ours_and_those_of_the_training():
    options = read_options({"head": "svm", "learning_rate": 0.01, "seed": 3, "augmentation": {"flip": True}})
    assert (options.head, options.seed, options.training) == ("svm", 3, {"learning_rate": 0.01})
    assert options.augmentation == Augmentation(flip=True)
    assert read_options({}).augmentation == LIGHT
    assert read_options({"augmentation": False}).augmentation is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"learnig_rate": 0.1}, "Did you mean 'learning_rate'"),
        ({"compare_scrach": True}, "Did you mean 'compare_scratch'"),
        ({"output_dir": "x"}, "unknown option 'output_dir'"),
        ({"head": "svn"}, "Did you mean 'svm'"),
        ({"examples_per_class": 0}, "at least 1"),
        ({"learning_rate": -1}, "above 0"),
        ({"test": 1.5}, "share between 0 and 1"),
        ({"max_steps": "ten"}, "max_steps must be a number"),
        ({"bf16": "yes"}, "bf16 must be a number, true or false"),
        ({"push_to_hub": True}, "a training publishes nothing"),
        ({"overwrite": "yes"}, "overwrite must be true or false"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"device": "gpu"}, "device 'gpu' is unknown"),
        ({"device": "cuda"}, "not on this machine"),
        ({"augmentation": {"flop": True}}, "Did you mean 'flip'"),
        ({"columns": "image"}, "columns must map roles"),
    ],
)
def test_wrong_options_are_one_error(given, says):
    with pytest.raises(OptionError, match=says):
        read_options(given)


def test_a_licence_that_no_card_can_state_is_refused_before_anything_is_trained():
    with pytest.raises(CardError, match="license 'mine' is not an identifier"):
        read_options({"license": "mine"})


def test_another_device_than_the_first_is_refused_as_the_trainer_would_not_take_it(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert read_options({"device": "cuda:0"}).device == "cuda:0"
    with pytest.raises(OptionError, match="CUDA_VISIBLE_DEVICES=1 and write 'cuda'"):
        read_options({"device": "cuda:1"})


def test_three_rates_or_the_one_given_and_fresh_weights_search_all_the_same():
    assert len(rates_for(read_options({}))) == len(rates_for(read_options({}), fresh=True)) == 3
    given = read_options({"learning_rate": 0.5})
    assert rates_for(given) == (0.5,)
    assert len(rates_for(given, fresh=True)) == 3
    assert rates_for(read_options({"optim": "sgd"}))[0] == pytest.approx(0.009)


def test_schedule_is_short_for_few_rows_and_the_users_where_it_is_given():
    few = schedule_for(read_options({}), 10)
    assert steps_of(few, 10) == 300
    assert few.repeats * 10 >= 32 * 20
    assert steps_of(schedule_for(read_options({}), 60_000), 60_000) == 4688
    given = schedule_for(read_options({"num_train_epochs": 2, "per_device_train_batch_size": 4}), 10)
    assert (given.repeats, steps_of(given, 10)) == (1, 6)


def test_rows_are_held_out_by_class():
    labels = torch.tensor([0] * 10 + [1] * 4 + [2])
    stay, held = hold_out(labels, 0.25, seed=0)
    assert sorted([*stay.tolist(), *held.tolist()]) == list(range(15))
    assert np.bincount(labels[held], minlength=3).tolist() == [2, 1, 0]
    assert np.bincount(labels[stay], minlength=3).tolist() == [8, 3, 1]


def test_fewer_examples_are_among_more():
    labels = torch.arange(40) % 4
    few, many = (set(pick_examples(labels, count, seed=1).tolist()) for count in (2, 5))
    assert few < many
    assert len(many) == 20


def test_class_without_rows_is_named():
    with pytest.raises(DataError, match="class 'c': no training rows"):
        check_classes(torch.tensor([0, 1, 0]), ["a", "b", "c"])


def test_repeated_rows_are_augmented_each_in_its_own_way():
    table = repeated(transfer_data.table(1).with_augmentation(Augmentation(translate=0.3), seed=0), 3)
    batch = table.batch(range(12))
    assert len(table) == 12
    assert torch.equal(batch["labels"][:4], batch["labels"][4:8])
    assert not torch.equal(batch["pixel_values"][:4], batch["pixel_values"][4:8])


@pytest.mark.parametrize(
    ("best_at", "tried", "taken"),
    [
        (1e-3, [3e-4, 1e-3, 3e-3], 1e-3),
        (1.0, [3e-4, 1e-3, 3e-3, 1e-2], 1e-2),
        (0.0, [3e-4, 1e-3, 3e-3, 9e-5], 9e-5),
        (3e-3, [3e-4, 1e-3, 3e-3, 1e-2], 3e-3),
    ],
)
def test_where_the_best_rate_is_the_highest_or_the_lowest_one_beyond_it_is_tried(best_at, tried, taken, monkeypatch):
    class Nearest:
        """A choice for which the candidate whose rate is nearest is the best."""

        def judge(self, models, table):
            away = [abs(np.log10(model.rate) - np.log10(best_at + 1e-6)) for model in models]
            return [{"loss": one} for one in away], [np.full(4, -one) for one in away]

    def fit(run, key, model, train, validation, depth, rate, *rest):
        model.rate = rate
        return FitResult(steps=1, seconds=1.0)

    monkeypatch.setattr(tuning, "fit_candidate", fit)
    options, rows = read_options({}), transfer_data.table(1)
    run = SimpleNamespace(task=SimpleNamespace(settings=lambda model, table: {}))
    tuned = tuning.tune(
        run, "transfer", lambda kept: torch.nn.Linear(1, 1), rows, rows, depth=1, rates=rates_for(options),
        schedule=schedule_for(options, 4), options=options, choice=Nearest(),
    )  # fmt: skip
    assert [one["learning_rate"] for one in tuned.tried] == tried
    assert tuned.learning_rate == tuned.model.rate == taken
    assert tuned.seconds == len(tried)


def test_fine_tuning_tries_what_training_from_scratch_does():
    rates, fresh = (rates_for(read_options({}), fresh=fresh) for fresh in (False, True))
    assert tuning.rate_beyond(rates, 2) == fresh[-1]
    assert tuning.rate_beyond(rates, 1) is None
    assert tuning.rate_beyond((0.5,), 0) is None


def test_steps_of_large_rows_take_fewer():
    small = TensorTable({"pixel_values": torch.zeros(10, 3, 128, 128)})
    large = TensorTable({"pixel_values": torch.zeros(10, 3, 240, 320)})
    assert rows_of_step(small) is None
    assert rows_of_step(large) == 8
    arguments = schedule_for(read_options({}), 1000, batch=8).arguments
    assert arguments["per_device_train_batch_size"] == 8
    assert arguments["max_steps"] == 1250
    given = schedule_for(read_options({"per_device_train_batch_size": 4}), 10, batch=8).arguments
    assert given["per_device_train_batch_size"] == 4
