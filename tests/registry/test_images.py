"""Decoding once and normalising per batch equals the processor."""

from __future__ import annotations

import io
import struct
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from tsugiki.errors import DataError
from tsugiki.images import PIXELS_AT_ONCE, Normalize, decode_images, image_size, open_image, upright_size
from tsugiki_toy.processing import ToyColorProcessor, ToyGrayProcessor


def photographs(sizes: list[tuple[int, int]]) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


@pytest.mark.parametrize("processor_class", [ToyColorProcessor, ToyGrayProcessor])
def test_decode_and_normalize_equal_the_processor(processor_class):
    channels = 3 if processor_class is ToyColorProcessor else 1
    processor = processor_class(
        size={"height": 24, "width": 20}, image_mean=[0.4, 0.5, 0.6][:channels], image_std=[0.2, 0.3, 0.25][:channels]
    )
    pictures = photographs([(30, 40), (20, 24), (64, 16)])
    decoded = decode_images(pictures, processor)
    assert decoded.dtype == torch.uint8
    assert decoded.shape == (3, channels, 24, 20)
    ours = Normalize.from_processor(processor)({"pixel_values": decoded})["pixel_values"]
    theirs = processor(images=pictures, return_tensors="pt")["pixel_values"]
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_bytes_paths_and_rows_of_datasets_open_alike(tmp_path):
    (picture,) = photographs([(5, 4)])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(buffer.getvalue())
    for source in (picture, buffer.getvalue(), path, {"bytes": buffer.getvalue(), "path": None}, {"path": str(path)}):
        assert np.array_equal(np.asarray(open_image(source)), np.asarray(picture))


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path):
    (picture,) = photographs([(5, 4)])
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    picture.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(open_image(tmp_path / "a.png")), np.asarray(picture.rotate(-90, expand=True)))


# Fields of a camera's notes: tag, type (2: text, 3: uint16, 9: int32), count, four bytes of value (Exif 2.32, 4.6.2).
TURNED = (0x112, 3, 1, b"\6\0\0\0")
MALFORMED = {
    "resolution as text": (0x11A, 2, 4, b"72\0\0"),
    "negative width": (0x100, 9, 1, b"\xff\xff\xff\xff"),
    "an unknown type": (0x100, 99, 1, b"\0\0\0\0"),
}


@pytest.mark.parametrize("malformed", MALFORMED)
def test_notes_that_cannot_be_written_again_are_followed_all_the_same(malformed):
    (picture,) = photographs([(5, 4)])
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    fields = b"".join(struct.pack("<HHI4s", *entry) for entry in (TURNED, MALFORMED[malformed]))
    notes = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + fields + bytes(4)
    photograph = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(notes) + 2) + notes + jpeg[2:]
    opened, decoded = open_image(photograph), Image.open(io.BytesIO(jpeg))
    assert np.array_equal(np.asarray(opened), np.asarray(decoded.rotate(-90, expand=True)))


@pytest.mark.parametrize("damage", [b"", b"no picture", None])
def test_what_does_not_decode_is_named(damage):
    (picture,) = photographs([(5, 4)])
    processor = ToyColorProcessor(size={"height": 4, "width": 4})
    with pytest.raises(DataError, match=r"row 1 does not decode as an image: .*; replace or remove it"):
        decode_images([picture, {"bytes": damage, "path": None}], processor, name=lambda row: f"row {row}")


def test_a_truncated_picture_is_named():
    buffer = io.BytesIO()
    photographs([(50, 40)])[0].save(buffer, "PNG")
    with pytest.raises(DataError, match="image 0 does not decode"):
        decode_images([buffer.getvalue()[:300]], ToyColorProcessor(size={"height": 4, "width": 4}))


def test_no_images_at_all():
    with pytest.raises(DataError, match="no images"):
        decode_images([], ToyColorProcessor(size={"height": 4, "width": 4}))


def test_large_pictures_go_through_the_processor_one_by_one_and_small_ones_together():
    class Counting(ToyColorProcessor):
        given: ClassVar[list[int]] = []

        def preprocess(self, images, *args, **kwargs):
            self.given.append(len(images))
            return super().preprocess(images, *args, **kwargs)

    processor = Counting(size={"height": 4, "width": 4})
    side = int(PIXELS_AT_ONCE**0.5)
    pictures = [*photographs([(9, 9)] * 3), *[Image.new("RGB", (side, side), "red")] * 2, *photographs([(9, 9)] * 600)]
    decoded = decode_images(pictures, processor)
    assert processor.given == [3, 1, 1, 512, 88]
    assert decoded.equal(torch.cat([decode_images([picture], processor) for picture in pictures]))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_the_size_of_an_upright_picture_is_known_by_its_header(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (6, 4)).save(path, exif=exif)
    if suffix != ".tif":  # whose size Pillow turns by itself
        assert image_size(path) == (6, 4)
    for source in (path, path.read_bytes(), {"bytes": None, "path": str(path)}):
        assert upright_size(source) == open_image(source).size == ((4, 6) if orientation > 4 else (6, 4))


def test_notes_behind_the_pixels_of_a_png_turn_it_too():
    exif = Image.Exif()
    exif[274] = 6
    file = io.BytesIO()
    Image.new("RGB", (6, 4)).save(file, "PNG", exif=exif)
    content = file.getvalue()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4])
    notes, without = content[start:end], content[:start] + content[end:]
    moved = without[:-12] + notes + without[-12:]  # in front of the last chunk
    assert upright_size(moved) == open_image(moved).size == (4, 6)
    assert upright_size(without) == open_image(without).size == (6, 4)


def test_the_size_of_what_is_no_picture_is_an_error():
    with pytest.raises(DataError, match=r"label.txt does not open as an image"):
        upright_size(b"none", name="label.txt")
