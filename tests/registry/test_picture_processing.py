from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from tsugiki.picture_processing import ColorImageProcessor, GrayscaleImageProcessor

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)  # (H, W, C)
PICTURE = PIL.Image.fromarray(PIXELS)
GRAY = np.array(PICTURE.convert("L"))  # (H, W)
BOTH = pytest.mark.parametrize(
    ("processor_class", "mode"), [(GrayscaleImageProcessor, "L"), (ColorImageProcessor, "RGB")], ids=["gray", "color"]
)


def as_chw(picture: PIL.Image.Image) -> np.ndarray:
    pixels = np.array(picture)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@BOTH
def test_equals_pillow_and_the_formula(processor_class, mode):
    channels = 1 if mode == "L" else 3
    mean, std = [0.2, 0.4, 0.6][:channels], [0.5, 0.3, 0.1][:channels]
    processor = processor_class(size={"height": 6, "width": 5}, image_mean=mean, image_std=std)
    resized = as_chw(PICTURE.convert(mode).resize((5, 6), PIL.Image.Resampling.BILINEAR))
    expected = (resized / 255 - np.array(mean)[:, None, None]) / np.array(std)[:, None, None]
    pixel_values = processor(PICTURE, return_tensors="pt")["pixel_values"]
    assert pixel_values.dtype == torch.float32
    np.testing.assert_allclose(pixel_values.numpy(), expected[None], atol=1e-5)


@BOTH
@pytest.mark.parametrize(
    "same_picture",
    [
        PIXELS,
        PIXELS.transpose(2, 0, 1),
        torch.from_numpy(PIXELS),
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        PICTURE.convert("RGBA"),
        np.array(PICTURE.convert("RGBA")),
    ],
    ids=["numpy HWC", "numpy CHW", "torch HWC", "torch CHW", "RGBA", "numpy RGBA"],
)
def test_takes_colours_of_any_kind(processor_class, mode, same_picture):
    (pixels,) = processor_class(do_resize=False)(same_picture, do_rescale=False, do_normalize=False)["pixel_values"]
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, as_chw(PICTURE.convert(mode)))


@BOTH
@pytest.mark.parametrize(
    "same_picture",
    [
        PIL.Image.fromarray(GRAY),
        PIL.Image.fromarray(GRAY).convert("RGB"),
        PIL.Image.fromarray(GRAY).convert("LA"),
        GRAY,
        GRAY[None],
        GRAY[..., None],
        torch.from_numpy(GRAY),
        [GRAY],
    ],
    ids=["L", "RGB", "LA", "numpy HW", "numpy CHW", "numpy HWC", "torch HW", "list of numpy HW"],
)
def test_takes_gray_of_any_kind(processor_class, mode, same_picture):
    (pixels,) = processor_class(do_resize=False)(same_picture, do_rescale=False, do_normalize=False)["pixel_values"]
    np.testing.assert_array_equal(pixels, as_chw(PIL.Image.fromarray(GRAY).convert(mode)))


def test_float_colours_become_gray_with_the_weights_of_bt_601():
    values = np.random.default_rng(1).random((3, 4, 4), dtype=np.float32)
    processor = GrayscaleImageProcessor(do_resize=False, do_rescale=False, do_normalize=False)
    (pixels,) = processor(values)["pixel_values"]
    np.testing.assert_allclose(pixels[0], np.tensordot([0.299, 0.587, 0.114], values, 1), atol=1e-6)


@BOTH
def test_two_colours_bits_and_palettes_are_pictures(processor_class, mode):
    processor = processor_class(do_resize=False, do_rescale=False, do_normalize=False)
    bits = PICTURE.convert("1")
    palette = PICTURE.quantize(8)
    for picture in (bits, palette):
        np.testing.assert_array_equal(processor(picture)["pixel_values"][0], as_chw(picture.convert(mode)))


@BOTH
def test_transparent_pixels_are_white_whatever_stands_under_them(processor_class, mode):
    ink = PIL.Image.new("RGBA", (6, 5), (0, 0, 0, 0))
    ink.putpixel((1, 2), (0, 0, 0, 255))
    for picture in (ink, np.array(ink), np.array(ink) / np.float32(255)):
        (pixels,) = processor_class(do_resize=False, do_rescale=False, do_normalize=False)(picture)["pixel_values"]
        white = 255 if pixels.dtype == np.uint8 else 1
        assert pixels[:, 2, 1].max() == 0
        assert (pixels == white).sum() == 29 * len(pixels)


@BOTH
def test_decoding_without_rescaling_gives_resized_bytes(processor_class, mode):
    processor = processor_class(size={"height": 7, "width": 7})
    for pixels in processor([PICTURE, PICTURE], do_rescale=False, do_normalize=False)["pixel_values"]:
        assert pixels.dtype == np.uint8
        expected = as_chw(PICTURE.convert(mode).resize((7, 7), PIL.Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(pixels, expected)


def test_picture_of_the_right_size_is_left_as_it_is():
    processor = GrayscaleImageProcessor(size={"height": 9, "width": 13}, do_rescale=False, do_normalize=False)
    np.testing.assert_array_equal(processor(GRAY)["pixel_values"][0], GRAY[None])


def test_pictures_of_several_sizes_make_one_batch():
    pictures = [PICTURE, PICTURE.resize((40, 20)), GRAY]
    assert ColorImageProcessor()(pictures, return_tensors="pt")["pixel_values"].shape == (3, 3, 32, 32)


def test_crops_and_keeps_the_aspect_where_the_config_says_so():
    processor = ColorImageProcessor(size={"shortest_edge": 6}, do_center_crop=True, crop_size=6)
    assert processor(PICTURE, return_tensors="pt")["pixel_values"].shape == (1, 3, 6, 6)


@BOTH
def test_saved_processor_comes_back_through_the_auto_class(processor_class, mode, tmp_path):
    class OwnConfig(PreTrainedConfig):
        model_type = f"tsugiki_test_processing_{mode.lower()}"

    AutoConfig.register(OwnConfig.model_type, OwnConfig)
    AutoImageProcessor.register(OwnConfig, image_processor_classes={"pil": processor_class})
    processor = processor_class(size={"height": 11, "width": 12}, image_mean=[0.1] * (1 if mode == "L" else 3))
    processor.save_pretrained(tmp_path)
    loaded = AutoImageProcessor.from_pretrained(tmp_path, trust_remote_code=False)
    assert type(loaded) is processor_class
    assert loaded.to_dict() == processor.to_dict()
    assert set(loaded.to_dict()["size"].values()) == {11, 12}


@pytest.mark.parametrize("picture", [np.zeros((5, 6, 7)), np.zeros((4, 2, 5, 6, 3))], ids=["5 channels", "5-D"])
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ValueError, match=r"(?i)picture|image|dimension"):
        GrayscaleImageProcessor()(picture)


@pytest.mark.parametrize(("size", "top", "left"), [((4, 6), 2, 4), ((4, 10), 2, 2), ((9, 13), 0, 0), ((6, 4), 2, 4)])
def test_centre_crop_rounds_half_pixels_to_the_even_one(size, top, left):
    processor = ColorImageProcessor(
        do_resize=False, do_center_crop=True, crop_size=dict(zip(("height", "width"), size, strict=True))
    )
    (pixels,) = processor(PICTURE, do_rescale=False, do_normalize=False)["pixel_values"]
    np.testing.assert_array_equal(pixels, as_chw(PICTURE)[:, top : top + size[0], left : left + size[1]])


def test_centre_crop_puts_zeros_around_a_small_picture():
    processor = ColorImageProcessor(do_resize=False, do_center_crop=True, crop_size={"height": 11, "width": 15})
    (pixels,) = processor(PICTURE, do_rescale=False, do_normalize=False)["pixel_values"]
    np.testing.assert_array_equal(pixels[:, 1:-1, 1:-1], as_chw(PICTURE))
    assert pixels[:, 0].max() == 0
