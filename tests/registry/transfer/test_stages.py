"""Stages: where a network is cut, what is frozen, and at which rate each piece learns."""

from __future__ import annotations

import pytest
import torch
from tsugiki.errors import OptionError, PluginError
from tsugiki.snapshots.loading import create_model
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki.transfer.graft import fresh, graft
from tsugiki.transfer.stages import (
    check_stages,
    depth_name,
    head_of,
    only_top_trained,
    parameter_groups,
    parse_depth,
    stages_of,
)

from .. import transfer_data
from ..tiny_snapshots import SIZES


def tiny(family="plain", **fields):
    torch.manual_seed(0)
    return create_model(family, "image-classification", num_labels=4, **{**SIZES[family], **fields})


@pytest.mark.parametrize(("family", "count"), [("plain", 4), ("flat", 2), ("normed", 4), ("resnet", 3)])
def test_stages_and_head_hold_every_parameter_once(family, count):
    model = tiny(family)
    stages = check_stages(model)
    held = [id(parameter) for stage in stages for parameter in stage.parameters()]
    held += [id(parameter) for parameter in head_of(model)[1].parameters()]
    assert len(stages) == count
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())


def test_family_that_names_too_few_stages_is_refused(monkeypatch):
    import dataclasses

    from tsugiki.registry import RegisteredFamily
    from tsugiki.transfer import stages

    family = stages.family_of(tiny())
    poor = dataclasses.replace(family.declaration, stages=("plain.convolutions.*",))
    monkeypatch.setattr(stages, "family_of", lambda model: RegisteredFamily(poor, "toy", "tsugiki-toy"))
    with pytest.raises(PluginError, match=r"'plain'.*hidden_layers.0.0.weight lies in no stage"):
        check_stages(tiny())


def test_family_without_stages_is_one_piece(monkeypatch):
    import dataclasses

    from tsugiki.registry import RegisteredFamily
    from tsugiki.transfer import stages

    model = tiny()
    bare = dataclasses.replace(stages.family_of(model).declaration, stages=())
    monkeypatch.setattr(stages, "family_of", lambda model: RegisteredFamily(bare, "toy", "tsugiki-toy"))
    assert [stage.name for stage in check_stages(model)] == ["body"]


def test_depths_are_read():
    assert [parse_depth(value, 4) for value in ("auto", "head", "all", "3", 2, 0)] == [None, 0, 4, 3, 2, 0]
    assert [depth_name(depth, 4) for depth in (0, 1, 4)] == ["head", "1", "all"]


@pytest.mark.parametrize(("value", "says"), [("haed", "Did you mean 'head'"), (5, "from 1 to 4"), (True, "not True")])
def test_other_depths_are_refused(value, says):
    with pytest.raises(OptionError, match=says):
        parse_depth(value, 4)


def test_parameter_groups_hold_trained_parameters_once_and_learn_slower_further_down():
    model = tiny("normed")
    with only_top_trained(model, 2):
        groups = parameter_groups(model, 2, learning_rate=0.1, decay=0.5, weight_decay=0.01)
        trained = [id(parameter) for parameter in model.parameters() if parameter.requires_grad]
    assert sorted(id(parameter) for group in groups for parameter in group["params"]) == sorted(trained)
    rate_of = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    stages = stages_of(model)
    rates = [rate_of[id(next(iter(stage.parameters())))] for stage in stages[2:]]
    assert rates == [0.05, 0.1]
    assert rate_of[id(head_of(model)[1].weight)] == 0.1
    assert {group["weight_decay"] for group in groups for p in group["params"] if p.ndim == 1} == {0.0}
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_frozen_stages_do_not_move_not_even_their_batch_statistics(tmp_path):
    model = tiny("normed")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with only_top_trained(model, 1) as frozen:
        fit(
            model,
            TrainingJob(
                transfer_data.table(4, channels=3),
                tmp_path,
                {"max_steps": 3, "per_device_train_batch_size": 8, "learning_rate": 0.1},
                progress=False,
            ),
            parameter_groups=parameter_groups(model, 1, learning_rate=0.1, decay=1.0, weight_decay=0.0),
            frozen=frozen,
        )
    top = stages_of(model)[-1].name
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith(top) and "running_mean" in name for name in moved)
    assert all(name.startswith((top, "classifier.")) for name in moved)


def test_graft_keeps_the_body_and_sets_a_fresh_head():
    base = tiny("resnet")
    grafted = graft(base, {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}})
    path, head = head_of(grafted)
    assert head[-1].out_features == 2
    assert head_of(base)[1][-1].out_features == 4
    for name, value in grafted.state_dict().items():
        assert name.startswith(path) or torch.equal(value, base.state_dict()[name])
    assert not torch.equal(next(iter(fresh(base, {}).parameters())), next(iter(base.parameters())))
