"""Gray pictures of more than 8 bits and of floats are the same pictures as in 8 bits."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import tsugiki
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from tsugiki import cli
from tsugiki.deep_pixels import eight_bit_array, eight_bits
from tsugiki.errors import DataError
from tsugiki.images import decode_images, fetch_image, open_image
from tsugiki.picture_processing import ColorImageProcessor, GrayscaleImageProcessor
from tsugiki_vision.waves_clips.clip_processing import GrayscaleClipProcessor

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
DEEP = RAMP.astype(np.uint16) * 257


def encoded(array, kind, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def tags(**values) -> ImageFileDirectory_v2:
    numbers = {"photometric": 262, "smallest": 340, "greatest": 341}
    directory = ImageFileDirectory_v2()
    for name, value in values.items():
        directory[numbers[name]] = value
    return directory


FORMS = {
    "16-bit PNG": lambda: encoded(DEEP, "PNG"),
    "16-bit TIFF": lambda: encoded(DEEP, "TIFF"),
    "16-bit PGM": lambda: b"P5 16 16 65535\n" + DEEP.astype(">u2").tobytes(),
    "12-bit PGM": lambda: b"P5 16 16 4095\n" + np.rint(RAMP * (4095 / 255)).astype(">u2").tobytes(),
    "16 bits in a 32-bit TIFF": lambda: encoded(DEEP.astype(np.int32), "TIFF"),
    "8 bits in a 32-bit TIFF": lambda: encoded(RAMP.astype(np.int32), "TIFF"),
    "32-bit TIFF": lambda: encoded((RAMP * ((2**31 - 1) / 255)).astype(np.int32), "TIFF"),
    "floats to 1": lambda: encoded((RAMP / 255).astype(np.float32), "TIFF"),
    "floats to 255": lambda: encoded(RAMP.astype(np.float32), "TIFF"),
    "floats to 65535": lambda: encoded(DEEP.astype(np.float32), "TIFF"),
    "floats about 0": lambda: encoded((RAMP / 127.5 - 1).astype(np.float32), "TIFF"),
    "floats of a stated range": lambda: encoded(
        (RAMP / 25.5 + 3).astype(np.float32), "TIFF", tiffinfo=tags(smallest=3.0, greatest=13.0)
    ),
    "16 bits with white at 0": lambda: encoded(65535 - DEEP, "TIFF", tiffinfo=tags(photometric=0)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("processor_class", [GrayscaleImageProcessor, ColorImageProcessor])
def test_a_deep_picture_is_the_one_in_8_bits(form, processor_class):
    content = FORMS[form]()
    processor = processor_class(size={"height": 8, "width": 8})
    shallow = Image.fromarray(RAMP)
    assert np.array_equal(np.asarray(open_image(content)), RAMP)
    assert decode_images([content], processor).equal(decode_images([shallow], processor))
    opened = Image.open(io.BytesIO(content))
    same = [processor(images=picture, return_tensors="pt")["pixel_values"] for picture in (opened, shallow)]
    assert same[0].equal(same[1])


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.int64, np.uint32])
def test_arrays_of_whole_numbers_are_scaled_like_pictures(kind):
    assert np.array_equal(eight_bit_array(DEEP.astype(kind)), RAMP)
    processor = GrayscaleImageProcessor(size={"height": 8, "width": 8})
    deep, shallow = (
        processor(images=[array], return_tensors="pt")["pixel_values"] for array in (DEEP.astype(kind), RAMP)
    )
    assert deep.equal(shallow)


def test_other_pictures_and_arrays_stay_as_they_are():
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"):
        picture = Image.new(mode, (3, 2))
        assert eight_bits(picture) is picture
    for array in (RAMP, RAMP.astype(np.float32), RAMP.astype(np.int64)):
        assert np.array_equal(eight_bit_array(array), array)


def test_what_is_no_number_is_black_and_infinity_is_white():
    values = np.array([[np.nan, 0.0, 0.5, 1.0, np.inf]], np.float32)
    assert np.asarray(eight_bits(Image.fromarray(values))).tolist() == [[0, 0, 128, 255, 255]]


def test_a_transparent_value_stays_transparent():
    picture = open_image(encoded(DEEP, "PNG", transparency=514))
    assert picture.mode == "LA"
    gray, alpha = (np.asarray(band) for band in picture.split())
    assert np.array_equal(gray, RAMP)
    assert np.array_equal(alpha == 0, RAMP == 2)


def test_floats_without_a_range_are_refused():
    with pytest.raises(DataError, match=r"scan\.tif does not decode as an image: its values reach 1e\+06, and nothing"):
        open_image(encoded(np.full((2, 2), 1e6, np.float32), "TIFF"), name="scan.tif")


@pytest.mark.parametrize("form", ["16-bit PNG", "floats to 1"])
@pytest.mark.parametrize("prefix", ["", "data:image/any;base64,"])
def test_a_deep_picture_in_base64_is_scaled_too(form, prefix):
    text = base64.encodebytes(FORMS[form]()).decode()
    assert np.array_equal(np.asarray(fetch_image(prefix + text)), RAMP)


def test_a_text_that_is_no_picture_is_said_to_be_none():
    for text in ("no-such-file.png", "x" * 10_000 + "!"):
        with pytest.raises(ValueError, match="is no picture: neither a file, an address"):
            fetch_image(text)
    with pytest.raises(DataError, match="'scan', no file and taken for base64, does not decode as an image"):
        fetch_image("scan")


def test_deep_frames_of_a_clip_are_scaled():
    frames = [Image.fromarray(DEEP), Image.fromarray(DEEP[::-1].copy())]
    buffer = io.BytesIO()
    frames[0].save(buffer, "TIFF", save_all=True, append_images=frames[1:])
    processor = GrayscaleClipProcessor(size={"height": 16, "width": 16}, num_frames=2)
    deep = processor(open_image(buffer.getvalue(), all_frames=True), do_rescale=False, do_normalize=False)[
        "pixel_values"
    ]
    assert np.array_equal(np.asarray(deep)[0, :, 0], np.stack([RAMP, RAMP[::-1]]))


@pytest.mark.parametrize("name", ["lenet5-mnist", "resnet20-cifar10"])
def test_the_same_50_pictures_in_16_and_8_bits_get_the_same_answers(name, tmp_path, capsys):
    generator = np.random.default_rng(0)
    for number in range(50):
        gray = generator.integers(0, 256, (6, 6), dtype=np.uint8).repeat(7, 0).repeat(7, 1)
        for bits, array in (("8", gray), ("16", gray.astype(np.uint16) * 257)):
            (tmp_path / bits).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / bits / f"{number}.png")
    answers, piped = {}, {}
    pipeline = tsugiki.pipeline(name)
    for bits in ("8", "16"):
        assert cli.main(["predict", name, str(tmp_path / bits), "--json"]) == 0
        answers[bits] = [answer["predictions"] for answer in json.loads(capsys.readouterr().out)]
        piped[bits] = [pipeline(str(tmp_path / bits / f"{number}.png")) for number in range(50)]
        opened = [Image.open(tmp_path / bits / f"{number}.png") for number in range(50)]
        assert pipeline(opened) == piped[bits]
    assert len(answers["8"]) == 50
    assert answers["8"] == answers["16"]
    assert piped["8"] == piped["16"]
