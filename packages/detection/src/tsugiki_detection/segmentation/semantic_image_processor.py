"""The image processor of networks that name the class of each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from tsugiki.picture_processing import BackboneImageProcessor


class SemanticImageProcessor(BackboneImageProcessor):
    """Prepare pictures in colours, or gray ones where `image_mean` has one number, and read the classes of pixels.

    Defaults: 256 x 256 pixels, colours, values from -1 to 1. A mask is resized by the same processor with
    `resample=PILImageResampling.NEAREST`.
    """

    size = {"height": 256, "width": 256}  # noqa: RUF012
    image_mean = [0.5, 0.5, 0.5]  # noqa: RUF012
    image_std = [0.5, 0.5, 0.5]  # noqa: RUF012

    def post_process_semantic_segmentation(
        self, outputs: Any, target_sizes: Sequence[tuple[int, int]] | Tensor | None = None
    ) -> list[Tensor]:
        """The class of each pixel, as the processors of transformers give it.

        Args:
            outputs: A model's output with `logits` (N, C, H, W).
            target_sizes: Height and width of each picture before it was resized, which the logits are brought to by
                bilinear interpolation; by default they keep their size.

        Returns:
            Class numbers int64 (height, width) of each picture.

        Raises:
            ValueError: There are not as many sizes as pictures.
        """
        return [one.argmax(dim=0) for one in resized_logits(outputs.logits, target_sizes)]


def resized_logits(logits: Tensor, sizes: Sequence[tuple[int, int]] | Tensor | None) -> list[Tensor]:
    """Logits (N, C, H, W) as float32 (C, height, width) of each picture, by bilinear interpolation.

    Args:
        logits: Of the pictures as the network saw them.
        sizes: Height and width of each; by default they keep their size.

    Raises:
        ValueError: There are not as many sizes as pictures.
    """
    if sizes is None:
        return list(logits.float())
    if len(sizes) != len(logits):
        raise ValueError(f"there are {len(logits)} pictures and {len(sizes)} target_sizes.")
    return [
        F.interpolate(one[None], (int(height), int(width)), mode="bilinear")[0]
        for one, (height, width) in zip(logits.float(), sizes, strict=True)
    ]
