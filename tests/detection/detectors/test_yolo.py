"""YOLO: its grid, its owners and its loss by the rules, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch
import tsugiki
from huggingface_hub.errors import StrictDataclassClassValidationError
from tsugiki_detection.boxes.overlap import overlap
from tsugiki_detection.detectors.box_labels import CROWD, WIDTH
from tsugiki_detection.detectors.yolo import YOLOConfig, YOLOForObjectDetection, decode_boxes
from tsugiki_detection.detectors.yolo_loss import own_anchors, yolo_loss

TINY = {"image_size": (64, 64), "widths": (4, 8, 8, 16), "depths": (0, 1, 0, 1), "neck_size": 8, "num_labels": 2}
ANCHORS = [[[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]], [[0.4, 0.4], [0.5, 0.8], [0.9, 0.9]]]


def labels_of(*objects: tuple[float, ...]) -> torch.Tensor:
    """Labels (1, M, 8) of class, centre, size."""
    labels = torch.zeros(1, len(objects), WIDTH)
    labels[0, :, :5] = torch.tensor(objects)
    return labels


def test_the_default_network_has_about_a_million_parameters():
    model = YOLOForObjectDetection(YOLOConfig(num_labels=3))
    assert 0.8e6 < sum(parameter.numel() for parameter in model.parameters()) < 1.2e6


def test_every_anchor_of_every_cell_answers():
    model = YOLOForObjectDetection(YOLOConfig(**TINY)).eval()
    output = model(torch.randn(2, 3, 64, 96))
    candidates = 3 * (16 * 24 + 8 * 12)  # the two finest of the last three stages, with steps of 4, 8 and 16 pixels
    assert output.logits.shape == (2, candidates, 2)
    assert output.objectness.shape == (2, candidates)
    assert output.pred_boxes.shape == (2, candidates, 4)


def test_boxes_of_zero_logits_are_the_anchors_in_the_middle_of_their_cells():
    boxes = decode_boxes(torch.zeros(1, 2, 3, 4, 4), [[0.2, 0.1], [0.5, 0.5]])
    assert boxes.shape == (1, 2, 3, 4, 4)
    torch.testing.assert_close(boxes[0, 0, 1, 2], torch.tensor([2.5 / 4, 1.5 / 3, 0.2, 0.1]))
    steep = decode_boxes(torch.full((1, 1, 1, 1, 4), 50.0), [[0.2, 0.1]])
    torch.testing.assert_close(steep[0, 0, 0, 0], torch.tensor([1.5, 1.5, 0.8, 0.4]))


def test_the_cell_that_holds_the_centre_owns_the_object():
    config = YOLOConfig(**TINY, anchors=ANCHORS, anchor_ratio=1.3)
    grids = [(8, 8), (4, 4)]
    boxes = torch.tensor([[[0.3, 0.6, 0.2, 0.11], [0.99, 0.01, 0.02, 0.02]]])
    own, places = own_anchors(config, boxes, torch.tensor([[True, True]]), grids)
    assert own[0, 0].tolist() == [False, True, False, False, False, False]
    assert places[0, 0, 1] == 64 + 4 * 8 + 2  # the second anchor, row 4, column 2
    assert own[0, 1].tolist() == [True, False, False, False, False, False]  # the most alike, though none is near
    assert places[0, 0, 3] == 3 * 64 + 2 * 4 + 1
    own, _ = own_anchors(config, boxes, torch.tensor([[False, False]]), grids)
    assert not own.any()


def by_hand(config: YOLOConfig, found: dict, labels: torch.Tensor, grids: list) -> float:
    """The loss of one picture, anchor by anchor."""
    own, places = own_anchors(config, labels[..., 1:5], torch.ones(1, labels.shape[1], dtype=torch.bool), grids)
    boxes, objectness, logits = found["pred_boxes"][0], found["objectness"][0], found["logits"][0]
    target, box_losses, class_losses = {}, [], []

    def corners(box: torch.Tensor) -> torch.Tensor:
        return torch.cat([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2])

    for number in range(labels.shape[1]):
        for one in own[0, number].nonzero().flatten().tolist():
            place = int(places[0, number, one])
            fit = float(overlap(corners(boxes[place]), corners(labels[0, number, 1:5]), "ciou"))
            box_losses.append(1 - fit)
            target[place] = max(target.get(place, 0.0), max(fit, 0.0))
            for label in range(logits.shape[1]):
                right = 1.0 if label == int(labels[0, number, 0]) else 0.0
                p = float(torch.sigmoid(logits[place, label]))
                class_losses.append(-(right * math.log(p) + (1 - right) * math.log(1 - p)))
    entropies = 0.0
    for place in range(len(objectness)):
        if place not in target and any(
            float(overlap(corners(boxes[place]), corners(one[1:5]))) > config.ignored_iou for one in labels[0]
        ):
            continue
        p = float(torch.sigmoid(objectness[place]))
        entropies -= target.get(place, 0.0) * math.log(p) + (1 - target.get(place, 0.0)) * math.log(1 - p)
    return (
        config.box_weight * sum(box_losses) / len(box_losses)
        + config.class_weight * sum(class_losses) / len(box_losses)
        + config.objectness_weight * entropies / len(objectness)
    )


def test_the_loss_is_its_rule():
    config = YOLOConfig(**TINY, anchors=ANCHORS)
    grids = [(8, 8), (4, 4)]
    generator = torch.Generator().manual_seed(0)
    count = 3 * (64 + 16)
    raw = [torch.randn(1, 3, side, side, 4, generator=generator) for side in (8, 4)]
    found = {
        "pred_boxes": torch.cat(
            [decode_boxes(one, anchors).flatten(1, 3) for one, anchors in zip(raw, ANCHORS, strict=True)], 1
        ),
        "objectness": torch.randn(1, count, generator=generator),
        "logits": torch.randn(1, count, 2, generator=generator),
    }
    labels = labels_of((0, 0.3, 0.6, 0.2, 0.11), (1, 0.5, 0.5, 0.6, 0.7))
    assert float(yolo_loss(config, found, labels, grids)) == pytest.approx(
        by_hand(config, found, labels, grids), rel=1e-4
    )


@torch.no_grad()
def test_padding_and_ignored_objects_teach_nothing():
    config = YOLOConfig(**TINY, anchors=ANCHORS)
    model = YOLOForObjectDetection(config).eval()
    pixels = torch.randn(1, 3, 64, 64)
    one = labels_of((0, 0.3, 0.6, 0.2, 0.2))
    padded = torch.cat([one, labels_of((-100, 0.5, 0.5, 0.5, 0.5))], 1)
    assert float(model(pixels, labels=one).loss) == pytest.approx(float(model(pixels, labels=padded).loss), rel=1e-6)
    crowd = labels_of((1, 0.5, 0.5, 0.9, 0.9))
    crowd[..., CROWD] = 1
    nothing = labels_of((-100, 0, 0, 0, 0))
    output = model(pixels, labels=crowd)
    assert float(output.loss) < float(model(pixels, labels=nothing).loss)  # most of the picture is not asked about


@torch.no_grad()
def test_a_batch_is_worth_the_mean_of_its_pictures():
    model = YOLOForObjectDetection(YOLOConfig(**TINY, anchors=ANCHORS)).eval()
    pixels = torch.randn(2, 3, 64, 64)
    labels = torch.cat([labels_of((0, 0.3, 0.6, 0.2, 0.2)), labels_of((-100, 0, 0, 0, 0))])
    both = float(model(pixels, labels=labels).loss)
    single = [float(model(pixels[[row]], labels=labels[[row]]).loss) for row in range(2)]
    assert both == pytest.approx(sum(single) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"anchors": [[[0.1, 0.1]]]}, "levels x anchors_per_level"),
        ({"anchors": [[[0.1, 0.0]] * 3] * 2}, "above 0"),
        ({"widths": (4, 8)}, "as many"),
        ({"levels": 9}, "too few"),
        ({"image_size": (64,)}, "image_size"),
    ],
)
def test_what_makes_no_network_is_refused(fields, said):
    with pytest.raises(StrictDataclassClassValidationError, match=said):
        YOLOConfig(**{**TINY, **fields})


def test_any_backbone_looks_for_it():
    vision = pytest.importorskip("tsugiki_vision")
    assert vision
    model = tsugiki.create_model(
        "yolo",
        "object-detection",
        backbone_config={"model_type": "tsugiki_cifar_resnet", "depth": 8},
        backbone_stages=["stage2", "stage3"],
        neck_size=8,
        num_labels=2,
        image_size=(64, 64),
    )
    output = model(torch.randn(1, 3, 64, 64))
    assert output.logits.shape == (1, 3 * (32 * 32 + 16 * 16), 2)
