"""The captioning task, its processor and its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tsugiki
from datasets import Dataset, Features, Image, List, Value
from tsugiki.augmentation import Augmentation
from tsugiki.data.load_data import load_split
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import evaluate, predict_table
from tsugiki.fingerprint import content_fingerprint
from tsugiki.recipes.prepared_recipe import hold_out
from tsugiki.training.job import TrainingJob
from tsugiki.transfer.cache import FeatureCache
from tsugiki_seq2seq.captions.caption_columns import caption_lists
from tsugiki_seq2seq.captions.caption_pairs import encoder_features, pair_table
from tsugiki_seq2seq.captions.image_captioner import ImageCaptionerForConditionalGeneration
from tsugiki_seq2seq.captions.image_captioner_processor import ImageCaptionerProcessor, train_caption_processor
from tsugiki_seq2seq.captions.image_captioner_training import train_captioner
from tsugiki_seq2seq.captions.image_captioning import ImageCaptioning, write_captions

from .captioned_squares import COLOURS, PATTERNS, picture, squares

TASK = ImageCaptioning()
MEMORY = FeatureCache(disk=False)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return squares()


@pytest.fixture(scope="module")
def processor(data: Dataset) -> ImageCaptionerProcessor:
    return train_caption_processor(data, TASK.columns(data), encoder="resnet20-cifar10", min_count=2)


def make_model(processor: ImageCaptionerProcessor, **fields: Any) -> ImageCaptionerForConditionalGeneration:
    """A small captioner on a pretrained encoder."""
    torch.manual_seed(0)
    options = {"encoder": "resnet20-cifar10", "hidden_size": 32, "grid_size": 2, **fields}
    return tsugiki.create_model("image-captioner", **TASK.processor_fields(processor), **options)


def test_columns_are_found_or_named(data: Dataset) -> None:
    found = TASK.columns(data)
    assert found == {"image": "image", **{f"caption_{n}": f"caption_{n}" for n in range(len(PATTERNS))}}
    assert TASK.columns(data, {"caption": "caption_3"}) == {"image": "image", "caption": "caption_3"}
    lists = Dataset.from_dict(
        {"picture": [picture("red"), picture("blue")], "sentences": [["a dog", "two dogs"], ["a cat", ""]]},
        features=Features({"picture": Image(), "sentences": List(Value("string"))}),
    )
    columns = TASK.columns(lists)
    assert columns == {"image": "picture", "caption": "sentences"}
    assert list(caption_lists(lists, columns)) == [["a dog", "two dogs"], ["a cat"]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"captoin": "caption_0"}, "no role 'captoin'"),
        ({"caption": "caption_9"}, "no column 'caption_9'"),
        ({"caption": "image"}, "not captions"),
        ({"image": "caption_0"}, "not pictures"),
    ],
)
def test_wrong_columns_are_named(data: Dataset, given: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        TASK.columns(data, given)


def test_data_without_captions_or_rows_is_refused(data: Dataset, processor: ImageCaptionerProcessor) -> None:
    with pytest.raises(DataError, match="columns of captions"):
        TASK.columns(data.select_columns(["image"]))
    with pytest.raises(DataError, match="no rows"):
        TASK.table(data.select([]), processor)
    empty = data.select([0]).map(lambda row: {f"caption_{n}": " " for n in range(len(PATTERNS))})
    with pytest.raises(DataError, match="row 0 has no caption"):
        TASK.table(empty, processor)


def test_the_processor_knows_frequent_words_and_prepares_like_the_encoders_own(
    processor: ImageCaptionerProcessor,
) -> None:
    words = set(processor.tokenizer.get_vocab())
    assert {"square", "red", "wall", "<unk>"} <= words
    assert not any(not word.islower() and word.isalpha() for word in words)
    pixels = processor(images=picture("red"), return_tensors="pt")["pixel_values"]
    own = tsugiki.load_processor("resnet20-cifar10")(images=picture("red"), return_tensors="pt")["pixel_values"]
    assert torch.equal(pixels, own)
    ids = processor(text=["The square is RED!", "a square"], return_tensors="pt")["input_ids"]
    assert processor.batch_decode(ids, skip_special_tokens=True) == ["the square is red", "a square"]


def test_rare_words_become_unknown_and_pictures_take_the_size_that_is_asked_for(data: Dataset) -> None:
    some = data.select(range(3))  # red, green, blue once each in every caption
    learnt = train_caption_processor(some, {"image": "image", "caption": "caption_0"}, encoder="resnet20-cifar10",
                                     image_size=48, min_count=2)  # fmt: skip
    assert set(learnt.tokenizer.get_vocab()) == {"<pad>", "<s>", "</s>", "<unk>", "a", "square"}
    assert learnt(images=picture("red"), return_tensors="pt")["pixel_values"].shape == (1, 3, 48, 48)
    with pytest.raises(OptionError, match="image_size"):
        train_caption_processor(some, TASK.columns(some), encoder="resnet20-cifar10", image_size=0)


def test_cached_features_equal_recomputed_ones(data: Dataset, processor: ImageCaptionerProcessor) -> None:
    model, table = make_model(processor).eval(), TASK.table(data, processor)
    cache = FeatureCache(disk=False)
    first = encoder_features(model, table, cache=cache)
    assert encoder_features(model, table, cache=cache) is first
    for row in range(2):
        batch = table.batch([row])
        torch.testing.assert_close(model.encoder(batch["pixel_values"])[0][0], first[row], atol=1e-4, rtol=1e-4)
        mirrored = model.encoder(batch["pixel_values"].flip(-1))[0][0]
        found = encoder_features(model, table, mirrored=True, cache=cache)[row]
        torch.testing.assert_close(mirrored, found, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        next(model.encoder.parameters()).add_(1)
    assert not torch.equal(encoder_features(model, table, cache=cache), first)


def test_pairs_have_the_loss_of_pictures_and_captions(data: Dataset, processor: ImageCaptionerProcessor) -> None:
    model, table = make_model(processor).eval(), TASK.table(data, processor)
    pairs = pair_table(model, table, cache=MEMORY)
    assert len(pairs) == len(data) * len(PATTERNS)
    batch = pairs.batch([7, 23])  # pictures 1 and 4
    with torch.inference_mode():
        found = model(**batch).loss
        whole = model(pixel_values=table.batch([1, 4])["pixel_values"], labels=batch["labels"]).loss
        alone = [model(**pairs.batch([row])) for row in (7, 23)]
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)
    counts = [int((pairs.batch([row])["labels"] >= 0).sum()) for row in (7, 23)]
    mean = sum(float(one.loss) * count for one, count in zip(alone, counts, strict=True)) / sum(counts)
    assert float(found) == pytest.approx(mean, abs=1e-5)
    text = processor.tokenizer.decode(batch["labels"][0][batch["labels"][0] >= 0], skip_special_tokens=True)
    assert text == "the square is green"


def test_a_held_out_part_shares_no_picture_and_a_flip_draws_by_epoch(
    data: Dataset, processor: ImageCaptionerProcessor
) -> None:
    model, table = make_model(processor).eval(), TASK.table(data, processor)
    kept, held = hold_out(table, 0.25)
    assert not set(kept.columns["picture"].tolist()) & set(held.columns["picture"].tolist())
    assert len(pair_table(model, held, cache=MEMORY)) == len(held) * len(PATTERNS)
    flipped = pair_table(model, table.with_augmentation(Augmentation(flip=True), seed=3), cache=MEMORY)
    rows = list(range(len(flipped)))
    first = flipped.batch(rows)["encoder_outputs"][0]
    assert torch.equal(first, flipped.batch(rows)["encoder_outputs"][0])
    flipped.epoch = 1
    assert not torch.equal(first, flipped.batch(rows)["encoder_outputs"][0])
    with pytest.raises(OptionError, match="flip and nothing else"):
        pair_table(model, table.with_augmentation(Augmentation(flip=True, cutout=4)), cache=MEMORY)


@pytest.mark.parametrize("attention", ["none", "bahdanau"])
def test_training_learns_the_colours(
    data: Dataset, processor: ImageCaptionerProcessor, attention: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSUGIKI_CACHE", str(tmp_path / "cache"))
    model, table = make_model(processor, attention=attention), TASK.table(data, processor)
    arguments = {"num_train_epochs": 15, "per_device_train_batch_size": 20, "learning_rate": 0.02, "seed": 0}
    result = train_captioner(
        model, TrainingJob(table, tmp_path / "run", arguments, validation=table, task=TASK, progress=False)
    )
    assert result.history[-1]["eval_loss"] < result.history[0]["eval_loss"]
    backbone = tsugiki.load("resnet20-cifar10", task="backbone")
    same = zip(backbone.state_dict().values(), model.encoder.backbone.state_dict().values(), strict=True)
    assert all(torch.equal(left, right) for left, right in same)
    metrics = evaluate(model, table, task="image-captioning", batch_size=5)
    assert set(metrics) == {"cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4"}
    assert metrics["bleu_1"].value > 90
    assert metrics["cider"].low <= metrics["cider"].value <= metrics["cider"].high
    answers = TASK.predict(model, processor, [picture("red", 99), picture("blue", 99)], top_k=3)
    assert [len(answer) for answer in answers] == [3, 3]
    assert "red" in answers[0][0]["label"]
    assert "blue" in answers[1][0]["label"]
    scores = [guess["score"] for guess in answers[0]]
    assert 0 < scores[-1] <= scores[0] < 1
    assert scores == sorted(scores, reverse=True)


def test_predictions_do_not_depend_on_the_batch_or_the_selection(
    data: Dataset, processor: ImageCaptionerProcessor
) -> None:
    model, table = make_model(processor, initializer_range=1.0).eval(), TASK.table(data, processor)
    assert write_captions(model, table, batch_size=12) == write_captions(model, table, batch_size=5)
    whole = predict_table(model, table, task=TASK, batch_size=12)
    some = predict_table(model, table.select([9, 2]), task=TASK, batch_size=1)
    np.testing.assert_allclose(some.outputs, whole.outputs[[9, 2]], rtol=1e-6)
    assert len(whole) == len(data) and whole.labels is None
    assert TASK.row_scores(whole).mean() == pytest.approx(TASK.metrics(whole)["cider"].value)


def test_a_perfect_captioner_gets_the_highest_scores(
    data: Dataset, processor: ImageCaptionerProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = TASK.table(data, processor)
    names = [list(COLOURS)[row % len(COLOURS)] for row in range(len(data))]
    written = [PATTERNS[1].format(name).upper() for name in names]
    monkeypatch.setattr("tsugiki_seq2seq.captions.image_captioning.write_captions", lambda *args, **kwargs: written)
    metrics = TASK.metrics(TASK.predictions(None, table, batch_size=4))
    assert [round(metrics[f"bleu_{n}"].value, 6) for n in (1, 2, 3, 4)] == [100] * 4
    assert metrics["cider"].value > 1


def test_top_k_is_at_least_one(processor: ImageCaptionerProcessor) -> None:
    with pytest.raises(OptionError, match="top_k"):
        TASK.predict(None, processor, [], top_k=0)


@pytest.mark.data("tsugiki/flickr8k_mini")
def test_flickr8k_is_read_as_it_is() -> None:
    data = load_split("tsugiki/flickr8k_mini", "validation")
    assert content_fingerprint(data) == "59ca141ec0013359"
    columns = TASK.columns(data)
    assert len(columns) == 6
    assert all(len(texts) == 5 for texts in caption_lists(data, columns))
