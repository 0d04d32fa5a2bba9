"""Cached features: the network's own numbers, under a key that follows everything they depend on."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification
from tsugiki.augmentation import Augmentation
from tsugiki.errors import OptionError
from tsugiki.images import Normalize
from tsugiki.text_table import text_table
from tsugiki.transfer import features
from tsugiki.transfer.cache import FeatureCache, cache_info, clear_cache
from tsugiki.transfer.depth import probed_stages
from tsugiki.transfer.features import HEAD, feature_key, head_features, stage_features
from tsugiki.transfer.stages import head_of, stages_of

from .. import transfer_data
from .test_stages import tiny


@pytest.fixture(autouse=True)
def _empty_memory():
    FeatureCache.default().forget()


@pytest.fixture
def passes(monkeypatch):
    """How often the network was run over a table."""
    seen = []
    compute = features._compute
    monkeypatch.setattr(features, "_compute", lambda *rest: seen.append(list(rest[2])) or compute(*rest))
    return seen


@pytest.mark.parametrize("family", ["plain", "flat", "normed", "resnet"])
def test_logits_from_cached_features_are_those_of_the_network(family):
    model = tiny(family).eval()
    table = transfer_data.table(3, channels=model.config.num_channels)
    for _ in range(2):  # computed, then from the disk
        cached = head_features(model, table)
        with torch.inference_mode():
            logits = model(**table.batch(range(len(table)))).logits
            again = head_of(model)[1](cached)
        torch.testing.assert_close(again, logits, rtol=0, atol=1e-5)
        FeatureCache.default().forget()
    assert cache_info().entries == 1


def test_one_pass_gives_all_stages_and_the_second_asks_the_cache(passes):
    model, table = tiny("normed"), transfer_data.table(2, channels=3)
    names = [stage.name for stage in stages_of(model)]
    first = stage_features(model, table)
    assert list(first) == [*names, HEAD]
    assert [value.shape for value in first.values()] == [(8, 16), (8, 16), (8, 16), (8, 32), (8, 8)]
    FeatureCache.default().forget()
    second = stage_features(model, table, [HEAD, names[0]])
    assert passes == [[*names, HEAD]]
    assert torch.equal(first[names[0]], second[names[0]])


def test_training_mode_is_restored_and_batch_statistics_stay():
    model, table = tiny("normed").train(), transfer_data.table(2, channels=3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    head_features(model, table)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_key_changes_with_weight_processor_row_config_and_stage():
    model, table = tiny(), transfer_data.table(2)
    key = feature_key(model, table)
    assert key == feature_key(tiny(), transfer_data.table(2))
    assert key != feature_key(model, transfer_data.table(2, seed=1))
    assert key != feature_key(model, table.select(range(7)))
    assert key != feature_key(model, table, "plain.convolutions.0")
    assert key != feature_key(model, table.with_augmentation(Augmentation(flip=True)))
    other = transfer_data.table(2)
    other.transform = Normalize((0.4,), (0.5,))
    assert key != feature_key(model, other)
    other = transfer_data.table(2)
    other.columns["pixel_values"][0, 0, 0, 0] += 1
    assert key != feature_key(model, other)
    with torch.no_grad():
        next(stages_of(model)[0].parameters())[0, 0, 0, 0] += 1e-3
    assert key != feature_key(model, table)


def test_key_does_not_follow_head_and_labels():
    model, table = tiny(), transfer_data.table(2)
    key = feature_key(model, table)
    with torch.no_grad():
        head_of(model)[1].weight.add_(1)
    table.columns["labels"] = table.labels.flip(0)
    assert key == feature_key(model, table)


def test_augmented_features_follow_epoch_and_seed():
    model, table = tiny(), transfer_data.table(2).with_augmentation(Augmentation(translate=0.2), seed=3)
    first = head_features(model, table)
    table.epoch = 1
    assert not torch.equal(first, head_features(model, table))
    table.epoch = 0
    assert torch.equal(first, head_features(model, table))


def test_unknown_transform_is_computed_and_never_kept(passes):
    model, table = tiny(), transfer_data.table(2)
    normalise = table.transform
    table.transform = lambda batch: normalise(batch)
    assert feature_key(model, table) is None
    assert torch.equal(head_features(model, table), head_features(model, table))
    assert len(passes) == 2
    assert cache_info().entries == 0


def test_cache_drops_the_least_recently_used(monkeypatch):
    import os

    monkeypatch.setenv("TSUGIKI_CACHE_LIMIT", "9000")
    cache = FeatureCache(memory_limit=1)
    keys = [str(number) * 64 for number in range(3)]
    for number, key in enumerate(keys[:2]):
        cache.put(key, torch.full((1000,), float(number)))
        os.utime(cache_info().folder / f"{key}.safetensors", (number, number))
    cache.forget()
    assert cache.get(keys[0]) is not None  # now used more recently than the second
    cache.put(keys[2], torch.zeros(1000))
    fresh = FeatureCache()
    assert [fresh.get(key) is not None for key in keys] == [True, False, True]
    assert cache_info().bytes <= 9000
    assert clear_cache().entries == 2
    assert cache_info().entries == 0


def test_memory_is_limited():
    cache = FeatureCache(disk=False, memory_limit=8000)
    for number in range(3):
        cache.put(str(number) * 64, torch.zeros(1000))
    assert [cache.get(str(number) * 64) is not None for number in range(3)] == [False, True, True]


def test_damaged_entry_is_computed_again(passes):
    model, table = tiny(), transfer_data.table(2)
    expected = head_features(model, table)
    (entry,) = cache_info().folder.glob("*.safetensors")
    entry.write_bytes(entry.read_bytes()[:40])
    FeatureCache.default().forget()
    assert torch.equal(head_features(model, table), expected)
    assert len(passes) == 2


def test_folder_that_cannot_be_written_costs_nothing_but_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TSUGIKI_CACHE", str(tmp_path / "file"))
    assert head_features(tiny(), transfer_data.table(2)).shape == (8, 8)


def test_limit_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("TSUGIKI_CACHE_LIMIT", "2GB")
    with pytest.raises(OptionError, match="number of bytes, not '2GB'"):
        cache_info()


def test_a_short_text_has_the_same_features_beside_a_long_one():
    sizes = {"vocab_size": 12, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = BertForSequenceClassification(BertConfig(**sizes, intermediate_size=8)).eval()
    texts = [[3, 4], [5, 6, 7, 8, 9, 3, 4, 5, 6], [7]]
    names = probed_stages(model)
    together = stage_features(model, text_table(texts), names)
    assert len(names) > 2
    for row, text in enumerate(texts):
        alone = stage_features(model, text_table([text]), names)
        for name in names:
            torch.testing.assert_close(alone[name][0], together[name][row], rtol=1e-4, atol=1e-5)
