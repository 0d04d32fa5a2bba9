"""transformers' common tests on every processor of the plugins: of pictures, waveforms, captions, and tokenizers."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from typing import Any

import numpy as np
import tsugiki
from transformers import PreTrainedTokenizerFast
from tsugiki.picture_processing import BackboneImageProcessor, ColorImageProcessor, GrayscaleImageProcessor
from tsugiki_embeddings.words.word_tokenizer import train_word_tokenizer
from tsugiki_seq2seq.captions.image_captioner_processor import ImageCaptionerProcessor
from tsugiki_seq2seq.texts.tokenizer_training import KINDS, learn_tokenizer
from tsugiki_seq2seq.texts.word_shapes import learn_word_shapes
from tsugiki_vision.waves_clips.waveform_processing import WaveformFeatureExtractor

from . import transformers_tests

images = transformers_tests.load("test_image_processing_common")
recordings = transformers_tests.load("test_sequence_feature_extraction_common")
processors = transformers_tests.load("test_processing_common")
tokenizers = transformers_tests.load("test_tokenization_common")

tsugiki.register()

CHANNELS = {GrayscaleImageProcessor: 1, BackboneImageProcessor: 1, ColorImageProcessor: 3}
TEXTS = """The quick brown fox jumps over the lazy dog. This is a test, and this is the first sentence of the text.
He is very happy, unwanted, running. It was a bright cold day in April, and the clocks were striking thirteen.
A lower newer house stands near the river; an upper older longer string hangs there. Hello, this is a sample text!
Hey how are you doing, my friend? I was born in 92000, and this is false. Wonderful, no inspiration example."""


class PictureTester(images.ImageProcessingTester):
    """Colour pictures, and what becomes of them."""

    def __init__(self, parent: Any) -> None:
        self.processor_class = parent.processor_class
        super().__init__(parent, size={"height": 18, "width": 20}, do_resize=True, do_normalize=True)

    def _get_image_processing_classes(self) -> dict[str, type]:
        return {"pil": self.processor_class}

    def expected_output_image_shape(self, images: Any) -> tuple[int, ...]:
        return CHANNELS[self.processor_class], self.size["height"], self.size["width"]


class PictureTests(images.ImageProcessingTestMixin):
    """The common tests of image processors."""

    kind = "picture"
    image_processor_tester_class = PictureTester
    test_cast_dtype = True


for processor_class in CHANNELS:
    name = f"Test_{processor_class.__name__}"
    members = {"processor_class": processor_class, "subject": processor_class.__name__, "__module__": __name__}
    globals()[name] = type(name, (PictureTests, unittest.TestCase), members)


class WaveformTester:
    """Recordings of several lengths."""

    batch_size = 3
    feature_size = 1
    min_seq_length, max_seq_length, seq_length_diff = 800, 1_200, 200

    def prepare_feat_extract_dict(self) -> dict[str, Any]:
        return {"sampling_rate": 8_000, "num_samples": 1_000, "feature_size": 1, "padding_value": 0.0}

    def prepare_inputs_for_common(self, equal_length: bool = False, numpify: bool = False) -> list[Any]:
        longer = 0 if equal_length else self.seq_length_diff
        lengths = [self.min_seq_length + longer * row for row in range(self.batch_size)]
        found = [np.random.default_rng(row).normal(size=size).astype(np.float32) for row, size in enumerate(lengths)]
        return found if numpify else [one.tolist() for one in found]


class Test_WaveformFeatureExtractor(recordings.SequenceFeatureExtractionTestMixin, unittest.TestCase):  # noqa: N801
    kind, subject = "waveform", "WaveformFeatureExtractor"
    feature_extraction_class = WaveformFeatureExtractor

    def setUp(self) -> None:
        self.feat_extract_tester = WaveformTester()


class Test_ImageCaptionerProcessor(processors.ProcessorTesterMixin, unittest.TestCase):  # noqa: N801
    kind, subject = "caption", "ImageCaptionerProcessor"
    processor_class = ImageCaptionerProcessor

    @classmethod
    def _setup_image_processor(cls) -> Any:
        return ColorImageProcessor()

    @classmethod
    def _setup_tokenizer(cls) -> Any:
        return learn_tokenizer(TEXTS.splitlines(), kind="word")


class TokenizerTests(tokenizers.TokenizerTesterMixin):
    """The common tests of tokenizers, on a vocabulary learnt from the texts above."""

    kind = "tokenizer"
    tokenizer_class = PreTrainedTokenizerFast
    rust_tokenizer_class = PreTrainedTokenizerFast
    test_tokenizer_from_extractor = False
    test_seq2seq = False

    @classmethod
    def setUpClass(cls) -> None:
        cls.tokenizers_list = []
        cls.tmpdirname = tempfile.mkdtemp()
        cls.learn(TEXTS.splitlines()).save_pretrained(cls.tmpdirname)
        cls.from_pretrained_id = [cls.tmpdirname]
        cls.tokenizers_list = [(PreTrainedTokenizerFast, cls.tmpdirname, {})]
        cls._data = TEXTS

    @classmethod
    def tearDownClass(cls) -> None:
        shutil.rmtree(cls.tmpdirname)


LEARNERS: dict[str, Any] = {
    "embedding_words": lambda texts: train_word_tokenizer(texts, min_count=1),
    "word_shapes": lambda texts: learn_word_shapes([text.split() for text in texts]),
    **{kind: lambda texts, kind=kind: learn_tokenizer(texts, kind=kind) for kind in KINDS},
}
for name, learner in LEARNERS.items():
    members = {"learn": staticmethod(learner), "subject": name, "__module__": __name__}
    globals()[f"Test_tokenizer_{name}"] = type(f"Test_tokenizer_{name}", (TokenizerTests, unittest.TestCase), members)
