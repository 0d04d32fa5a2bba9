"""The letterbox: shapes kept, boxes there and back, and the best box of each object alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tsugiki_detection.detectors.letterbox_processor import LetterboxImageProcessor, class_scores

PROCESSOR = LetterboxImageProcessor(size={"height": 60, "width": 80}, do_normalize=False)


def test_a_picture_keeps_its_shape_and_the_rest_is_filled():
    picture = Image.fromarray(np.full((30, 20, 3), 200, np.uint8))
    pixels = PROCESSOR(picture, do_rescale=False)["pixel_values"][0]
    assert pixels.shape == (3, 60, 80)
    assert (np.asarray(pixels)[:, :, :40] == 200).all()
    assert (np.asarray(pixels)[:, :, 40:] == 114).all()


@pytest.mark.parametrize(("width", "height"), [(20, 30), (640, 480), (333, 1), (1, 999), (80, 60)])
def test_boxes_go_to_the_frame_and_back(width, height):
    boxes = torch.tensor([[0.0, 0.0, width, height], [width / 4, height / 3, width / 2, height / 2]])
    framed = PROCESSOR.to_frame(boxes, height, width)
    assert framed.min() >= 0
    assert framed.max() <= 1
    torch.testing.assert_close(PROCESSOR.to_picture(framed, height, width), boxes, rtol=1e-5, atol=1e-4)
    tall, wide = PROCESSOR.fitted(height, width)
    torch.testing.assert_close(framed[0], torch.tensor([0, 0, wide / 80, tall / 60]))


def test_settings_are_saved_with_the_processor(tmp_path):
    LetterboxImageProcessor(size={"height": 32, "width": 48}, iou_threshold=0.4).save_pretrained(tmp_path)
    loaded = LetterboxImageProcessor.from_pretrained(tmp_path)
    assert loaded.iou_threshold == 0.4
    assert dict(loaded.size) == {"height": 32, "width": 48}


def outputs() -> dict[str, torch.Tensor]:
    """Two boxes on one object, one of another class on the same, one elsewhere that is unlikely."""
    boxes = [[0.25, 0.5, 0.2, 0.4], [0.26, 0.5, 0.2, 0.4], [0.25, 0.5, 0.2, 0.4], [0.8, 0.8, 0.1, 0.1]]
    logits = [[4.0, -9.0], [3.0, -9.0], [-9.0, 2.0], [1.0, -9.0]]
    return {
        "logits": torch.tensor([logits]),
        "objectness": torch.tensor([[9.0, 9.0, 9.0, -2.0]]),
        "pred_boxes": torch.tensor([boxes]),
    }


def test_of_boxes_on_one_object_the_best_of_each_class_stays():
    (found,) = PROCESSOR.post_process_object_detection(outputs(), 0.5, [(30, 20)])
    assert found["labels"].tolist() == [0, 1]
    assert found["scores"].tolist() == sorted(found["scores"].tolist(), reverse=True)
    torch.testing.assert_close(found["boxes"][0], torch.tensor([6.0, 9.0, 14.0, 21.0]))  # 2 frame pixels for one
    (all_found,) = PROCESSOR.post_process_object_detection(outputs(), 0.05)
    assert len(all_found["scores"]) == 3
    torch.testing.assert_close(all_found["boxes"][0], torch.tensor([0.15, 0.3, 0.35, 0.7]))


def test_scores_are_of_the_class_times_that_there_is_an_object():
    scores = class_scores(outputs())
    assert scores[0, 3, 0].item() == pytest.approx(1 / (1 + np.exp(-1)) / (1 + np.exp(2)))
    without = {name: value for name, value in outputs().items() if name != "objectness"}
    assert class_scores(without)[0, 3, 0].item() == pytest.approx(1 / (1 + np.exp(-1)))


def test_as_many_sizes_as_pictures():
    with pytest.raises(ValueError, match="target sizes"):
        PROCESSOR.post_process_object_detection(outputs(), 0.5, [(30, 20), (30, 20)])
