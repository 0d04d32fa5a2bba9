"""Damaged, oversized and hostile snapshots: each is one error that names the file, and nothing is executed."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import sys
import time

import pytest
import torch
import tsugiki
from safetensors.torch import load_file, save_file
from tsugiki.errors import OptionError, SnapshotError
from tsugiki.snapshots.snapshot import Snapshot
from tsugiki.snapshots.strict_config import build_config
from tsugiki.snapshots.strict_loading import load_strictly, read_header

from ..tiny_snapshots import change_json, pictures, write_provenance, write_snapshot


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write_snapshot(tmp_path_factory.mktemp("sound") / "plain")


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "plain")


def assert_refused(folder, match, file="model.safetensors", **options):
    """The snapshot does not load; the error is one line that names the file and matches."""
    with pytest.raises(SnapshotError, match=match) as caught:
        tsugiki.load(folder, **options)
    message = str(caught.value)
    assert str(folder / file) in message
    assert "\n" not in message


def rewrite(folder, change):
    """Write the weights again after `change` was applied to the dictionary of tensors."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


# ---------------------------------------------------------------- the weights file


def test_sound_snapshot_loads_in_eval_mode_and_leaves_the_random_state(folder):
    torch.manual_seed(3)
    model = tsugiki.load(folder)
    drawn = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(4))
    assert not model.training
    stored = load_file(folder / "model.safetensors")
    assert stored.keys() == model.state_dict().keys()
    assert all(torch.equal(stored[name], tensor) for name, tensor in model.state_dict().items())


def test_weights_do_not_hang_on_the_file(folder):
    model = tsugiki.load(folder)
    before = model.classifier.weight.clone()
    (folder / "model.safetensors").write_bytes(b"\0" * (folder / "model.safetensors").stat().st_size)
    assert torch.equal(model.classifier.weight, before)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_truncated_file_is_refused(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert_refused(folder, "the file is empty" if keep == 0 else "truncated or damaged")


def test_appended_bytes_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"more")
    assert_refused(folder, "truncated or damaged")


def test_flipped_bit_is_refused_where_provenance_records_the_hash(folder):
    write_provenance(folder)
    tsugiki.load(folder)
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert_refused(folder, r"damaged or replaced: its sha256 is [0-9a-f]{12}…, and provenance\.json records")


def test_hash_can_be_given(folder):
    config = tsugiki.load(folder).config
    model_class = type(tsugiki.load(folder))
    right = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    load_strictly(folder, model_class, config, sha256=right)
    with pytest.raises(SnapshotError, match="damaged or replaced"):
        load_strictly(folder, model_class, config, sha256="0" * 64)


def test_missing_and_unexpected_tensors_are_refused(folder):
    rewrite(folder, lambda tensors: tensors.pop("classifier.bias"))
    assert_refused(folder, r"lacks 1 tensor \(classifier\.bias\) for a PlainForImageClassification")
    rewrite(folder, lambda tensors: tensors.update({"extra.a": torch.zeros(1), "classifier.bias": torch.zeros(3)}))
    assert_refused(folder, r"holds 1 tensor \(extra\.a\) too many")


def test_weights_of_another_family_are_refused(folder, tmp_path):
    other = write_snapshot(tmp_path / "flat", "flat")
    shutil.copy(other / "model.safetensors", folder)
    assert_refused(folder, r"lacks 8 tensors \(plain\.convolutions\.0\.0\.weight, .*…\) and holds 4 tensors")


def test_wrong_shape_is_refused(folder):
    rewrite(folder, lambda tensors: tensors.update({"classifier.bias": torch.zeros(5)}))
    assert_refused(folder, r"classifier\.bias has shape \[5\], and config\.json asks for \[3\]")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(folder, value):
    rewrite(folder, lambda tensors: tensors["classifier.bias"].__setitem__(1, value))
    assert_refused(folder, r"classifier\.bias holds NaN or infinity")


@pytest.mark.parametrize("dtype", [torch.int32, torch.float64])
def test_other_dtypes_are_refused(folder, dtype):
    rewrite(folder, lambda tensors: tensors.update({"classifier.bias": torch.zeros(3, dtype=dtype)}))
    assert_refused(folder, r"classifier\.bias has dtype [IF]\d\d, and F32 or F16 or BF16 is read")


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "model.pt"])
@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_pickle_is_refused_and_not_opened(folder, tmp_path, name, writer):
    (folder / "model.safetensors").unlink()
    mark = tmp_path / "executed"
    if writer == "torch":
        torch.save(Bomb(mark), folder / name)
    else:
        (folder / name).write_bytes(pickle.dumps(Bomb(mark)))
    in_place = name == "model.safetensors"
    assert_refused(folder, "a pickle with the name of" if in_place else f"{name} is not read in its place")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"some text that is not long but longer than a header", "truncated or damaged"),
    ],
)
def test_other_files_are_told_apart(folder, content, match):
    (folder / "model.safetensors").write_bytes(content)
    assert_refused(folder, match)


def test_missing_weights_are_refused(folder):
    (folder / "model.safetensors").unlink()
    assert_refused(folder, "is missing")


def test_index_that_leads_out_of_the_folder_is_not_followed(folder):
    (folder / "model.safetensors").rename(folder.parent / "elsewhere.safetensors")
    names = read_header(folder.parent / "elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "../elsewhere.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert_refused(folder, "an index splits over several files are not read")


# ---------------------------------------------------------------- the config


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"hidden_sizes": [10**9]}, r"hidden_sizes = 1000000000 is out of range"),
        ({"num_labels": 10**7, "id2label": None}, r"num_labels = 10000000 is out of range \(at most 1000000\)"),
        ({"num_hidden_layers": 10**6}, r"num_hidden_layers = 1000000 is out of range"),
        ({"image_size": 10**400}, r"image_size = 1000.* is out of range"),
        ({"conv_channels": [1] * 200_000}, r"conv_channels has 200000 entries"),
        ({"hidden_sizes": "wide"}, r"hidden_sizes"),
        ({"hidden_sizes": [12.5, 8]}, r"hidden_sizes"),
        ({"hidden_sizes": [-3, 8]}, r"positive numbers"),
        ({"dropout": "0.1"}, r"dropout"),
        ({"activation": "evil"}, r"activation"),
        ({"dtype": "save"}, r"dtype = 'save' is none of float32"),
        ({"to_dict": 1}, r"'to_dict' is no field of a PlainConfig"),
        ({"id2label": {"0": "a", "7": "b"}}, r"id2label must number its 2 labels from 0 to 1"),
        ({"id2label": {"zero": "a"}}, r"invalid literal"),
        ({"model_type": 3}, r"names no model_type"),
    ],
)
def test_config_out_of_range_is_refused(folder, fields, match):
    change_json(folder / "config.json", **fields)
    assert_refused(folder, match, file="config.json")


@pytest.mark.parametrize("fields", [{"hidden_sizes": [2_000_000, 8]}, {"conv_channels": [5_000_000, 16]}])
def test_huge_layer_takes_neither_memory_nor_time(folder, fields):
    change_json(folder / "config.json", **fields)
    start = time.monotonic()
    assert_refused(folder, "and config.json asks for")
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        ("plain", {"hidden_sizes": [12] * 50_000}),
        ("normed", {"blocks": 9_998}),
        ("resnet", {"depths": [9_000, 9_000]}),
    ],
)
def test_endless_network_is_given_up_early(tmp_path, family, fields):
    folder = write_snapshot(tmp_path / "net", family)
    change_json(folder / "config.json", **fields)
    assert_refused(folder, r"describes a far larger network than the \d+ tensors", file="config.json")


def test_table_beside_the_weights_is_limited(folder):
    from transformers import PreTrainedConfig, PreTrainedModel

    class TableConfig(PreTrainedConfig):
        model_type = "tsugiki_test_table"

    class Table(PreTrainedModel):
        config_class = TableConfig

        def __init__(self, config):
            super().__init__(config)
            self.register_buffer("table", torch.zeros(10**6, 10**6), persistent=False)

    save_file({}, folder / "model.safetensors")
    with pytest.raises(SnapshotError, match="asks for tables of 4000000000000 bytes"):
        load_strictly(folder, Table, TableConfig())


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"\xff\xfe", b'{"model_type": "tsugiki_plain", "dropout": NaN}', b"[" * 100_000],
)
def test_config_that_is_no_json_object_is_refused(folder, content):
    (folder / "config.json").write_bytes(content)
    assert_refused(folder, "not JSON|a JSON object was expected", file="config.json")


def test_deep_and_large_config_is_refused(folder):
    (folder / "config.json").write_text('{"model_type": "tsugiki_plain", "x": ' + "[" * 200 + "]" * 200 + "}")
    assert_refused(folder, "nested more than 50 levels", file="config.json")
    (folder / "config.json").write_text('{"x": "' + "a" * 9_000_000 + '"}')
    assert_refused(folder, "too many for a JSON file", file="config.json")


def test_auto_map_is_ignored_and_nothing_is_executed(folder, tmp_path):
    mark = tmp_path / "executed"
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass Thing: pass\n")
    code = dict.fromkeys(("AutoConfig", "AutoModelForImageClassification", "AutoImageProcessor"), "evil.Thing")
    change_json(folder / "config.json", auto_map=code, custom_pipelines={"x": {"impl": "evil.Thing"}})
    change_json(folder / "preprocessor_config.json", auto_map=code)
    model, processor = tsugiki.load(folder), tsugiki.load_processor(folder)
    assert "auto_map" not in Snapshot.open(folder).config
    assert not hasattr(model.config, "auto_map")
    assert not hasattr(processor, "auto_map")
    assert not mark.exists()
    assert "evil" not in sys.modules


def test_fields_that_lead_elsewhere_are_ignored(folder):
    change_json(
        folder / "config.json",
        transformers_weights="../other.safetensors",
        configuration_files=["config.9.9.9.json"],
        attn_implementation="someone/kernel",
        _name_or_path="/etc",
    )
    model = tsugiki.load(folder)
    assert model.config._attn_implementation != "someone/kernel"
    assert model.name_or_path == str(folder)


def test_damaged_provenance_is_refused(folder):
    (folder / "provenance.json").write_text("{")
    assert_refused(folder, "not JSON", file="provenance.json")
    write_provenance(folder, weights={"file": "model.safetensors", "sha256": 7, "bytes": 1})
    assert_refused(folder, r"weights\.sha256 must be text, not 7", file="provenance.json")


# ---------------------------------------------------------------- dtypes


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_file_loads_into_a_full_precision_model(tmp_path, dtype):
    folder = write_snapshot(tmp_path / "half", dtype=dtype)
    stored = load_file(folder / "model.safetensors")
    assert stored["classifier.weight"].dtype == getattr(torch, dtype)
    model = tsugiki.load(folder)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}
    assert model.config.dtype == torch.float32
    assert torch.equal(model.classifier.weight, stored["classifier.weight"].float())
    assert tsugiki.load(folder, dtype="auto").dtype == getattr(torch, dtype)


def test_dtype_can_be_chosen(folder):
    assert tsugiki.load(folder, dtype="bfloat16").dtype == torch.bfloat16
    assert tsugiki.load(folder, dtype=torch.float64).dtype == torch.float64
    assert tsugiki.load(folder, dtype="auto").dtype == torch.float32
    for wrong in ("float33", "int64", torch.int8, 3):
        with pytest.raises(OptionError, match="is none of float32"):
            tsugiki.load(folder, dtype=wrong)


def test_overflow_in_a_narrower_dtype_is_refused(folder):
    rewrite(folder, lambda tensors: tensors["classifier.bias"].fill_(1e6))
    tsugiki.load(folder)
    assert_refused(folder, r"classifier\.bias holds NaN or infinity \(as float16\)", dtype="float16")


# ---------------------------------------------------------------- held against from_pretrained


@pytest.mark.parametrize("family", ["plain", "flat", "normed", "resnet"])
def test_gives_what_from_pretrained_gives(tmp_path, family):
    folder = write_snapshot(tmp_path / family, family)
    ours = tsugiki.load(folder)
    theirs = type(ours).from_pretrained(folder).eval()
    inputs = pictures(ours)
    with torch.inference_mode():
        assert torch.equal(ours(inputs).logits, theirs(inputs).logits)
    assert ours.config.to_dict() == theirs.config.to_dict()
    assert torch.equal(ours(inputs).logits, ours(inputs).logits)


def test_tied_weights_and_generation_settings_are_kept(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_embd=8, n_head=2, n_layer=1, n_positions=16, vocab_size=11, bos_token_id=1, eos_token_id=2)
    saved = GPT2LMHeadModel(config).eval()
    saved.generation_config.max_new_tokens = 5
    saved.save_pretrained(tmp_path)
    built = build_config(GPT2Config, Snapshot.open(tmp_path).config, tmp_path / "config.json")
    model = load_strictly(tmp_path, GPT2LMHeadModel, built)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert model.generation_config.max_new_tokens == 5
    tokens = torch.tensor([[1, 4, 7]])
    with torch.inference_mode():
        assert torch.equal(model(tokens).logits, saved(tokens).logits)
