from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tsugiki_detection.segmentation.semantic_image_processor import SemanticImageProcessor


def test_classes_of_pixels_are_those_of_transformers_own_processor():
    from transformers.models.segformer.image_processing_pil_segformer import SegformerImageProcessorPil

    outputs = SimpleNamespace(logits=torch.randn(2, 3, 16, 12))
    for sizes in (None, [(33, 20), (8, 8)]):
        found = SemanticImageProcessor().post_process_semantic_segmentation(outputs, sizes)
        expected = SegformerImageProcessorPil().post_process_semantic_segmentation(outputs, sizes)
        assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_as_many_sizes_as_pictures_are_wanted():
    outputs = SimpleNamespace(logits=torch.randn(2, 3, 4, 4))
    with pytest.raises(ValueError, match="2 pictures and 1 target_sizes"):
        SemanticImageProcessor().post_process_semantic_segmentation(outputs, [(4, 4)])


def test_pictures_are_gray_where_the_mean_is_one_number():
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    colours = SemanticImageProcessor()(images=[picture], return_tensors="pt")["pixel_values"]
    gray = SemanticImageProcessor(image_mean=[0.5], image_std=[0.5])(images=[picture], return_tensors="pt")
    assert colours.shape == (1, 3, 256, 256) and gray["pixel_values"].shape == (1, 1, 256, 256)
