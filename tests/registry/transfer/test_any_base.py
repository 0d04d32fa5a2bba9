"""Architectures that no plugin declares: loaded, fine-tuned, asked and verified by the folder they lie in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
import transformers
import tsugiki
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from tsugiki.errors import OptionError, PluginError, SnapshotError
from tsugiki.images import Normalize
from tsugiki.snapshots.snapshot import Snapshot
from tsugiki.text_table import text_table
from tsugiki.transfer.features import head_features, stage_features
from tsugiki.transfer.stages import check_stages, head_of

from ..transfer_data import dataset

WORDS = [f"w{number}" for number in range(30)]
TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
TEXT = {**TINY, "vocab_size": 40, "max_position_embeddings": 24}
VIT = {**TINY, "image_size": 32, "patch_size": 8}
GPT2 = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 24, "eos_token_id": 0}
DISTILBERT = {"vocab_size": 40, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 16, "max_position_embeddings": 24}
WAVES = {"conv_dim": [8, 8], "conv_stride": [5, 4], "conv_kernel": [10, 8], "num_conv_pos_embeddings": 4}
WAV2VEC2 = {**TINY, **WAVES, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8}
SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}

CLASSIFIERS: dict[str, tuple[str, dict[str, Any], str, int]] = {  # config, its fields, path of the head, blocks
    "ViTForImageClassification": ("ViTConfig", VIT, "classifier", 2),
    "ConvNextForImageClassification": ("ConvNextConfig", {"hidden_sizes": [8] * 4, "depths": [1] * 4}, "classifier", 4),
    "SwinForImageClassification": ("SwinConfig", SWIN, "classifier", 2),
    "BertForSequenceClassification": ("BertConfig", TEXT, "classifier", 2),
    "DistilBertForSequenceClassification": ("DistilBertConfig", DISTILBERT, "classifier", 2),
    "RobertaForSequenceClassification": ("RobertaConfig", TEXT, "classifier.out_proj", 2),
    "AlbertForSequenceClassification": ("AlbertConfig", {**TEXT, "embedding_size": 8}, "classifier", 1),
    "GPT2ForSequenceClassification": ("GPT2Config", GPT2, "score", 2),
    "Wav2Vec2ForSequenceClassification": ("Wav2Vec2Config", WAV2VEC2, "classifier", 2),
}


def tiny(model_class: str, config_class: str, **fields: Any) -> Any:
    torch.manual_seed(0)
    return getattr(transformers, model_class)(getattr(transformers, config_class)(**fields)).eval()


def saved(folder: Path, model: Any, *, pad: bool = True) -> Path:
    """A folder as transformers alone writes it, with its processor."""
    model.save_pretrained(folder)
    if model.main_input_name == "pixel_values":
        from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

        ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
        return folder
    special = ["<eos>", "<unk>", "<pad>"]
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate([*special, *WORDS])}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    padding = {"pad_token": "<pad>"} if pad else {}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", eos_token="<eos>", **padding
    )
    tokenizer.save_pretrained(folder)
    return folder


def texts(rows: int) -> datasets.Dataset:
    """Texts of three classes, each of words of its own; some longer than the networks' 24 places."""
    labels = [row % 3 for row in range(rows)]
    lines = [" ".join(WORDS[10 * label + n % 10] for n in range(3 + 4 * row)) for row, label in enumerate(labels)]
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["a", "b", "c"])}
    )
    return datasets.Dataset.from_dict({"text": lines, "label": labels}, features=features)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_load_as_transformers_loads_them_and_are_cut_into_every_parameter_once(
    name: str, tmp_path: Path
) -> None:
    config, fields, head, blocks = CLASSIFIERS[name]
    tiny(name, config, num_labels=3, **fields).save_pretrained(tmp_path)
    model = tsugiki.load(tmp_path)
    theirs = type(model).from_pretrained(tmp_path).state_dict()
    ours = model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    stages = check_stages(model)
    assert head_of(model)[0] == head
    assert len([stage for stage in stages if stage.name not in ("embeddings", "top")]) == blocks
    held = [id(parameter) for stage in stages for parameter in stage.parameters()]
    held += [id(parameter) for parameter in head_of(model)[1].parameters()]
    assert sorted(held) == sorted({id(parameter) for parameter in model.parameters()})


def test_what_a_head_sees_of_the_token_that_answers_gives_the_logits() -> None:
    model = tiny("GPT2ForSequenceClassification", "GPT2Config", num_labels=3, pad_token_id=2, **GPT2)
    table = text_table([[5, 6, 7], [8], [9, 10, 11, 12]], pad_token_id=2)
    logits = model(**table.batch([0, 1, 2])).logits
    assert torch.allclose(model.score(head_features(model, table)), logits, atol=1e-5)
    assert stage_features(model, table, ["embeddings"], batch_size=2)["embeddings"].shape == (3, 16)


@pytest.mark.parametrize(
    ("model_class", "config", "fields"),
    [
        ("ViTForImageClassification", "ViTConfig", VIT),
        ("ViTModel", "ViTConfig", VIT),
        ("BertModel", "BertConfig", TEXT),
        ("DistilBertForMaskedLM", "DistilBertConfig", DISTILBERT),
        ("GPT2LMHeadModel", "GPT2Config", GPT2),
    ],
)
def test_a_base_of_transformers_alone_is_fine_tuned_asked_and_verified(
    model_class: str, config: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    base = saved(tmp_path / "base", tiny(model_class, config, **fields), pad=model_class != "GPT2LMHeadModel")
    pictures = "ViT" in model_class
    data = dataset(6, classes=3) if pictures else texts(18)
    out = tmp_path / "tuned"
    options = {"depth": 1, "max_steps": 2, "learning_rate": 1e-3, "progress": False, "augmentation": False}
    result = tsugiki.finetune(base, data, output_dir=out, **options)
    provenance = Snapshot.open(out).provenance
    assert provenance is not None
    assert (provenance.plugin, provenance.family, provenance.requires) == ("transformers", model_type(config), [])
    assert tsugiki.verify(out, data=data).ok
    theirs = type(result.model).from_pretrained(out).state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in tsugiki.load(out).state_dict().items())
    answers = tsugiki.pipeline(out)([data[0]["image" if pictures else "text"]])
    assert len(answers) == 1
    assert tsugiki.evaluate(out, data)["accuracy"].n == 18


@pytest.mark.parametrize("batch_size", [11, 1])  # of 12 rows: the last batch holds one
def test_a_last_batch_of_one_row_passes_batch_norms(batch_size: int, tmp_path: Path) -> None:
    sizes = {"image_size": 32, "width_coefficient": 0.25, "depth_coefficient": 0.1, "hidden_dim": 320}  # 1280 / 4
    base = saved(tmp_path / "base", tiny("EfficientNetForImageClassification", "EfficientNetConfig", **sizes))
    options = {"num_train_epochs": 1, "learning_rate": 1e-3, "progress": False, "augmentation": False}
    result = tsugiki.finetune(
        base,
        dataset(4, classes=3),
        test=dataset(2, classes=3, seed=1),
        output_dir=tmp_path / "out",
        depth="all",
        per_device_train_batch_size=batch_size,
        **options,
    )
    assert result.report.tuned.fit is not None
    assert result.metrics["accuracy"].n == 6


def model_type(config: str) -> str:
    return getattr(transformers, config).model_type


def test_a_trunk_gives_a_classifier_only_where_labels_are_asked_for(tmp_path: Path) -> None:
    saved(tmp_path, tiny("BertModel", "BertConfig", **TEXT))
    with pytest.raises(SnapshotError, match="lacks 2 tensors"):
        tsugiki.load(tmp_path, task="text-classification")
    model = tsugiki.load(tmp_path, task="text-classification", num_labels=4)
    assert isinstance(model.get_submodule("classifier"), nn.Linear)
    trunk = tsugiki.load(tmp_path).state_dict()
    assert all(torch.equal(value, model.state_dict()[f"bert.{name}"]) for name, value in trunk.items())


def test_a_trunk_that_lacks_a_block_is_refused_with_a_new_head_too(tmp_path: Path) -> None:
    saved(tmp_path, tiny("BertModel", "BertConfig", **{**TEXT, "num_hidden_layers": 1}))
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"num_hidden_layers": 1', '"num_hidden_layers": 2'))
    with pytest.raises(SnapshotError, match="lacks 16 tensors"):
        tsugiki.load(tmp_path, task="text-classification", num_labels=4)


def test_an_architecture_that_brings_its_own_code_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of", "auto_map": {"AutoModel": "code.Model"}}')
    with pytest.raises(PluginError, match="unheard_of"):
        tsugiki.load(tmp_path)


def test_a_task_that_the_architecture_has_no_model_for_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "base", tiny("ViTModel", "ViTConfig", **VIT))
    with pytest.raises(OptionError, match="no model for task 'text-classification'"):
        tsugiki.finetune(
            tmp_path / "base", dataset(6, classes=3), output_dir=tmp_path / "out", task="text-classification"
        )


def test_how_an_image_processor_scales_pictures_is_measured() -> None:
    from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil

    processor = EfficientNetImageProcessorPil(size={"height": 32, "width": 32}, rescale_offset=True)  # to -1…1 first
    picture = dataset(1, classes=2)[0]["image"].convert("RGB")
    raw = processor(images=[picture], do_rescale=False, do_normalize=False, return_tensors="pt")["pixel_values"]
    wanted = processor(images=[picture], return_tensors="pt")["pixel_values"]
    found = Normalize.from_processor(processor)({"pixel_values": raw})["pixel_values"]
    assert torch.allclose(found, wanted.float(), atol=1e-3)
