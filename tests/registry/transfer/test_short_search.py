"""The search of a network that costs much to train: counted, tried shortly, and left where the head is as good."""

from __future__ import annotations

import pytest
import torch
import tsugiki
from safetensors.torch import load_file
from tsugiki.snapshots.provenance import Provenance
from tsugiki.tensor_table import TensorTable
from tsugiki.text_table import text_table
from tsugiki.transfer import estimate, short_search
from tsugiki.transfer import resumable_run as runs
from tsugiki.transfer.choosing import ByAnswers
from tsugiki.transfer.options import read_options
from tsugiki.transfer.tuning import schedule_for, steps_of

from .. import transfer_data

QUICK = {"per_device_train_batch_size": 8, "augmentation": False, "progress": False}


@pytest.fixture
def costly(monkeypatch):
    monkeypatch.setattr(short_search, "MUCH", 0)
    monkeypatch.setattr(short_search, "FEWEST_STEPS", 10)
    monkeypatch.setattr(short_search, "FEWEST_TRIAL_STEPS", 3)


def test_the_work_of_a_network_is_that_of_its_layers():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 30 * 30, 5))

    class Model(torch.nn.Module):
        device = torch.device("cpu")

        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, pixel_values):
            return self.network(pixel_values)

    by_hand = 2 * (9 * 4 * 30 * 30 + 4 * 30 * 30 * 5)  # a multiplication and an addition each
    model = Model().train()
    assert short_search.forward_work(model, transfer_data.table(3)) == by_hand
    assert model.training


def test_small_networks_are_searched_as_ever_and_large_ones_shortly(monkeypatch):
    table = transfer_data.table(50)
    for work, much in ((8.2e7, False), (7.7e8, True)):  # of ResNet-20 at 32 pixels, and of EfficientNet-Lite0 at 224
        monkeypatch.setattr(short_search, "forward_work", lambda *_, work=work: work)
        assert short_search.costs_much(None, table, read_options({}), 4) is much
        assert not short_search.costs_much(None, table, read_options({"early_stopping_patience": 2}), 4)
        assert not short_search.costs_much(None, table, read_options({"max_steps": 2}), 4)


def test_the_schedule_is_shorter_unless_the_options_say():
    options, many, few = read_options({}), TensorTable({"x": torch.zeros(8000)}), TensorTable({"x": torch.zeros(200)})
    assert steps_of(short_search.short_schedule_for(options, many), 8000) == 375  # three epochs of batches of 64
    assert steps_of(short_search.short_schedule_for(options, few), 200) == short_search.FEWEST_STEPS
    assert short_search.trial_steps(short_search.short_schedule_for(options, many), 8000) == 75
    for given in ({"max_steps": 7}, {"num_train_epochs": 2}):
        usual = schedule_for(read_options(given), 200)
        assert steps_of(short_search.short_schedule_for(read_options(given), few), 200) == steps_of(usual, 200)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "group_by_length"),
        ({"train_sampling_strategy": "sequential"}, "sequential"),
        ({"rows_per_class": 2}, None),
    ],
)
def test_texts_of_like_length_go_together(given, expected):
    texts = text_table([[1] * (1 + number % 7) for number in range(20)], labels=torch.arange(20) % 2)
    schedule = short_search.short_schedule_for(read_options(given), texts)
    assert schedule.arguments.get("train_sampling_strategy") == expected
    assert (
        "train_sampling_strategy"
        not in short_search.short_schedule_for(read_options({}), transfer_data.table(5)).arguments
    )


def test_the_estimate_is_made_of_texts_of_middle_length():
    texts = text_table([[1] * (1 + 10 * (number % 3)) for number in range(30)], labels=torch.arange(30) % 2)
    rows = estimate._usual_rows(texts, 4, by_length=True)
    assert texts.columns["length"][rows].tolist() == [11] * 4
    assert estimate._usual_rows(texts, 4, by_length=False).tolist() == [0, 1, 2, 3]
    assert len(estimate._usual_rows(texts.select([0, 1]), 4, by_length=True)) == 4


def test_the_head_alone_stays_where_no_short_training_beats_it(base, data, tmp_path, costly, monkeypatch):
    monkeypatch.setattr(short_search, "RATES", (1e-30, 1e-29))  # which learn nothing
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", **QUICK)
    assert result.depth == "head"
    assert "did not beat the head alone on 8 rows held out" in str(result.report)
    frozen, before = load_file(result.path / "model.safetensors"), load_file(base / "model.safetensors")
    assert all(torch.equal(frozen[name], before[name]) for name in before if not name.startswith("classifier."))
    record = Provenance.read(result.path).transfer
    assert [trial.depth for trial in record.choice.trials] == ["head", "3"]
    assert record.training.learning_rate is None
    assert [one["learning_rate"] for one in record.training.tried] == [1e-29]  # no better, and so no other was tried
    assert (record.estimate["trials"], record.estimate["trial_steps"]) == (2, 3)
    assert tsugiki.verify(result.path, data).ok


def test_stages_are_trained_where_a_short_training_beats_the_head(base, data, tmp_path, costly, monkeypatch):
    judge, judged = ByAnswers.judge, []

    def head_is_worst(self, models, table):
        figures, scores = judge(self, models, table)
        judged.append(models)
        if len(judged) > 1:
            return figures, scores
        return [{**figures[0], "accuracy": -1.0}], [scores[0] - 100]

    monkeypatch.setattr(ByAnswers, "judge", head_is_worst)
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", **QUICK)
    assert result.depth == 3
    assert result.report.tuned.fit.steps == 12  # three epochs
    assert "beat the head alone" in result.report.choice.why


def test_a_depth_that_was_asked_for_is_trained(base, data, tmp_path, costly):
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth=1, **QUICK)
    assert result.depth == 1
    assert len(result.report.tuned.tried) == 3


def test_killed_in_a_trial_it_continues_with_the_same_weights(base, data, tmp_path, costly, monkeypatch):
    unbroken = tsugiki.finetune(base, data, output_dir=tmp_path / "unbroken", depth="all", **QUICK)
    original = runs.fit

    def killed(model, job, **options):
        if job.title == "transfer trial 1":
            raise KeyboardInterrupt
        return original(model, job, **options)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(runs, "fit", killed)
        tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="all", **QUICK)
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="all", **QUICK)
    weights = [load_file(one.path / "model.safetensors") for one in (unbroken, result)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_probes_that_find_a_lower_stage_better_are_believed(base, data, tmp_path, costly, monkeypatch):
    monkeypatch.setattr(short_search, "RATES", (1e-30, 1e-29))  # which learn nothing
    monkeypatch.setattr(short_search, "lacking_depth", lambda probes, rows: 1)
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", **QUICK)
    assert result.depth == 3
    assert "did not beat" not in result.report.choice.why
    assert len(result.report.choice.trials) == 2


def test_probes_are_not_believed_where_short_trainings_make_it_worse(base, data, tmp_path, costly, monkeypatch):
    judge, judged = ByAnswers.judge, []

    def head_is_best(self, models, table):
        figures, scores = judge(self, models, table)
        judged.append(models)
        if len(judged) > 1:
            return figures, scores
        return [{**figures[0], "accuracy": 2.0}], [scores[0] + 100]

    monkeypatch.setattr(ByAnswers, "judge", head_is_best)
    monkeypatch.setattr(short_search, "lacking_depth", lambda probes, rows: 1)
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", **QUICK)
    assert result.depth == "head"
    assert "made it worse than the head alone" in result.report.choice.why
    assert len(judged) > 2  # the other rates were tried too
