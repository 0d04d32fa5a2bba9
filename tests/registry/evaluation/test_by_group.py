"""Figures of groups: each group's are those of its rows alone, and the mean's interval is Student's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from tsugiki import cli, evaluate
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.by_group import mean_over_groups
from tsugiki.metrics import Metric, counted_share

from .. import transfer_data
from ..tiny_snapshots import LABELS, write_snapshot

PEOPLE = ["ada", "bob", "eva"]
GROUP = {"group": "person"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_snapshot(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def data():
    rows = transfer_data.dataset(6, classes=len(LABELS), names=LABELS)
    return rows.add_column("person", [PEOPLE[row // 4 % 3] for row in range(len(rows))])


def test_each_group_has_the_figures_of_its_rows_alone(base, data):
    found = evaluate(base, data, columns=GROUP)
    assert dict(found) == dict(evaluate(base, data))
    assert list(found.groups) == PEOPLE
    for name, figures in found.groups.items():
        rows = [row for row, person in enumerate(data["person"]) if person == name]
        assert dict(figures) == dict(evaluate(base, data.select(rows)))
        assert dict(evaluate(base, data, columns=GROUP, only=name)) == dict(figures)
    assert found["accuracy"].n == sum(one["accuracy"].n for one in found.groups.values())
    assert found.mean["accuracy"].n == 3
    assert "what a new person may expect" in found.caveats[0]
    assert all(name in found._repr_html_() for name in [*PEOPLE, "mean over person"])


def test_of_one_group_nothing_is_known_about_others(base, data):
    found = evaluate(base, data, columns=GROUP, only=["eva"])
    assert not found.mean
    assert "All rows are of one person" in found.caveats[0]
    assert list(evaluate(base, data, columns=GROUP, only=["eva", "ada"]).groups) == ["ada", "eva"]


def test_groups_that_do_not_exist_or_are_not_said_are_refused(base, data):
    with pytest.raises(DataError, match="Did you mean 'ada'"):
        evaluate(base, data, columns=GROUP, only="adaa")
    with pytest.raises(OptionError, match="only names groups"):
        evaluate(base, data, only="ada")
    with pytest.raises(DataError, match="persn"):
        evaluate(base, data, columns={"group": "persn"})


@pytest.mark.parametrize("values", [[0.5, 0.75], [0.2, 0.4, 0.4, 0.9], [0.5, 0.5, 0.5]])
def test_the_interval_is_students(values):
    mean = mean_over_groups([Metric(value, 0.0, 1.0, 8, "share") for value in values])
    low, high = np.clip(stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values) or 1e-12), 0, 1)
    assert (mean.value, mean.low, mean.high) == pytest.approx((np.mean(values), low, high))
    assert (mean.n, mean.kind) == (len(values), "share")


def test_the_interval_covers_the_mean_of_groups_where_that_over_rows_does_not():
    generator, inside, rows_inside = np.random.default_rng(0), 0, 0
    for _ in range(300):
        skill = generator.beta(4, 4, 5)  # of five speakers, whose own shares differ; 0.5 on average
        right = generator.binomial(40, skill)
        mean = mean_over_groups([Metric(one / 40, 0.0, 1.0, 40, "share") for one in right])
        inside += mean.low <= 0.5 <= mean.high
        over_rows = counted_share(int(right.sum()), 200)
        rows_inside += over_rows.low <= 0.5 <= over_rows.high
    assert inside >= 0.92 * 300
    assert rows_inside < 0.75 * 300


def test_the_command_prints_the_mean_and_each_group(base, data, tmp_path, capsys):
    data.save_to_disk(tmp_path / "data")
    words = ["evaluate", str(base), str(tmp_path / "data"), "--columns", "group=person"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "Rows of one person may be right or wrong together" in out
    assert "mean over 3 person: accuracy" in out
    assert "person bob: accuracy" in out
    assert cli.main([*words, "--only", "bob", "--only", "eva", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer["groups"]) == ["bob", "eva"]
    assert answer["mean_over_groups"]["accuracy"]["n"] == 2
    assert cli.main([*words, "--with", str(base)]) != 0
    assert "leave out --with" in capsys.readouterr().err
