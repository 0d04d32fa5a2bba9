"""The processor of image captioners: an image processor, as the encoder's checkpoint has it, and a tokenizer learnt
from captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from transformers import BatchFeature, ProcessorMixin
from transformers.image_utils import ImageInput
from transformers.processing_utils import ProcessingKwargs, Unpack
from transformers.tokenization_utils_base import TextInput
from tsugiki.errors import OptionError

from ..texts.tokenizer_training import learn_tokenizer
from .caption_columns import caption_lists
from .caption_scores import plain_caption

if TYPE_CHECKING:
    from datasets import Dataset


class ImageCaptionerProcessor(ProcessorMixin):
    """Prepares pictures and captions.

    Args:
        image_processor: Of the pictures.
        tokenizer: Of the captions, which it gets in lower case and without punctuation.
    """

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:
        super().__init__(image_processor, tokenizer)

    def __call__(
        self,
        images: ImageInput | None = None,
        text: TextInput | list[TextInput] | None = None,
        **kwargs: Unpack[ProcessingKwargs],
    ) -> BatchFeature:
        """Prepare pictures, captions or both.

        Args:
            images: A picture or several, as the image processor takes them.
            text: A caption or several; padded to the longest where tensors are asked for and nothing says otherwise.
            kwargs: Options of tokenizer and image processor, such as ``return_tensors``, ``padding`` or
                ``images_kwargs={"do_resize": False}``.

        Returns:
            ``pixel_values`` (B, C, H, W) of pictures; ``input_ids`` and ``attention_mask`` (B, L) of captions.

        Raises:
            ValueError: There are neither pictures nor captions.
        """
        options: dict[str, Any] = dict(kwargs)
        if text is not None:
            text = plain_caption(text) if isinstance(text, str) else [plain_caption(one) for one in text]
            tells = [options, options.get("text_kwargs", {}), options.get("common_kwargs", {})]
            asked = any(part.get("return_tensors") for part in tells)
            if asked and not any("padding" in part for part in (*tells, self.tokenizer.init_kwargs)):
                options["padding"] = True
        return super().__call__(images=images, text=text, **options)


def train_caption_processor(
    dataset: Dataset,
    columns: Mapping[str, str],
    *,
    encoder: str,
    image_size: int | None = None,
    vocab_size: int = 8000,
    min_count: int = 2,
) -> ImageCaptionerProcessor:
    """Learn the words of the captions, and take the pictures' preparation from the encoder's checkpoint.

    Args:
        dataset: The training rows.
        columns: Column by role, as `tsugiki_seq2seq.captions.image_captioning.ImageCaptioning` finds them.
        encoder: Name of the checkpoint that encodes the pictures.
        image_size: Pixels a side that pictures are resized to, instead of what the encoder was trained on.
        vocab_size: Words at most, the special tokens among them.
        min_count: Rarer words become ``<unk>``.

    Raises:
        TsugikiError: There is no such checkpoint, or it has no image processor.
        OptionError: An option is out of range.
        DataError: The captions hold no words.
    """
    from transformers.image_processing_utils import BaseImageProcessor
    from tsugiki.snapshots.snapshot import Snapshot

    image_processor = Snapshot.open(encoder).processor()
    if not isinstance(image_processor, BaseImageProcessor):
        raise OptionError(f"encoder {encoder!r} takes no pictures; name the checkpoint of an image network")
    if image_size is not None:
        if image_size < 1:
            raise OptionError(f"image_size must be at least 1, not {image_size}")
        fields = {**image_processor.to_dict(), "size": {"height": image_size, "width": image_size}}
        image_processor = type(image_processor).from_dict({**fields, "do_resize": True, "do_center_crop": False})
    texts = [plain_caption(text) for texts in caption_lists(dataset, columns) for text in texts]
    tokenizer = learn_tokenizer(texts, kind="word", vocab_size=vocab_size, min_count=min_count)
    return ImageCaptionerProcessor(image_processor, tokenizer)
