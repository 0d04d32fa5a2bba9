from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
import torch
from tsugiki.images import open_image
from tsugiki.picture_processing import GrayscaleImageProcessor
from tsugiki_vision.waves_clips.clip_processing import GrayscaleClipProcessor, frames_of, sample_frames

FIELDS = {"size": {"height": 6, "width": 8}, "image_mean": [0.3], "image_std": [0.2]}
CLIP = np.random.default_rng(0).integers(0, 256, (4, 6, 8), dtype=np.uint8)


def prepared(clips, **fields) -> torch.Tensor:
    return GrayscaleClipProcessor(**{"num_frames": 4, **FIELDS, **fields})(clips, return_tensors="pt")["pixel_values"]


def test_frames_are_prepared_like_pictures():
    for size in (FIELDS["size"], {"height": 3, "width": 5}):
        pictures = GrayscaleImageProcessor(**{**FIELDS, "size": size})
        expected = pictures([PIL.Image.fromarray(frame) for frame in CLIP], return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(prepared(CLIP, size=size), expected[None], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "clip",
    [
        torch.from_numpy(CLIP),
        CLIP[..., None],
        CLIP[:, None],
        np.repeat(CLIP[..., None], 3, axis=3),
        list(CLIP),
        [PIL.Image.fromarray(frame) for frame in CLIP],
        [CLIP],
        CLIP[None, :, None],
        [list(CLIP)],
    ],
    ids=["tensor", "THWC", "TCHW", "colours", "list", "pictures", "batch", "NTCHW", "nested"],
)
def test_one_clip_has_many_forms(clip):
    assert torch.equal(prepared(clip), prepared(CLIP))


def test_batch_equals_single_clips():
    other = CLIP[::-1].copy()
    assert torch.equal(prepared([CLIP, other]), torch.cat([prepared(CLIP), prepared(other)]))


def test_animated_pictures_are_clips():
    file = io.BytesIO()
    first, *rest = [PIL.Image.fromarray(frame) for frame in CLIP]
    first.save(file, "PNG", save_all=True, append_images=rest)
    for picture in (PIL.Image.open(file), open_image(file.getvalue())):
        assert torch.equal(prepared(picture), prepared(CLIP))
    assert torch.equal(prepared([PIL.Image.open(file)] * 2), prepared([CLIP, CLIP]))


@pytest.mark.parametrize(
    ("have", "want", "taken"),
    [(4, 4, [0, 1, 2, 3]), (9, 3, [0, 4, 8]), (2, 4, [0, 0, 1, 1]), (1, 3, [0, 0, 0]), (5, 1, [0])],
)
def test_frames_are_spaced_evenly(have, want, taken):
    assert sample_frames(list(range(have)), want) == taken
    assert prepared(CLIP, num_frames=want).shape == (1, want, 1, 6, 8)


def test_settings_survive_saving(tmp_path):
    GrayscaleClipProcessor(**FIELDS, num_frames=3).save_pretrained(tmp_path)
    assert GrayscaleClipProcessor.from_pretrained(tmp_path)(CLIP)["pixel_values"].shape == (1, 3, 1, 6, 8)


@pytest.mark.parametrize(
    ("clip", "message"), [(np.zeros((2, 2)), "A clip must be"), ([], "at least one"), (3, "array")]
)
def test_what_is_no_clip_is_refused(clip, message):
    with pytest.raises(ValueError, match=message):
        frames_of(clip)
