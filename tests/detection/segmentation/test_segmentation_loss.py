from __future__ import annotations

import pytest
import torch
from tsugiki_detection.segmentation.segmentation_loss import segmentation_loss


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn((3, 4, 5, 6), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(4, (3, 5, 6), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("ignored", [255, -100])
def test_without_dice_it_is_the_cross_entropy_of_the_pixels_with_a_class(logits, labels, ignored):
    labels[0, :2] = ignored
    expected = torch.nn.CrossEntropyLoss(ignore_index=ignored)(logits, labels)
    assert torch.allclose(segmentation_loss(logits, labels, 0.0), expected)


def test_masks_of_8_bits_need_no_conversion(logits, labels):
    assert torch.equal(segmentation_loss(logits, labels.byte(), 1.0), segmentation_loss(logits, labels, 1.0))


def test_dice_is_one_minus_twice_the_overlap_over_both(logits, labels):
    labels[1, 3] = 255
    found = segmentation_loss(logits, labels, 2.0) - segmentation_loss(logits, labels, 0.0)
    shares = logits.softmax(1)
    losses = []
    for number in range(4):
        known = labels != 255
        share, true = shares[:, number][known], (labels == number)[known].float()
        losses.append(1 - (2 * (share * true).sum() + 1) / (share.sum() + true.sum() + 1))
    assert torch.allclose(found, 2 * torch.stack(losses).mean())


def test_pixels_without_a_class_have_no_gradient_and_of_none_the_loss_is_zero(logits, labels):
    labels[0] = 255
    logits.requires_grad_()
    segmentation_loss(logits, labels, 1.0).backward()
    assert not logits.grad[0].any() and logits.grad[1:].any()
    logits.grad = None
    loss = segmentation_loss(logits, torch.full_like(labels, 255), 1.0)
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


def test_labels_of_another_size_are_refused(logits, labels):
    with pytest.raises(ValueError, match=r"labels must be \(3, 5, 6\)"):
        segmentation_loss(logits, labels[:, 1:], 1.0)
