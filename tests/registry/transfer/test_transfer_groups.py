"""Fine-tuning with rows that belong together: what is learned from, chosen on and measured on shares no group."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import tsugiki
from tsugiki.data.groups import name_digest, read_groups
from tsugiki.errors import DataError, OptionError
from tsugiki.snapshots.provenance import Provenance, Selection
from tsugiki.tasks.image_classification import ImageClassification
from tsugiki.transfer.depth import choose_depth
from tsugiki.transfer.heads import fit_head
from tsugiki.transfer.options import Options, read_options
from tsugiki.transfer.splits import read_splits

from .. import transfer_data
from ..tiny_snapshots import write_snapshot, write_spots

SHORT = {"max_steps": 4, "per_device_train_batch_size": 8, "augmentation": False, "progress": False}
PEOPLE = ["ada", "bob", "eva", "kim", "lee"]


@pytest.fixture
def base(tmp_path):
    return write_snapshot(tmp_path / "base")


def drawn(per_class: int = 10, *, people: list[str] = PEOPLE, seed: int = 0) -> datasets.Dataset:
    """Pictures, four of each person in turns, one of each class."""
    data = transfer_data.dataset(per_class, seed=seed)
    return data.add_column("person", [people[row // 4 % len(people)] for row in range(len(data))])


def people_of(table, data, column="person"):
    return {data[column][row] for row in table.row_ids.tolist()}


def test_a_named_person_is_left_out_and_found_again(base, tmp_path):
    data = drawn()
    options = {**SHORT, "columns": {"group": "person"}, "leave_out": "eva"}
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth=1, **options)
    assert result.metrics["accuracy"].n == 8
    evaluation = Provenance.read(result.path).evaluations[0]
    assert evaluation.selection == Selection(0, group="person", left_out=[name_digest("eva")])
    for file in ("provenance.json", "README.md"):  # it may be a patient
        assert "eva" not in (result.path / file).read_text(encoding="utf-8").replace("evaluat", "")
    assert "measured on 8 training rows of 1 person left out, which took no part" in str(result.report)
    assert not any("may not hold" in caveat for caveat in result.caveats)
    assert tsugiki.verify(result.path, data).ok
    other = drawn(people=["ada", "eva", "bob", "kim", "lee"])
    assert not tsugiki.verify(result.path, other).ok


def test_a_share_is_of_whole_persons_and_found_again(base, tmp_path):
    data = drawn()
    options = {**SHORT, "columns": {"group": "person"}}
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="head", **options)
    assert result.metrics["accuracy"].n == 8
    assert Provenance.read(result.path).evaluations[0].selection == Selection(0, held_out=0.2, group="person")
    assert "measured on 8 training rows of whole person held out" in str(result.report)
    assert tsugiki.verify(result.path, data, fast=True).ok


def processor_of(base):
    from tsugiki.snapshots.loading import load_processor

    return load_processor(base)


def test_parts_share_no_person_and_tables_know_theirs(base):
    data = drawn()
    splits = read_splits(data, ImageClassification(), processor_of(base), Options(columns={"group": "person"}))
    assert people_of(splits.train, data).isdisjoint(people_of(splits.test, data))
    numbers = read_groups(data, "person").numbers
    assert splits.train.groups.tolist() == numbers[splits.train.row_ids].tolist()
    assert splits.caveats == []


@pytest.mark.parametrize(
    ("train", "test", "options", "said"),
    [
        (drawn(), None, Options(), "may not hold for a new person; columns group=person keeps each of them whole."),
        (drawn(), drawn(3, people=["ada"]), Options(columns={"group": "person"}), "may not hold for a new person."),
        (drawn(), drawn(3, people=["new"]), Options(), None),
        (transfer_data.dataset(10), None, Options(), None),
    ],
)
def test_a_figure_that_may_not_hold_for_new_persons_says_so(train, test, options, said, base):
    data = train if test is None else datasets.DatasetDict(train=train, test=test)
    caveats = read_splits(data, ImageClassification(), processor_of(base), options).caveats
    assert [caveat.endswith(said) for caveat in caveats] == ([] if said is None else [True])


def test_a_network_without_classes_shares_no_person_either(tmp_path):
    base, data = write_spots(tmp_path / "base"), transfer_data.spots(40)
    data = data.add_column("person", [PEOPLE[row // 8] for row in range(40)])
    options = {**SHORT, "columns": {"group": "person"}, "progress": False}
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", **options)
    assert Provenance.read(result.path).evaluations[0].selection == Selection(
        0, held_out=0.2, at_random=True, group="person"
    )
    assert result.report.tuned.chosen_on == "8 rows held out of the training rows"
    assert tsugiki.verify(result.path, data).ok
    options["leave_out"] = ["ada", "kim"]
    left = tsugiki.finetune(base, data, output_dir=tmp_path / "left", depth="head", learning_rate=1e-3, **options)
    assert left.metrics["accuracy"].n == 16
    assert tsugiki.verify(left.path, data).ok
    told = tsugiki.finetune(base, data, output_dir=tmp_path / "told", depth="head", learning_rate=1e-3, **SHORT)
    assert told.caveats[-1].startswith("Rows of one person may be both learned from and measured on")


def test_groups_to_leave_out_need_a_column_and_are_measured_on_alone(base):
    with pytest.raises(DataError, match="leave_out names groups; say with columns="):
        read_splits(drawn(), ImageClassification(), processor_of(base), Options(leave_out=["eva"]))
    with pytest.raises(OptionError, match="leave_out names what to measure on, and test does too"):
        read_options({"leave_out": ["eva"], "test": 0.2})
    with pytest.raises(OptionError, match="leave_out must be names of groups"):
        read_options({"leave_out": {"eva": 1}})


def test_probes_and_heads_score_persons_that_they_did_not_see():
    """A feature that gives away the person is of no use to who is scored on others."""
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 10)
    labels = draw.integers(0, 2, 12)[groups]  # of the person, not of the picture
    features = np.eye(12)[groups] + draw.normal(0, 0.01, (120, 12))
    assert max(fit_head(features, labels, num_labels=2).tried.values()) > 0.95
    assert max(fit_head(features, labels, num_labels=2, groups=groups).tried.values()) < 0.7
    alone = fit_head(features, labels, num_labels=2, groups=np.zeros(120, dtype=np.int64))
    assert (alone.tried, alone.strength) == ({}, 1.0)


def test_depth_is_not_measured_on_the_one_person_there_is(base):
    table = transfer_data.table(8)
    alone = table.with_groups(table.labels * 0)
    choice = choose_depth(tsugiki.load(base, num_labels=4), alone, Options(), num_labels=4)
    assert choice.probes == []
    assert "all rows are of one group, so nothing was measured" in choice.why
