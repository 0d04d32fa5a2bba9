"""The image processor of networks that tell objects apart pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from tsugiki.picture_processing import BackboneImageProcessor

from .instance_grouping import CENTER_WINDOW, find_instances

_DIGITS = 6  # of scores, as transformers gives them


class InstanceImageProcessor(BackboneImageProcessor):
    """Prepare pictures in colours, or gray ones where `image_mean` has one number, and read the objects in them.

    Defaults: 256 x 256 pixels, colours, values from -1 to 1.

    Attributes:
        center_window: Pixels a side, of the picture as the network sees it, of the window in which the centre of an
            object is the highest point; smaller than two centres are apart.
    """

    size = {"height": 256, "width": 256}  # noqa: RUF012
    image_mean = [0.5, 0.5, 0.5]  # noqa: RUF012
    image_std = [0.5, 0.5, 0.5]  # noqa: RUF012
    center_window = CENTER_WINDOW

    def post_process_instance_segmentation(
        self,
        outputs: Any,
        threshold: float = 0.5,
        mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8,
        target_sizes: Sequence[tuple[int, int]] | Tensor | None = None,
    ) -> list[dict[str, Any]]:
        """The objects of each picture, as the processors of transformers give them.

        Args:
            outputs: A model's output with `logits` (B, C + 1, H, W), `center_logits` (B, H, W) and `offsets`
                (B, 2, H, W).
            threshold: Least score.
            mask_threshold: Least probability of not being background that makes a pixel one of an object.
            overlap_mask_area_threshold: Nothing hangs on it, for no objects overlap here.
            target_sizes: Height and width of each picture before it was resized; by default objects keep the size of
                the maps.

        Returns:
            For each picture `segmentation` int32 (height, width), -1 in the background, and `segments_info`, best
            first: `id`, the number of an object in it, `label_id`, `was_fused` (never) and `score`.

        Raises:
            ValueError: There are not as many sizes as pictures.
        """
        maps = [outputs[name] for name in ("logits", "center_logits", "offsets")]
        if target_sizes is not None and len(target_sizes) != len(maps[0]):
            raise ValueError(f"there are {len(maps[0])} pictures and {len(target_sizes)} target_sizes.")
        answers = []
        for number, of_picture in enumerate(zip(*maps, strict=True)):
            found = find_instances(*of_picture, mask_threshold=mask_threshold, window=self.center_window)
            found = found.at_least(threshold)
            if target_sizes is not None:
                height, width = (int(side) for side in target_sizes[number])
                found = found.resized(height, width)
            pairs = zip(found.scores.tolist(), found.classes.tolist(), strict=True)
            segments = [
                {"id": place, "label_id": label, "was_fused": False, "score": round(score, _DIGITS)}
                for place, (score, label) in enumerate(pairs)
            ]
            segmentation = torch.from_numpy(found.numbers.astype("int32")) - 1
            answers.append({"segmentation": segmentation, "segments_info": segments})
        return answers
