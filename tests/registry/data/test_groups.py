"""Rows of one group stay together wherever rows are held out; a column that every task's data may have names groups."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
import torch
from tsugiki.data.groups import can_hold_out_groups, group_like_column, read_groups, without_group
from tsugiki.data.splitting import folds_of, hold_out, hold_out_at_random
from tsugiki.errors import DataError

GROUPS = torch.arange(120) // 12  # ten groups of twelve rows, with every class in each
LABELS = torch.arange(120) % 3


def of(rows: torch.Tensor) -> set[int]:
    return set(GROUPS[rows].tolist())


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.8])
def test_a_share_is_held_out_in_whole_groups(fraction):
    for split in (
        lambda seed: hold_out(LABELS, fraction, seed=seed, groups=GROUPS),
        lambda seed: hold_out_at_random(len(LABELS), fraction, seed=seed, groups=GROUPS),
    ):
        stay, held = split(0)
        assert of(stay).isdisjoint(of(held))
        assert sorted([*stay.tolist(), *held.tolist()]) == list(range(120))
        assert len(held) / 120 == pytest.approx(fraction, abs=0.11)
        assert all(torch.equal(one, other) for one, other in zip((stay, held), split(0), strict=True))
        assert any(not torch.equal(held, split(seed)[1]) for seed in range(1, 5))


def test_folds_are_those_of_scikit_learn_and_keep_groups_whole():
    from sklearn.model_selection import LeaveOneGroupOut

    folds = list(folds_of(LABELS.numpy(), 99, 0, GROUPS.numpy()))
    theirs = LeaveOneGroupOut().split(np.zeros(120), LABELS.numpy(), GROUPS.numpy())
    assert {tuple(outside) for _, outside in folds} == {tuple(outside) for _, outside in theirs}
    for inside, outside in folds_of(LABELS.numpy(), 3, 0, GROUPS.numpy()):
        assert of(torch.from_numpy(inside)).isdisjoint(of(torch.from_numpy(outside)))


def test_too_few_groups_are_one_clear_error():
    one = torch.zeros(120, dtype=torch.long)
    with pytest.raises(DataError, match="all rows are of one group, so that none can be held out whole"):
        hold_out(LABELS, 0.2, seed=0, groups=one)
    with pytest.raises(DataError, match="a class is left without rows to learn from"):
        hold_out(LABELS, 0.2, seed=0, groups=LABELS)
    assert not can_hold_out_groups(LABELS, LABELS)
    assert not can_hold_out_groups(None, one)
    assert can_hold_out_groups(None, LABELS)
    assert can_hold_out_groups(LABELS, GROUPS)


def test_a_class_that_one_group_alone_has_stays():
    labels = torch.where(GROUPS == 3, 2, LABELS % 2)
    for seed in range(5):
        stay, _ = hold_out(labels, 0.3, seed=seed, groups=GROUPS)
        assert 3 in of(stay)


def spoken(**columns) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"audio": ["a", "b", "c", "d"], **columns})


def test_groups_are_texts_integers_or_classes():
    groups = read_groups(spoken(who=["eva", "ada", "eva", "bob"]), "who")
    assert (groups.names, groups.numbers.tolist()) == (["ada", "bob", "eva"], [2, 0, 2, 1])
    others, own = groups.leave_out(["eva"])
    assert (others.tolist(), own.tolist()) == ([1, 3], [0, 2])
    assert read_groups(spoken(who=[7, 7, 1, 2]), "who").names == ["1", "2", "7"]
    named = spoken(who=[1, 1, 0, 1]).cast_column("who", datasets.ClassLabel(names=["x", "y"]))
    assert read_groups(named, "who").names == ["x", "y"]


@pytest.mark.parametrize(
    ("values", "column", "said"),
    [
        ([0.5, 1.0, 2.0, 3.0], "who", "group column 'who' holds float64, not groups"),
        (["a", None, "b", "b"], "who", "1 of 4 rows has no group in column 'who'"),
        (["a", "b", "c", "d"], "whom", "no column 'whom'"),
    ],
)
def test_a_column_that_holds_no_groups_is_refused(values, column, said):
    with pytest.raises(DataError, match=said):
        read_groups(spoken(who=values), column)


def test_groups_to_leave_out_must_be_there_and_leave_others():
    groups = read_groups(spoken(who=["eva", "ada", "eva", "bob"]), "who")
    with pytest.raises(DataError, match=r"column 'who' has no group 'evan'\. Did you mean 'eva'"):
        groups.leave_out(["evan"])
    with pytest.raises(DataError, match="leave_out names every group of column 'who'"):
        groups.leave_out(["eva", "ada", "bob"])


def test_the_role_is_taken_off_before_a_task_sees_it():
    assert without_group({"audio": "sound", "group": "who"}) == ({"audio": "sound"}, "who")
    assert without_group({"group": "who"}) == (None, "who")
    assert without_group(None) == (None, None)


def test_a_column_looks_like_groups_by_name_and_values():
    assert group_like_column(spoken(Speaker_id=["a", "a", "b", "b"]), ["audio"]) == "Speaker_id"
    assert group_like_column(spoken(speaker=["a", "a", "a", "a"]), []) is None
    assert group_like_column(spoken(speaker=["a", "b", "c", "d"]), []) is None
    assert group_like_column(spoken(source=["a", "b", "b", "d"]), ["source"]) is None
    assert group_like_column(spoken(hue=["a", "a", "b", "b"]), []) is None
