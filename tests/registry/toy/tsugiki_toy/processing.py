"""Pictures, clips, recordings and texts to a network's input."""

from typing import Any, ClassVar

import numpy as np
import PIL.Image
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import PILImageResampling


class ToyImageProcessor(PilBackend):
    pillow_mode: ClassVar[str]

    do_resize = True
    size = {"height": 32, "width": 32}  # noqa: RUF012
    resample = PILImageResampling.BILINEAR
    do_rescale = True
    do_normalize = True

    def process_image(self, image: Any, **kwargs: Any) -> np.ndarray:
        """A picture to an array `(C, H, W)`."""
        if not isinstance(image, PIL.Image.Image):
            image = PIL.Image.fromarray(np.asarray(image))
        pixels = np.array(image.convert(self.pillow_mode))
        return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


class ToyGrayProcessor(ToyImageProcessor):
    pillow_mode = "L"
    image_mean = [0.5]  # noqa: RUF012
    image_std = [0.5]  # noqa: RUF012


class ToyColorProcessor(ToyImageProcessor):
    pillow_mode = "RGB"
    image_mean = [0.5, 0.5, 0.5]  # noqa: RUF012
    image_std = [0.5, 0.5, 0.5]  # noqa: RUF012


class ToyClipProcessor(ToyGrayProcessor):
    def preprocess(self, clips: Any, *args: Any, return_tensors: str | None = None, **kwargs: Any) -> BatchFeature:
        """Clips of equally many frames to `pixel_values` `(N, T, 1, H, W)`."""
        frames = [frame for clip in clips for frame in clip]
        pictures = [
            frame if isinstance(frame, PIL.Image.Image) else PIL.Image.fromarray(np.asarray(frame, np.uint8).squeeze())
            for frame in frames
        ]
        pixels = super().preprocess(pictures, *args, return_tensors="np", **kwargs)["pixel_values"]
        return BatchFeature(
            {"pixel_values": pixels.reshape(len(clips), -1, *pixels.shape[1:])}, tensor_type=return_tensors
        )


class ToyWaveformExtractor(SequenceFeatureExtractor):
    model_input_names: ClassVar[list[str]] = ["input_values"]

    def __init__(self, sampling_rate: int = 8000, num_samples: int = 64, **kwargs: Any) -> None:
        super().__init__(**{"feature_size": 1, "padding_value": 0.0, **kwargs, "sampling_rate": sampling_rate})
        self.num_samples = num_samples

    def __call__(
        self,
        raw_speech: Any,
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Recordings `(T,)` to `input_values` `(N, num_samples)`, cut or filled with zeros."""
        recordings = [raw_speech] if np.ndim(raw_speech[0]) == 0 else raw_speech
        waves = [np.asarray(one, dtype=np.float32)[: self.num_samples] for one in recordings]
        waves = [np.pad(wave, (0, self.num_samples - len(wave))) for wave in waves]
        return BatchFeature({"input_values": np.stack(waves)}, tensor_type=return_tensors)


def word_tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of these words and of no others."""
    vocabulary = {word: number for number, word in enumerate(["<pad>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\p{L}+"), behavior="removed", invert=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )
