"""The loss of a classifier by `problem_type`, beside torch's own and transformers'."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers.loss.loss_utils import ForSequenceClassificationLoss
from tsugiki.classification_loss import classification_loss, place_loss, require_single_labels

LOGITS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
NUMBERS = torch.rand(5, 3, generator=torch.Generator().manual_seed(1))
CLASSES = torch.tensor([0, 2, 1, 1, 0])


def config(problem_type: str | None = None, num_labels: int = 3) -> SimpleNamespace:
    return SimpleNamespace(problem_type=problem_type, num_labels=num_labels)


@pytest.mark.parametrize(
    ("kind", "labels", "loss"),
    [
        ("single_label_classification", CLASSES, nn.CrossEntropyLoss()),
        (None, CLASSES, nn.CrossEntropyLoss()),
        ("multi_label_classification", NUMBERS.round(), nn.BCEWithLogitsLoss()),
        ("regression", NUMBERS, nn.MSELoss()),
    ],
)
def test_each_problem_has_the_loss_of_torch_and_of_transformers(kind, labels, loss):
    found = classification_loss(LOGITS, labels, config(kind))
    assert torch.equal(found, loss(LOGITS, labels))
    assert torch.equal(found, ForSequenceClassificationLoss(labels, LOGITS, config(kind)))


@pytest.mark.parametrize("labels", [NUMBERS[:, 0], NUMBERS[:, :1], CLASSES])
def test_a_single_label_is_a_regression(labels):
    found = classification_loss(LOGITS[:, :1], labels, config(num_labels=1))
    assert torch.allclose(found, nn.MSELoss()(LOGITS[:, 0], labels.flatten().float()))


def test_probabilities_of_classes_are_the_cross_entropy_that_mixup_needs():
    shares = NUMBERS.softmax(1)
    assert torch.equal(classification_loss(LOGITS, shares, config()), nn.CrossEntropyLoss()(LOGITS, shares))


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression"])
def test_labels_of_another_shape_are_one_sentence(kind):
    with pytest.raises(ValueError, match=rf"labels of {kind} must be \(5, 3\), a number for each label, not \(5,\)\."):
        classification_loss(LOGITS, CLASSES, config(kind))


def test_the_loss_is_computed_in_float32_whatever_the_logits_are():
    assert classification_loss(LOGITS.bfloat16(), NUMBERS, config("regression")).dtype == torch.float32


def test_answers_at_every_place_are_single_labels_alone():
    labels = torch.tensor([[0, -100], [2, 1]])
    logits = LOGITS[:4].view(2, 2, 3)
    known = nn.CrossEntropyLoss()(LOGITS[[0, 2, 3]], torch.tensor([0, 2, 1]))
    assert torch.allclose(place_loss(logits, labels, config()), known)
    with pytest.raises(ValueError, match="every place is a cross entropy of single labels; leave problem_type='regr"):
        place_loss(logits, labels, config("regression"))


def test_a_loss_that_a_paper_brings_refuses_other_problems():
    require_single_labels(config("single_label_classification"), "ours")
    with pytest.raises(ValueError, match=r"^ours is a cross entropy of single labels; leave .* out of the config\.$"):
        require_single_labels(config("multi_label_classification"), "ours")
