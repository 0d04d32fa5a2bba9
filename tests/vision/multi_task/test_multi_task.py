from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from torch.nn import functional as F
from tsugiki.testing.conformance import check_family
from tsugiki_vision.classifiers.lenet import LeNetConfig, LeNetForImageClassification, LeNetModel
from tsugiki_vision.multi_task.multi_task import (
    MultiTaskConfig,
    MultiTaskForImageClassification,
    known_label_loss,
    tasks_of,
)

TASKS = {"kind": ["hat", "shoe", "bag"], "old": ["no", "yes"], "season": ["a", "b", "c", "d"]}
LENET = {"model_type": "tsugiki_lenet", "image_size": 16, "conv_channels": [2, 3], "hidden_sizes": [5]}
RESNET = {"model_type": "tsugiki_cifar_resnet", "depth": 8, "stage_channels": [3, 4, 5], "image_size": 8}
MISSING = -100


def network(backbone=LENET, tasks=TASKS, **fields) -> MultiTaskForImageClassification:
    torch.manual_seed(0)
    return MultiTaskForImageClassification(
        MultiTaskConfig(backbone_config=dict(backbone), tasks=tasks, **fields)
    ).eval()


def pictures(count: int = 6, channels: int = 1, side: int = 16) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor(
    [
        [0, 1, 3],
        [MISSING, 0, MISSING],
        [2, MISSING, 0],
        [MISSING, MISSING, MISSING],  # a whole row
        [1, 1, MISSING],
        [MISSING, MISSING, 2],
    ]
)
WITHOUT_A_TASK = torch.where(torch.tensor([False, True, False]), MISSING, LABELS)
WITHOUT_ANY = torch.full((6, 3), MISSING)


def gradients(model, loss: Tensor) -> list[Tensor]:
    model.zero_grad()
    loss.backward()
    return [torch.zeros_like(one) if one.grad is None else one.grad.clone() for one in model.parameters()]


def loss_of_known_labels_alone(model, pixel_values: Tensor, labels: Tensor) -> Tensor:
    """Each task by itself on the rows whose label is known, as if the others did not exist."""
    total = torch.zeros(())
    sizes = [len(classes) for classes in model.config.tasks.values()]
    for task in range(labels.shape[1]):
        known = labels[:, task] != MISSING
        if known.any():
            logits = model(pixel_values[known]).logits.split(sizes, dim=1)[task]
            total = total + F.cross_entropy(logits, labels[known, task])
    return total / labels.shape[1]


@pytest.mark.parametrize("labels", [LABELS, WITHOUT_A_TASK, LABELS[:3]], ids=["some", "without a task", "first rows"])
@pytest.mark.parametrize("classifier", ["linear", "mlp"])
def test_gradients_are_those_of_the_known_labels_alone(labels, classifier):
    model, pixel_values = network(classifier=classifier), pictures(len(labels))
    loss = model(pixel_values, labels=labels).loss
    alone = loss_of_known_labels_alone(model, pixel_values, labels)
    torch.testing.assert_close(loss, alone)
    for ours, expected in zip(gradients(model, loss), gradients(model, alone), strict=True):
        torch.testing.assert_close(ours, expected)


def test_row_without_labels_might_as_well_not_be_there():
    model, kept = network(), torch.tensor([0, 1, 2, 4, 5])
    with_row = gradients(model, model(pictures(), labels=LABELS).loss)
    without = gradients(model, model(pictures()[kept], labels=LABELS[kept]).loss)
    for one, other in zip(with_row, without, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("backbone", [LENET, RESNET], ids=["lenet", "resnet"])
def test_nothing_known_means_no_loss_and_no_gradient(backbone, training):
    model = network(backbone).train(training)
    pixel_values = pictures(channels=model.config.num_channels, side=model.config.image_size)
    loss = model(pixel_values, labels=WITHOUT_ANY).loss
    assert loss.item() == 0
    assert all(one.isfinite().all() and not one.any() for one in gradients(model, loss))


def test_wild_answers_to_missing_labels_do_not_reach_the_loss():
    logits = torch.zeros(6, 9)
    logits[LABELS[:, 0] == MISSING, :3] = torch.tensor([torch.inf, torch.nan, -torch.inf])
    logits.requires_grad_()
    loss = known_label_loss(logits, LABELS, [3, 2, 4])
    assert loss.item() == pytest.approx((torch.tensor([3.0, 2.0, 4.0]).log().mean()).item())
    loss.backward()
    assert not logits.grad[LABELS[:, 0] == MISSING, :3].any()


def test_complete_labels_give_the_mean_over_tasks_of_the_cross_entropies():
    model, labels = network(), torch.tensor([[0, 1, 3], [2, 0, 0]])
    output = model(pictures(2), labels=labels)
    parts = output.logits.split([3, 2, 4], dim=1)
    expected = sum(F.cross_entropy(part, labels[:, task]) for task, part in enumerate(parts)) / 3
    torch.testing.assert_close(output.loss, expected)


def test_heads_stand_on_the_features_of_the_backbone():
    model = network()
    backbone = LeNetModel(LeNetConfig(**{name: value for name, value in LENET.items() if name != "model_type"})).eval()
    backbone.load_state_dict(model.backbone.state_dict())
    features = backbone(pictures()).pooler_output
    expected = torch.cat([F.linear(features, head.weight, head.bias) for head in model.classifier.heads], dim=1)
    torch.testing.assert_close(model(pictures()).logits, expected)


@pytest.mark.parametrize(
    "backbone",
    [
        LENET,
        RESNET,
        {"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [4, 6], "depths": [1, 1], "layer_type": "basic"},
    ],
    ids=["lenet", "cifar-resnet", "transformers' resnet"],
)
def test_backbone_may_be_of_any_family(backbone, tmp_path):
    model = network(backbone)
    pixel_values = pictures(3, model.config.num_channels, model.config.image_size or 32)
    model.save_pretrained(tmp_path)
    loaded = MultiTaskForImageClassification.from_pretrained(tmp_path).eval()
    assert type(loaded.backbone) is type(model.backbone)
    assert torch.equal(loaded(pixel_values).logits, model(pixel_values).logits)
    assert loaded.config.tasks == TASKS


@pytest.mark.parametrize("backbone", [LENET, RESNET], ids=["lenet", "cifar-resnet"])
def test_weights_of_a_backbone_alone_are_loaded_below_new_heads(backbone, tmp_path):
    first = network(backbone)
    first.backbone.save_pretrained(tmp_path)
    model = MultiTaskForImageClassification.from_pretrained(tmp_path, tasks=TASKS)
    assert model.config.tasks == TASKS
    assert model.classifier.heads[2].out_features == 4
    weights = first.backbone.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in model.backbone.state_dict().items())


def test_a_folder_of_another_classifier_is_refused_in_one_line(tmp_path):
    LeNetForImageClassification(LeNetConfig(image_size=16, conv_channels=[2, 3], hidden_sizes=[5])).save_pretrained(
        tmp_path
    )
    with pytest.raises(
        ValueError, match=r"^LeNetForImageClassification is no multi-task model, .* load it as LeNetModel, "
    ):
        MultiTaskForImageClassification.from_pretrained(tmp_path)


def test_options_of_attention_reach_the_backbone():
    config = MultiTaskConfig(backbone_config=dict(LENET), tasks=TASKS, attn_implementation="eager")
    assert config.backbone_config._attn_implementation == "eager"
    assert set(config.sub_configs) == {"backbone_config"}


def test_backbone_keeps_its_own_initialisation():
    """He et al. 2015: deviation sqrt(2 / fan_in) below ReLU, not the library's 0.02."""
    weight = network({**LENET, "conv_channels": [64, 3]}).backbone.convolutions[0][0].weight
    assert weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.1)


def test_names_of_logits_follow_from_the_tasks():
    config = MultiTaskConfig(backbone_config=dict(LENET), tasks=TASKS)
    assert config.num_labels == 9 and config.task_sizes == [3, 2, 4]
    assert [config.id2label[n] for n in (0, 3, 8)] == ["kind: hat", "old: no", "season: d"]
    assert tasks_of(list(config.id2label.values())) == TASKS
    again = MultiTaskConfig.from_dict(config.to_dict())
    assert again.to_dict() == config.to_dict()


def test_without_tasks_there_is_one_for_the_labels():
    config = MultiTaskConfig(id2label={0: "cat", 1: "dog", 2: "fox"})
    assert config.tasks == {"label": ["cat", "dog", "fox"]}
    assert config.backbone_config.model_type == "tsugiki_lenet"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tasks": {"old": ["yes"]}}, "two or more different classes"),
        ({"tasks": {"a: b": ["no", "yes"]}}, "must not be empty nor contain"),
        ({"tasks": {}}, "at least one task"),
        ({"dropout": 1}, "dropout"),
        ({"backbone_config": {"model_type": "no_such"}}, "model_type of an installed family"),
        ({"backbone_config": {"image_size": 9}}, "model_type of an installed family"),
    ],
)
def test_configs_that_describe_no_network_are_refused(fields, message):
    with pytest.raises((StrictDataclassError, ValueError), match=message):
        MultiTaskConfig(**{"tasks": TASKS, **fields})


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"labels must be \(N, 3\), a column a task, not \(2, 2\)"):
        network()(pictures(2), labels=torch.zeros(2, 2, dtype=torch.long))


def test_family_passes_conformance():
    check_family("vision", "multi-task", backbone_config=dict(LENET), tasks=TASKS)


def test_tasks_keep_their_order_when_they_are_saved(tmp_path):
    """config.json sorts the names of a mapping; the heads must not change places."""
    model = network(tasks={"size": ["small", "large"], "colour": ["red", "green", "blue"]})
    model.save_pretrained(tmp_path)
    loaded = MultiTaskForImageClassification.from_pretrained(tmp_path)
    assert list(loaded.config.tasks) == ["size", "colour"]
    assert torch.equal(loaded(pictures()).logits, model(pictures()).logits)
