"""Models and processors by name: task classes, overrides, requirements, and what is imported on the way."""

from __future__ import annotations

import ast
import json
import logging
import re
import shutil
import subprocess
import sys

import pytest
import torch
import tsugiki
from PIL import Image
from tsugiki.errors import OptionError, PluginError, SnapshotError, TsugikiError, UnknownNameError
from tsugiki.snapshots.snapshot import Snapshot

from ..tiny_snapshots import LABELS, SIZES, change_json, pictures, write_provenance, write_snapshot


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return {family: write_snapshot(tmp_path_factory.mktemp("sound") / family, family) for family in SIZES}


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound["plain"], tmp_path / "plain")


# ---------------------------------------------------------------- load


def test_model_knows_where_it_came_from_and_does_not_write_it_down(folder, tmp_path):
    model = tsugiki.load(folder)
    assert model.name_or_path == str(folder)
    model.save_pretrained(tmp_path / "again")
    assert str(folder) not in (tmp_path / "again" / "config.json").read_text()
    again = tsugiki.load(tmp_path / "again")
    assert torch.equal(model(pictures(model)).logits, again(pictures(model)).logits)


@pytest.mark.parametrize("family", list(SIZES))
def test_backbone_of_a_classifier_computes_the_same_maps_without_a_word(sound, family, caplog):
    with caplog.at_level(logging.INFO):
        backbone = tsugiki.load(sound[family], task="backbone", out_indices=[0, 1])
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert not backbone.training
    model = tsugiki.load(sound[family])
    maps = backbone(pictures(model)).feature_maps
    hidden = model(pictures(model), output_hidden_states=True).hidden_states
    assert [map.shape[1] for map in maps] == backbone.channels
    for ours, expected in zip(maps, hidden, strict=False):
        assert torch.equal(ours.flatten(), expected.flatten())


def test_backbone_outputs_are_chosen_by_name(folder):
    backbone = tsugiki.load(folder, task="backbone", out_features=["convolution1", "hidden1"])
    assert backbone.out_indices == [0, 2]
    with pytest.raises(OptionError, match="out_features must be a subset of stage_names"):
        tsugiki.load(folder, task="backbone", out_features=["convolution9"])


@pytest.mark.parametrize("family", list(SIZES))
def test_base_model_of_a_classifier(sound, family):
    base, model = tsugiki.load(sound[family], task="base"), tsugiki.load(sound[family])
    trunk = getattr(model, model.base_model_prefix)
    assert all(torch.equal(a, b) for a, b in zip(base.parameters(), trunk.parameters(), strict=True))


def test_backbone_of_a_damaged_trunk_is_refused(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "plain.extra": torch.zeros(1)}, path)
    for task in ("backbone", "base"):
        with pytest.raises(SnapshotError, match=r"holds 1 tensor \(plain\.extra\) too many"):
            tsugiki.load(folder, task=task)
    tensors.pop("plain.hidden_layers.0.0.bias")
    save_file(tensors, path)
    for task in ("backbone", "base"):
        with pytest.raises(SnapshotError, match=r"lacks 1 tensor"):
            tsugiki.load(folder, task=task)


def test_classifier_of_a_backbone_is_refused(folder, tmp_path):
    tsugiki.load(folder, task="backbone").save_pretrained(tmp_path / "backbone")
    assert type(tsugiki.load(tmp_path / "backbone")).__name__ == "PlainBackbone"
    with pytest.raises(SnapshotError, match=r"lacks 2 tensors \(classifier\.weight, classifier\.bias\)"):
        tsugiki.load(tmp_path / "backbone", task="image-classification")


def test_base_model_gets_a_new_head(folder, tmp_path):
    base = tsugiki.load(folder, task="base")
    base.save_pretrained(tmp_path / "base")
    assert type(tsugiki.load(tmp_path / "base")).__name__ == "PlainModel"
    with pytest.raises(SnapshotError, match=r"lacks 2 tensors \(classifier\.weight, classifier\.bias\)"):
        tsugiki.load(tmp_path / "base", task="image-classification")
    model = tsugiki.load(tmp_path / "base", task="image-classification", num_labels=4)
    assert model.classifier.weight.shape == (4, 8)
    assert all(torch.equal(a, b) for a, b in zip(model.plain.parameters(), base.parameters(), strict=True))


def test_task_that_the_family_has_not(folder):
    with pytest.raises(UnknownNameError, match=r"family 'plain' has no model for 'object-detection'; it has: base"):
        tsugiki.load(folder, task="object-detection")


def test_override_is_validated_with_all_the_others(folder):
    assert tsugiki.load(folder, dropout=0.5).config.dropout == 0.5
    with pytest.raises(OptionError, match=r"unknown option 'droput' for family 'plain'. Did you mean 'dropout'"):
        tsugiki.load(folder, droput=0.5)
    with pytest.raises(OptionError, match="dropout must be at least 0 and below 1, not 7"):
        tsugiki.load(folder, dropout=7)
    with pytest.raises(OptionError, match=r"'reversion'.*'revision'"):
        tsugiki.load(folder, reversion="main")


def test_override_that_the_weights_do_not_fit_is_refused(folder):
    with pytest.raises(SnapshotError, match=r"asks for \[9, 8\] \(with hidden_sizes set|hidden_sizes set otherwise"):
        tsugiki.load(folder, hidden_sizes=[9, 8])


def test_other_labels_give_a_new_head_on_the_same_trunk(folder):
    saved = tsugiki.load(folder)
    torch.manual_seed(5)
    model = tsugiki.load(folder, id2label={0: "yes", 1: "no"})
    assert model.config.label2id == {"yes": 0, "no": 1}
    assert model.config.num_labels == 2
    assert model.classifier.weight.shape == (2, 8)
    assert model.classifier.weight.std() > 0
    assert all(torch.equal(a, b) for a, b in zip(model.plain.parameters(), saved.plain.parameters(), strict=True))
    torch.manual_seed(5)
    assert torch.equal(tsugiki.load(folder, num_labels=2).classifier.weight, model.classifier.weight)
    mlp_head = tsugiki.load(folder, classifier="mlp")
    assert mlp_head.config.num_labels == 3


def test_head_that_fits_is_kept_when_labels_are_renamed(folder):
    saved, renamed = tsugiki.load(folder), tsugiki.load(folder, id2label={0: "Ameise", 1: "Biene", 2: "Kuh"})
    assert renamed.config.id2label[2] == "Kuh"
    assert torch.equal(saved.classifier.weight, renamed.classifier.weight)


@pytest.mark.parametrize(
    "names",
    [
        {"label2id": {"Ameise": 0, "Biene": 1, "Kuh": 2}},
        {"id2label": ["Ameise", "Biene", "Kuh"]},
        {"id2label": {"2": "Kuh", "0": "Ameise", "1": "Biene"}, "num_labels": 3},
    ],
)
def test_labels_may_be_named_either_way(folder, names):
    saved, renamed = tsugiki.load(folder), tsugiki.load(folder, **names)
    assert renamed.config.id2label == {0: "Ameise", 1: "Biene", 2: "Kuh"}
    assert renamed.config.label2id == {"Ameise": 0, "Biene": 1, "Kuh": 2}
    assert torch.equal(saved.classifier.weight, renamed.classifier.weight)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"num_labels": 3, "id2label": {0: "a", 1: "b"}}, "num_labels = 3 contradicts the 2 names"),
        ({"id2label": {1: "a", 2: "b"}}, "numbered from 0 to 1, not 1, 2"),
        ({"label2id": {"a": 0, "b": 0}}, "numbered from 0"),
        ({"id2label": {0: "a", 1: "b"}, "label2id": {"a": 1, "b": 0}}, "contradict each other"),
        ({"id2label": {0: "a", 1: "a"}}, "two labels have one name"),
        ({"id2label": {"zero": "a"}}, "must number their labels"),
        ({"id2label": "ab"}, "names by number, or a list"),
    ],
)
def test_labels_that_contradict_each_other_are_refused(folder, names, message):
    with pytest.raises(OptionError, match=message):
        tsugiki.load(folder, **names)


def test_old_snapshot_without_architectures_loads_as_the_only_task(folder):
    change_json(folder / "config.json", architectures=None)
    assert type(tsugiki.load(folder)).__name__ == "PlainForImageClassification"


def test_requirement_that_is_missing_is_named(folder):
    write_provenance(folder, requires=["torch", "tsugiki-no-such-part"])
    for call in (tsugiki.load, tsugiki.load_processor):
        with pytest.raises(PluginError, match=r"needs tsugiki-no-such-part, not installed here: pip install"):
            call(folder)
    write_provenance(folder, requires="torch")
    with pytest.raises(SnapshotError, match="requires must be a list"):
        tsugiki.load(folder)


def test_model_type_that_nobody_declares(folder):
    change_json(folder / "config.json", model_type="tsugiki_plian")
    with pytest.raises(PluginError, match=r"config\.json: no installed plugin .*'tsugiki_plian'.*Did you mean 'plain'"):
        tsugiki.load(folder)
    change_json(folder / "config.json", model_type="unheard_of")
    with pytest.raises(PluginError, match=r"no installed plugin .*'unheard_of', nor has transformers"):
        tsugiki.load(folder)
    change_json(folder / "config.json", model_type="roberta")
    with pytest.raises(SnapshotError, match="for a RobertaModel of this config"):
        tsugiki.load(folder)


def test_family_of_a_plugin_that_is_switched_off(folder, monkeypatch):
    monkeypatch.setenv("TSUGIKI_PLUGINS", "")
    tsugiki.refresh()
    try:
        with pytest.raises(PluginError, match=r"no installed plugin .*'tsugiki_plain'"):
            tsugiki.load(folder)
        change_json(folder / "config.json", model_type="tsugiki_lenet")
        with pytest.raises(PluginError, match=r"'tsugiki_lenet'.*pip install \./packages/vision"):
            tsugiki.load(folder)
    finally:
        monkeypatch.undo()
        tsugiki.refresh()


def test_snapshot_knows_its_task(folder):
    assert Snapshot.open(folder).task == "image-classification"
    change_json(folder / "config.json", architectures=["PlainBackbone"])
    assert Snapshot.open(folder).task is None
    write_provenance(folder, task="image-classification")
    assert Snapshot.open(folder).task == "image-classification"


# ---------------------------------------------------------------- create_model


def test_fresh_model_has_the_sizes_of_its_config():
    model = tsugiki.create_model("plain", num_labels=10)
    assert sum(parameter.numel() for parameter in model.parameters()) == 156 + 2_416 + 4_812 + 104 + 90
    assert model.training
    assert tsugiki.create_model("toy:plain", "backbone", out_indices=[1]).channels == [16]
    assert tsugiki.create_model("plain", dtype="bfloat16").dtype == torch.bfloat16


def test_fresh_model_with_wrong_options():
    with pytest.raises(UnknownNameError, match="Did you mean 'plain'"):
        tsugiki.create_model("plian")
    with pytest.raises(OptionError, match=r"'num_label'.*'num_labels'"):
        tsugiki.create_model("plain", num_label=3)
    with pytest.raises(OptionError, match="activation"):
        tsugiki.create_model("plain", activation="sine")
    with pytest.raises(OptionError, match="num_labels"):
        tsugiki.create_model("plain", num_labels=0)
    with pytest.raises(UnknownNameError, match="has no model for 'text-generation'"):
        tsugiki.create_model("plain", "text-generation")


def test_seed_decides_the_fresh_weights():
    torch.manual_seed(1)
    first = tsugiki.create_model("plain").classifier.weight
    torch.manual_seed(1)
    assert torch.equal(first, tsugiki.create_model("plain").classifier.weight)


# ---------------------------------------------------------------- load_processor


@pytest.mark.parametrize("family", list(SIZES))
def test_processor_comes_with_its_settings(sound, family):
    processor = tsugiki.load_processor(sound[family])
    model = tsugiki.load(sound[family])
    inputs = processor([Image.new("RGB", (50, 40)), Image.new("L", (9, 9))], return_tensors="pt")
    logits = model(**inputs).logits
    assert logits.shape == (2, len(LABELS))


def test_processor_of_transformers_itself(sound, tmp_path):
    folder = shutil.copytree(sound["resnet"], tmp_path / "resnet")
    settings = {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 64}, "crop_pct": 0.9}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    processor = tsugiki.load_processor(folder)
    assert type(processor).__name__ == "ConvNextImageProcessorPil"
    assert processor.size["shortest_edge"] == 64


@pytest.mark.parametrize(
    ("fields", "error", "match"),
    [
        ({"size": {"height": 10**6, "width": 32}}, SnapshotError, r"size\.height = 1000000 is out of range"),
        ({"image_mean": [1e30]}, SnapshotError, r"image_mean = 1e\+30 is out of range"),
        ({"image_processor_type": None}, SnapshotError, "names no image_processor_type"),
        ({"image_processor_type": "NoSuchProcessor"}, PluginError, "neither an installed plugin nor transformers has"),
        ({"size": "large"}, SnapshotError, "does not describe a ToyGrayProcessor"),
    ],
)
def test_damaged_processor_is_refused(folder, fields, error, match):
    change_json(folder / "preprocessor_config.json", **fields)
    with pytest.raises(error, match=match) as caught:
        tsugiki.load_processor(folder)
    assert str(folder / "preprocessor_config.json") in str(caught.value)


def test_missing_processor_is_refused(folder):
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(SnapshotError, match=r"has no processor: neither preprocessor_config\.json"):
        tsugiki.load_processor(folder)


def test_tokenizer_is_loaded_where_there_is_one(folder):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    (folder / "preprocessor_config.json").unlink()
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "hello": 1}, unk_token="[UNK]"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(folder)
    assert tsugiki.load_processor(folder)("hello")["input_ids"] == [1]


# ---------------------------------------------------------------- imports


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_wrong_name_is_answered_without_torch():
    done = run("""
import sys, tsugiki
for call in (tsugiki.load, tsugiki.load_processor, tsugiki.create_model):
    try:
        call("plian-net")
    except tsugiki.TsugikiError as error:
        print(error)
assert not {"torch", "transformers", "numpy", "huggingface_hub"} & set(sys.modules)
""")
    assert len(done.stdout.splitlines()) == 3


def test_loading_imports_nothing_of_training_and_prints_nothing(folder):
    done = run(f"""
import sys
from transformers import AutoModel, PreTrainedModel  # 5.17 imports scikit-learn with the first of them
import transformers.audio_utils  # takes soundfile along where it is installed, for whoever loads a processor
before = set(sys.modules)
import tsugiki
tsugiki.load({str(folder)!r}), tsugiki.load_processor({str(folder)!r})
print(sorted(set(sys.modules) - before))
""")
    added = ast.literal_eval(done.stdout)
    manifests = {name for name in added if re.fullmatch(r"tsugiki_\w+(\.plugin)?", name)}  # every plugin's is read
    packages = {name.partition(".")[0] for name in set(added) - manifests} - sys.stdlib_module_names
    assert packages <= {"PIL", "packaging", "tokenizers", "transformers", "tsugiki", "tsugiki_toy"}
    assert [name for name in added if name.startswith(("transformers.trainer", "transformers.pipelines"))] == []
    assert done.stderr == ""


def test_every_error_is_a_tsugiki_error(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(TsugikiError):
        tsugiki.load(folder)
