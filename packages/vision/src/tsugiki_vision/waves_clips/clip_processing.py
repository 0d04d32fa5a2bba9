"""Clips to tensors: frames in one number and one size, on Pillow and NumPy.

transformers' own video processors need torchvision. This one stands on the image processors of this plugin: each frame
is converted, resized, rescaled and normalised like a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
import torch
from transformers.image_processing_utils import BatchFeature
from transformers.processing_utils import ImagesKwargs
from tsugiki.deep_pixels import eight_bits
from tsugiki.picture_processing import GrayscaleImageProcessor


class ClipKwargs(ImagesKwargs, total=False):
    """The library's options and the number of frames."""

    num_frames: int | None


class GrayscaleClipProcessor(GrayscaleImageProcessor):
    """Prepare clips for a network of frames with one channel.

    A clip is an array or tensor `(T, H, W)`, `(T, H, W, C)` or `(T, C, H, W)`, a list of frames (Pillow images, or
    arrays `(H, W)` or `(H, W, C)`), or an animated picture (GIF, WebP, APNG) as Pillow opens it. A batch is a list of
    clips, or an array with one dimension more than a clip; one of four dimensions with 1, 3 or 4 as its second or last
    is a clip in colours. `num_frames` frames, evenly spaced from the first to the last, are taken; a clip with fewer
    shows some of them longer.
    """

    valid_kwargs = ClipKwargs
    num_frames = 8

    def preprocess(self, videos: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        """Prepare clips; other arguments as for pictures.

        Args:
            videos: A clip or a batch of clips.
            args: Ignored.
            kwargs: The library's options of image processors, and `num_frames`.

        Returns:
            `pixel_values` `(N, num_frames, 1, H, W)`.

        Raises:
            ValueError: A clip is empty, or has another shape than those above.
        """
        return super().preprocess(videos, *args, **kwargs)

    def _prepare_image_like_inputs(self, images: Any, *args: Any, **kwargs: Any) -> list[Any]:
        count = kwargs.get("num_frames") or self.num_frames
        return [
            [self.process_image(frame, *args, **kwargs) for frame in sample_frames(frames_of(clip), count)]
            for clip in _as_batch(images)
        ]

    def _preprocess(  # type: ignore[override]  # one level of lists more
        self, images: list[list[np.ndarray]], *, return_tensors: str | None = None, **kwargs: Any
    ) -> BatchFeature:
        frames = [frame for clip in images for frame in clip]
        pixels = super()._preprocess(frames, return_tensors="np", **kwargs)["pixel_values"]  # (N * T, 1, H, W)
        clips = pixels.reshape(len(images), -1, *pixels.shape[1:])  # (N, T, 1, H, W)
        return BatchFeature(data={"pixel_values": clips}, tensor_type=return_tensors)


def frames_of(clip: Any) -> Any:
    """The frames of one clip: what it lists, the slices of an array, the pictures of an animation.

    Raises:
        ValueError: It has no frames, or is no clip.
    """
    if isinstance(clip, PIL.Image.Image):
        frames = []
        for number in range(getattr(clip, "n_frames", 1)):
            clip.seek(number)
            frame = eight_bits(clip)
            frames.append(frame.convert("RGBA" if frame.mode == "LA" or "transparency" in frame.info else "RGB"))
        return frames
    if isinstance(clip, torch.Tensor):
        clip = clip.cpu().numpy()
    if not isinstance(clip, np.ndarray | list | tuple):
        raise ValueError(f"A clip must be an array, a list of frames or an animated picture, not {type(clip)}.")
    if isinstance(clip, np.ndarray) and clip.ndim not in (3, 4):
        raise ValueError(f"A clip must be (T, H, W), (T, H, W, C) or (T, C, H, W), not {clip.shape}.")
    if len(clip) == 0:
        raise ValueError("A clip must have at least one frame.")
    return clip


def sample_frames(frames: Sequence[Any], count: int) -> list[Any]:
    """`count` frames, evenly spaced from the first to the last."""
    return [frames[int(place)] for place in np.linspace(0, len(frames) - 1, count).round()]


def _as_batch(videos: Any) -> Any:
    """Clips as a sequence of clips."""
    if isinstance(videos, PIL.Image.Image):
        return [videos]
    if isinstance(videos, torch.Tensor):
        videos = videos.cpu().numpy()
    if isinstance(videos, np.ndarray):
        is_batch = videos.ndim == 5 or (videos.ndim == 4 and not {videos.shape[1], videos.shape[3]} & {1, 3, 4})
        return videos if is_batch else [videos]
    first = videos[0] if len(videos) else None
    if isinstance(first, PIL.Image.Image):  # frames of a clip, or animated pictures, each a clip
        return videos if getattr(first, "n_frames", 1) > 1 else [videos]
    is_frame = isinstance(first, np.ndarray | torch.Tensor) and (
        first.ndim == 2 or (first.ndim == 3 and first.shape[2] in (1, 3, 4))
    )
    return [videos] if is_frame else videos
