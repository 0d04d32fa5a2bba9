"""A captioner's snapshot: loaded by name and by transformers' Auto classes, and served by its pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
import tsugiki
import yaml
from tsugiki.errors import PluginError
from tsugiki.recipes import train_recipe as recipe_training
from tsugiki.snapshots.environment import required_distributions
from tsugiki.snapshots.provenance import Provenance
from tsugiki_seq2seq.captions.image_captioner import ImageCaptionerForConditionalGeneration
from tsugiki_seq2seq.captions.image_captioner_processor import ImageCaptionerProcessor, train_caption_processor
from tsugiki_seq2seq.captions.image_captioning import ImageCaptioning

from .captioned_squares import picture, squares

TASK = ImageCaptioning()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captioner with random weights on a pretrained encoder, with its processor."""
    folder, data = tmp_path_factory.mktemp("snapshot"), squares(4)
    processor = train_caption_processor(data, TASK.columns(data), encoder="resnet20-cifar10")
    torch.manual_seed(0)
    model = tsugiki.create_model(
        "image-captioner",
        encoder="resnet20-cifar10",
        hidden_size=16,
        initializer_range=1.0,
        **TASK.processor_fields(processor),
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_the_processor_is_loaded_with_its_image_processor_and_tokenizer(snapshot: Path) -> None:
    processor = tsugiki.load_processor(snapshot)
    assert type(processor) is ImageCaptionerProcessor
    own = tsugiki.load_processor("resnet20-cifar10")
    assert type(processor.image_processor).__name__ == type(own).__name__
    image = picture("green")
    pixels = processor(images=image, return_tensors="pt")["pixel_values"]
    assert torch.equal(pixels, own(images=image, return_tensors="pt")["pixel_values"])
    assert processor(text="A green square!")["input_ids"] == processor.tokenizer("a green square")["input_ids"]


def test_the_processor_takes_the_options_of_its_tokenizer_and_image_processor(snapshot: Path) -> None:
    processor, image = tsugiki.load_processor(snapshot), picture("green")
    size = {"height": 20, "width": 24}
    given = processor(
        image, ["a square", "a green one"], return_tensors="pt", padding="max_length", max_length=7, size=size
    )
    assert given["pixel_values"].shape == (1, 3, 20, 24)
    assert given["input_ids"].shape == given["attention_mask"].shape == (2, 7)
    by_part = processor(
        image,
        ["a square", "a green one"],
        return_tensors="pt",
        text_kwargs={"padding": "max_length", "max_length": 7},
        images_kwargs={"size": size},
    )
    assert all(torch.equal(by_part[name], given[name]) for name in given)
    assert processor(text=["a", "a green one"], return_tensors="pt")["input_ids"].shape == (2, 3)
    with pytest.raises(ValueError):  # noqa: PT011  # the library's own words
        processor()


def test_auto_classes_find_model_and_processor(snapshot: Path) -> None:
    tsugiki.register()
    model = transformers.AutoModelForImageTextToText.from_pretrained(snapshot, local_files_only=True)
    assert type(model) is ImageCaptionerForConditionalGeneration
    assert type(transformers.AutoProcessor.from_pretrained(snapshot, local_files_only=True)) is ImageCaptionerProcessor


def test_batched_equals_single_and_options_reach_generate(snapshot: Path, tmp_path: Path) -> None:
    pipe = tsugiki.pipeline(snapshot)
    images = [picture(colour, 5) for colour in ("red", "white", "blue")]
    path = tmp_path / "blue.png"
    images[2].save(path)
    batched = pipe([*images[:2], str(path)], batch_size=3, max_new_tokens=8)
    assert batched == [pipe(image, max_new_tokens=8) for image in images]
    assert all(isinstance(answer[0]["generated_text"], str) for answer in batched)
    several = pipe(images[0], num_beams=3, num_return_sequences=2, max_new_tokens=8)
    assert len(several) == 2
    model, processor = tsugiki.load(snapshot), tsugiki.load_processor(snapshot)
    pixels = processor(images=images[0], return_tensors="pt")["pixel_values"]
    written = model.generate(pixel_values=pixels, num_beams=3, max_new_tokens=8, do_sample=False)
    assert several[0]["generated_text"] == processor.batch_decode(written, skip_special_tokens=True)[0]


def test_the_pipeline_is_found_by_its_task_from_a_folder(snapshot: Path) -> None:
    tsugiki.register()
    pipe = transformers.pipeline("image-captioning", model=str(snapshot))
    assert pipe(picture("red"), max_new_tokens=5) == tsugiki.pipeline(snapshot)(picture("red"), max_new_tokens=5)


def test_the_encoders_package_is_required(snapshot: Path) -> None:
    config = json.loads((snapshot / "config.json").read_text())
    assert required_distributions(config, "tsugiki-seq2seq") == ["tsugiki-vision"]
    assert required_distributions(config["encoder_config"], "tsugiki-vision") == []


def test_a_processor_of_a_missing_package_is_named(snapshot: Path, tmp_path: Path) -> None:
    for file in snapshot.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "processor_config.json"
    path.write_text(path.read_text().replace("ColorImageProcessor", "NoSuchImageProcessor"))
    with pytest.raises(PluginError, match="NoSuchImageProcessor"):
        tsugiki.load_processor(tmp_path)


def test_a_recipe_becomes_a_snapshot_that_names_what_it_requires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "mirror" / "org" / "squares" / "data"
    data.mkdir(parents=True)
    for split in ("train", "validation"):
        squares(6).to_parquet(data / f"{split}-00000-of-00001.parquet")
    monkeypatch.setenv("TSUGIKI_DATASETS", str(tmp_path / "mirror"))
    recipe = {
        "name": "caption-squares",
        "plugin": "seq2seq",
        "family": "image-captioner",
        "task": "image-captioning",
        "license": "apache-2.0",
        "config": {"encoder": "resnet20-cifar10", "hidden_size": 8, "grid_size": 2},
        "processor": {"encoder": "resnet20-cifar10", "min_count": 1},
        "augmentation": {"flip": True},
        "generation": {"num_beams": 2, "max_new_tokens": 6},
        "data": {"id": "org/squares", "train": "train", "evaluation": "validation", "license": "apache-2.0"},
        "training": {"num_train_epochs": 1, "per_device_train_batch_size": 30},
        "storage": "float16",
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    output = recipe_training.train(tmp_path, output_dir=tmp_path / "snapshot", progress=False)
    record = Provenance.read(output)
    assert record.requires == ["tsugiki-vision"]
    assert set(record.evaluations[0].metrics) == {"cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4"}
    model, processor = tsugiki.load(output), tsugiki.load_processor(output)
    assert model.generation_config.num_beams == 2
    measured = tsugiki.evaluate(model, squares(6), processor=processor)
    assert measured["cider"].value == pytest.approx(record.evaluations[0].metrics["cider"].value, abs=1e-6)
