"""The choice of depth: more data never means less, and the reason is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tsugiki.data.splitting import pick_examples
from tsugiki.transfer import depth
from tsugiki.transfer.depth import Probe, choose_depth, floor_for, lacking_depth, probe_stages
from tsugiki.transfer.options import read_options
from tsugiki.transfer.stages import stages_of

from .. import transfer_data
from .test_stages import tiny


def choose(per_class, model=None):
    return choose_depth(model or tiny(), transfer_data.table(per_class), read_options({}), num_labels=4)


@pytest.mark.parametrize("stages", [1, 2, 4, 5, 12])
def test_floor_never_falls_as_data_grows(stages):
    floors = [floor_for(examples, stages) for examples in range(1, 80)]
    assert floors == sorted(floors)
    assert stages / 2 <= floors[0] <= max(1, 0.75 * stages)
    assert floors[-1] == stages


def test_for_the_same_probes_depth_never_falls_as_data_grows():
    probes = [Probe(depth, str(depth), accuracy) for depth, accuracy in enumerate((0.5, 0.52, 0.9, 0.7))]
    lacking = [lacking_depth(probes, rows) for rows in (8, 20, 100, 1000)]
    depths = [max(floor_for(rows / 4, 4), depth) for rows, depth in zip((8, 20, 100, 1000), lacking, strict=True)]
    assert depths == sorted(depths)
    assert lacking[-1] == 2


def test_lower_stage_must_be_better_by_more_than_chance():
    probes = [Probe(0, "head", 0.80), Probe(1, "middle", 0.82), Probe(2, "low", 0.82)]
    assert lacking_depth(probes, 100) == 0
    assert lacking_depth(probes, 2000) == 1


def test_one_example_a_class_is_by_rule():
    choice = choose(1)
    assert (choice.depth, choice.probes) == (3, [])
    assert "with one example a class nothing can be measured, and the rule is 3" in choice.why


def test_every_row_that_is_counted_was_measured(monkeypatch):
    """As many as the standard error of the comparison takes for measured."""
    measured: list[int] = []
    whole = depth.right_answers

    def counted(*given):
        found = whole(*given)
        measured.append(len(found))
        return found

    monkeypatch.setattr(depth, "right_answers", counted)
    for examples in (6, 24, 50):
        measured.clear()
        assert "5-fold cross-validation" in choose(examples).why
        assert set(measured) == {4 * examples}
    assert choose(50).depth == 4


def test_network_whose_top_is_spoiled_is_trained_from_below_it():
    model = tiny()
    with torch.no_grad():
        for stage in stages_of(model)[2:]:
            for parameter in stage.parameters():
                parameter.zero_()
    choice = choose(8, model)
    assert choice.depth == max(floor_for(8, 4), lacking_depth(choice.probes, 32))
    assert lacking_depth(choice.probes, 32) == 2
    assert "convolutions.1 tells the classes apart better" in choice.why


def test_probes_score_rows_they_did_not_see():
    """Labels drawn at random cannot be told: a probe that saw its rows would."""
    table = transfer_data.table(30)
    table.columns["labels"] = torch.from_numpy(np.random.default_rng(0).permutation(table.labels.numpy()))
    probes = probe_stages(tiny(), table, read_options({}), folds=5)
    assert [probe.depth for probe in probes] == [0, 1, 2, 3]
    assert [probe.stage for probe in probes[::3]] == ["head", "plain.convolutions.0"]
    assert all(probe.accuracy < 0.45 for probe in probes)


def test_same_rows_give_the_same_choice():
    table = transfer_data.table(20)
    few = table.select(pick_examples(table.labels, 5, seed=0))
    choices = [choose_depth(tiny(), few, read_options({}), num_labels=4) for _ in range(2)]
    assert choices[0] == choices[1]
