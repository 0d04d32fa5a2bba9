"""For what inputs a model was made, of processors that nobody here wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers
from tokenizers import Tokenizer, models, normalizers
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
from tsugiki.snapshots.made_for import made_for, made_for_by_processor


def words(**vocabulary: int) -> Tokenizer:
    known = {"<unk>": 0, "<pad>": 1, **vocabulary}
    made = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    made.add_special_tokens(["<unk>", "<pad>"])
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    return made


def fast(tokenizer: Tokenizer, **fields: Any) -> Any:
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **fields)


PROCESSORS: list[tuple[Any, str, str]] = [
    (
        lambda: ViTImageProcessorPil(size={"height": 32, "width": 48}),
        "pictures, 32 x 48, colour",
        "picture 32x48",
    ),
    (
        lambda: transformers.Wav2Vec2FeatureExtractor(sampling_rate=16_000),
        "recordings, 16,000 Hz",
        "audio 16 kHz",
    ),
    (
        lambda: transformers.WhisperFeatureExtractor(),
        "recordings, 16,000 Hz, 30 s",
        "audio 16 kHz",
    ),
    (lambda: fast(words(red=2, blue=3)), "texts, 4 lower-cased words", "text"),
    (lambda: fast(words(r=2, b=3), model_max_length=9), "texts, 4 lower-cased characters, up to 9", "text"),
    (
        lambda: fast(Tokenizer(models.WordPiece({"<unk>": 0, "a": 1}, unk_token="<unk>"))),
        "texts, 2 pieces of words",
        "text",
    ),
]


@pytest.mark.parametrize(("make", "said", "brief"), PROCESSORS)
def test_a_folder_and_a_loaded_processor_tell_the_same(make: Any, said: str, brief: str, tmp_path: Path) -> None:
    processor = make()
    processor.save_pretrained(tmp_path)
    found, loaded = made_for(tmp_path), made_for_by_processor(processor)
    assert (str(found), str(loaded)) == (said, said)
    assert found is not None
    assert found.brief == brief


def test_the_places_of_a_network_limit_a_text(tmp_path: Path) -> None:
    transformers.BertConfig(max_position_embeddings=24).save_pretrained(tmp_path)
    fast(words(red=2)).save_pretrained(tmp_path)
    assert str(made_for(tmp_path)) == "texts, 3 lower-cased words, up to 24"


def test_a_processor_of_two_parts_is_told_by_what_it_looks_at(tmp_path: Path) -> None:
    (tmp_path / "processor_config.json").write_text(
        '{"image_processor": {"image_processor_type": "Any", "size": 64, "image_mean": [0.5]}}'
    )
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert str(made_for(tmp_path)) == "pictures, 64 x 64, grey"


def test_a_folder_without_a_processor_tells_nothing(tmp_path: Path) -> None:
    assert made_for(tmp_path) is None
    (tmp_path / "preprocessor_config.json").write_text("damaged")
    assert made_for(tmp_path) is None
