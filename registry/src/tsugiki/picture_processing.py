"""Image processors on Pillow and NumPy, so that nothing here needs torchvision.

Each picture is brought to the network's channels, resized, rescaled to 0..1 and normalised. Pictures may be Pillow
images, NumPy arrays or torch tensors (`(H, W)`, `(H, W, C)` or `(C, H, W)` with 1, 3 or 4 channels), single or in a
list; those of more than 8 bits are scaled to 8, see `tsugiki.deep_pixels`. A plain `transformers.pipeline` hands every
picture over as RGB, those of more than 8 bits clipped, which `tsugiki.pipeline` does not; so the gray processor takes
colours, and the colour one takes gray.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import PIL.Image
import torch
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import (
    ChannelDimension,
    ImageInput,
    PILImageResampling,
    SizeDict,
    infer_channel_dimension_format,
)

from .deep_pixels import eight_bit_array, eight_bits


class PictureProcessor(PilBackend):
    """What the processors below share: one picture to the network's channels, and its size.

    Transparency is laid onto white. Defaults: 32 x 32 pixels, bilinear.
    """

    pillow_mode: ClassVar[str]  # of Pillow images that have the network's channels

    do_resize = True
    size = {"height": 32, "width": 32}  # noqa: RUF012
    resample = PILImageResampling.BILINEAR
    do_rescale = True
    do_normalize = True

    def _prepare_images_structure(self, images: ImageInput, expected_ndims: int = 3) -> ImageInput:
        """Let gray arrays `(H, W)` through, which the library refuses unless they are batched."""
        flat: Any = (
            [_with_channel(image) for image in images] if isinstance(images, list | tuple) else _with_channel(images)
        )
        return super()._prepare_images_structure(flat, expected_ndims=expected_ndims)

    def process_image(
        self,
        image: ImageInput,
        do_convert_rgb: bool | None = None,
        input_data_format: str | ChannelDimension | None = None,
        **kwargs: Any,
    ) -> np.ndarray:
        """Turn one picture into an array `(C, H, W)` of its own type (uint8 for a Pillow image).

        `do_convert_rgb` is ignored: the channels are the network's, always.
        """
        if isinstance(image, PIL.Image.Image):
            image = np.array(_opaque(eight_bits(image)).convert(self.pillow_mode))  # (H, W) or (H, W, 3)
            input_data_format = ChannelDimension.LAST
        return self.convert_channels(_channels_first(image, input_data_format))

    def convert_channels(self, image: np.ndarray) -> np.ndarray:
        """Turn an opaque array `(1, H, W)` or `(3, H, W)` into one with the network's channels."""
        raise NotImplementedError  # abstract

    def resize(
        self,
        image: np.ndarray,
        size: SizeDict,
        resample: PILImageResampling | None = None,
        reducing_gap: int | None = None,
        **kwargs: Any,
    ) -> np.ndarray:
        """Resize one array `(C, H, W)`; a picture that has the size already is left as it is."""
        if image.shape[1:] == (size.height, size.width):
            return image
        return super().resize(image, size, resample=resample, reducing_gap=reducing_gap, **kwargs)

    def center_crop(self, image: np.ndarray, size: SizeDict, **kwargs: Any) -> np.ndarray:  # type: ignore[override]
        """Cut `size` out of the middle of one array `(C, H, W)`; a picture smaller than that gets zeros around it.

        Where the middle falls between two pixels it is rounded to the even one, as torchvision does and so all whose
        published figures rest on it.
        """
        top, left = round((image.shape[1] - size.height) / 2), round((image.shape[2] - size.width) / 2)
        if min(top, left) < 0:
            return super().center_crop(image, size, **kwargs)
        return image[:, top : top + size.height, left : left + size.width]


class GrayscaleImageProcessor(PictureProcessor):
    """Prepare pictures for a network with one channel.

    Colours become gray with the luma weights of ITU-R BT.601, as in Pillow's mode "L". Values from -1 to 1 by default.
    """

    pillow_mode = "L"
    image_mean = [0.5]  # noqa: RUF012
    image_std = [0.5]  # noqa: RUF012

    def convert_channels(self, image: np.ndarray) -> np.ndarray:
        """Gray `(1, H, W)`; from uint8 colours the very numbers of Pillow's mode "L"."""
        if len(image) == 1:
            return image
        if image.dtype == np.uint8:
            red, green, blue = image.astype(np.uint32)
            return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)[None]
        red, green, blue = image
        return _as_type(0.299 * red + 0.587 * green + 0.114 * blue, image.dtype)[None]


class ColorImageProcessor(PictureProcessor):
    """Prepare pictures for a network with three channels, red, green and blue.

    Gray pictures get three equal channels. Values from -1 to 1 by default.
    """

    pillow_mode = "RGB"
    image_mean = [0.5, 0.5, 0.5]  # noqa: RUF012
    image_std = [0.5, 0.5, 0.5]  # noqa: RUF012

    def convert_channels(self, image: np.ndarray) -> np.ndarray:
        """Colours `(3, H, W)`."""
        return np.repeat(image, 3, axis=0) if len(image) == 1 else image


class BackboneImageProcessor(GrayscaleImageProcessor):
    """Prepare pictures for a network whose channels are a choice of its config: as many as `image_mean` has numbers.

    One, gray, by default.
    """

    @property
    def pillow_mode(self) -> str:  # type: ignore[override]
        """Of Pillow images that have the network's channels."""
        return "L" if len(self.image_mean) == 1 else "RGB"

    def convert_channels(self, image: np.ndarray) -> np.ndarray:
        """Gray `(1, H, W)` or colours `(3, H, W)`."""
        if self.pillow_mode == "L":
            return super().convert_channels(image)
        return np.repeat(image, 3, axis=0) if len(image) == 1 else image


def _opaque(image: PIL.Image.Image) -> PIL.Image.Image:
    """Lay a transparent picture onto white, for what stands under its transparent pixels means nothing."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    image = image.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, "white"), image)


def _with_channel(image: ImageInput) -> ImageInput:
    return image[None] if isinstance(image, np.ndarray | torch.Tensor) and image.ndim == 2 else image


def _channels_first(image: ImageInput, input_data_format: str | ChannelDimension | None) -> np.ndarray:
    """Bring an array of any layout to `(1, H, W)` or `(3, H, W)`, opaque; a ValueError says what is none."""
    if isinstance(image, torch.Tensor):
        image = image.cpu().numpy()
    if not isinstance(image, np.ndarray):
        raise ValueError(f"A picture must be a Pillow image, a NumPy array or a torch tensor, not {type(image)}.")
    image = eight_bit_array(image)
    if image.ndim == 2:  # a Pillow image in gray
        return image[None]
    if input_data_format is None:
        try:
            input_data_format = infer_channel_dimension_format(image, num_channels=(1, 3, 4))
        except ValueError as error:
            raise ValueError(
                f"A picture must be (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels, not {image.shape}."
            ) from error
    if ChannelDimension(input_data_format) == ChannelDimension.LAST:
        image = np.moveaxis(image, -1, 0)
    if len(image) == 4:
        white = 255 if np.issubdtype(image.dtype, np.integer) else 1
        image = _as_type(white + (image[:3] - float(white)) * (image[3:] / white), image.dtype)
    return image


def _as_type(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return (np.rint(image) if np.issubdtype(dtype, np.integer) else image).astype(dtype)
