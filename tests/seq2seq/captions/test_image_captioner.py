"""The captioner's network: caches, batches, beams, saving, its frozen encoder."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import tsugiki
from torch import Tensor
from tsugiki.errors import ExportRefusedError, PluginError, SnapshotError, TsugikiError
from tsugiki.export.export_onnx import export_onnx
from tsugiki.snapshots.backbones import load_backbone
from tsugiki_seq2seq.captions.image_captioner import ImageCaptionerConfig, ImageCaptionerForConditionalGeneration

from ...registry.card_snapshots import provenance_record
from .captioned_squares import ENCODER, SIZES

ATTENTIONS = ("none", "bahdanau")


def captioner(attention: str = "bahdanau", **fields: Any) -> ImageCaptionerForConditionalGeneration:
    """A captioner whose weights are large enough that its answers differ from picture to picture."""
    torch.manual_seed(0)
    config = ImageCaptionerConfig(**{**SIZES, "attention": attention, "initializer_range": 0.5, **fields})
    model = ImageCaptionerForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(2)
    return model


def pictures(count: int = 3) -> Tensor:
    """Random pixels (N, 3, 32, 32)."""
    return 2 * torch.randn((count, 3, 32, 32), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("search", [{}, {"num_beams": 3}, {"num_beams": 3, "length_penalty": 0.5}])
def test_cached_equals_uncached_and_batched_equals_single(attention: str, search: dict[str, Any]) -> None:
    model, pixels = captioner(attention), pictures()
    options = {"max_new_tokens": 7, "do_sample": False, **search}
    cached = model.generate(pixel_values=pixels, **options)
    assert torch.equal(cached, model.generate(pixel_values=pixels, use_cache=False, **options))
    for number in range(len(pixels)):
        single = model.generate(pixel_values=pixels[number : number + 1], **options)[0]
        assert torch.equal(cached[number, : len(single)], single)
        assert (cached[number, len(single) :] == model.config.pad_token_id).all()


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_wide_beam_finds_the_likeliest_caption(attention: str) -> None:
    model = captioner(attention, vocab_size=6)
    pixels = pictures(1)
    found = model.generate(
        pixel_values=pixels, num_beams=36, max_new_tokens=3, min_new_tokens=3, length_penalty=0.0, do_sample=False
    )
    words = [0, 1, 3, 4, 5]  # all but the end token
    best = max(itertools.product(words, repeat=3), key=lambda ids: _log_p(model, pixels, ids))
    assert _log_p(model, pixels, found[0, 1:].tolist()) == pytest.approx(_log_p(model, pixels, best), abs=1e-5)


def _log_p(model: ImageCaptionerForConditionalGeneration, pixels: Tensor, ids: Any) -> float:
    labels = torch.tensor([list(ids)])
    with torch.inference_mode():
        return -float(model(pixel_values=pixels, labels=labels).loss) * labels.shape[1]


def test_attention_weights_sum_to_one_and_differ_by_picture() -> None:
    model, pixels = captioner(), pictures()
    ids = torch.tensor([[1, 5, 6]] * 3)
    weights = model(pixel_values=pixels, decoder_input_ids=ids, output_attentions=True).cross_attentions[0]
    assert weights.shape == (3, 1, 3, 4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 1, 3))
    assert not torch.allclose(weights[0], weights[1])


def test_one_step_is_the_papers_equations() -> None:
    model, pixels = captioner(cell_type="rnn", num_hidden_layers=1), pictures(1)
    decoder = model.decoder
    logits = model(pixel_values=pixels, decoder_input_ids=torch.tensor([[4]])).logits[0, 0]
    source = decoder.norm(model.encoder(pixels)[0])[0]  # (S, D)
    before = torch.tanh(decoder.start(source.mean(0)))
    attention = decoder.attention
    scores = attention.score(torch.tanh(attention.query(before) + attention.source(source)))[:, 0]
    context = torch.sigmoid(decoder.gate(before)) * (scores.softmax(0) @ source)
    word, cell = decoder.embeddings.weight[4], decoder.layers.forwards[0]
    inputs = torch.cat([word, context])
    after = torch.tanh(cell.weight_ih_l0 @ inputs + cell.bias_ih_l0 + cell.weight_hh_l0 @ before + cell.bias_hh_l0)
    expected = model.lm_head(word + decoder.state(after) + decoder.context(context))
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


def test_without_attention_the_picture_is_the_first_input() -> None:
    model, pixels = captioner("none"), pictures(1)
    decoder, stack = model.decoder, model.decoder.layers
    kernel = torch.nn.LSTM(16, 16, batch_first=True)
    kernel.load_state_dict(stack.forwards[0].state_dict())
    first = decoder.start(decoder.norm(model.encoder(pixels)[0]).mean(1))[:, None]
    outputs, _ = kernel(torch.cat([first, decoder.embeddings(torch.tensor([[1, 7]]))], dim=1))
    expected = model.lm_head(decoder.state(outputs[:, 1:]))
    found = model(pixel_values=pixels, decoder_input_ids=torch.tensor([[1, 7]])).logits
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_attention_penalty_counts_in_training_only() -> None:
    model, pixels = captioner(attention_penalty=1.0), pictures(2)
    labels = torch.tensor([[5, 6, 2], [7, 2, -100]])
    plain = model(pixel_values=pixels, labels=labels).loss
    weights = model(pixel_values=pixels, labels=labels, output_attentions=True).cross_attentions[0][:, 0]
    kept = torch.tensor([[1.0, 1, 1], [1, 1, 0]])
    penalty = (1 - (weights * kept[..., None]).sum(1)).square().sum(1).mean()
    torch.testing.assert_close(model.train()(pixel_values=pixels, labels=labels).loss, plain + penalty)


def test_the_encoder_never_learns() -> None:
    model = captioner().train()
    assert not model.encoder.backbone.training
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    model(pixel_values=pictures(2), labels=torch.tensor([[5, 2], [6, 2]])).loss.backward()
    assert all(torch.equal(before[name], value) for name, value in model.encoder.state_dict().items())


def test_a_snapshot_holds_the_encoder_and_gives_the_same_captions(tmp_path: Path) -> None:
    model, pixels = captioner(), pictures()
    model.save_pretrained(tmp_path)
    loaded = tsugiki.load(tmp_path)
    assert type(loaded) is ImageCaptionerForConditionalGeneration
    assert not any(parameter.requires_grad for parameter in loaded.encoder.parameters())
    for search in ({}, {"num_beams": 3}):
        options = {"max_new_tokens": 6, "do_sample": False, **search}
        left, right = model.generate(pixel_values=pixels, **options), loaded.generate(pixel_values=pixels, **options)
        assert torch.equal(left, right)


def test_an_encoder_is_named_and_its_config_goes_into_the_snapshot(tmp_path: Path) -> None:
    model = tsugiki.create_model(
        "image-captioner", encoder="lenet5-mnist", encoder_stages=["convolution1", "convolution2"], vocab_size=20
    )
    load_backbone(model.encoder.backbone, "lenet5-mnist")
    backbone = tsugiki.load("lenet5-mnist", task="backbone", out_features=["convolution1", "convolution2"])
    assert model.encoder.output_size == sum(backbone.channels)
    model.save_pretrained(tmp_path)
    loaded = tsugiki.load(tmp_path)
    assert loaded.config.encoder_config["model_type"] == "tsugiki_lenet"
    pixels = torch.randn(2, 1, 32, 32)
    pooled = [torch.nn.functional.adaptive_avg_pool2d(one, 4) for one in backbone(pixels).feature_maps]
    expected = torch.cat(pooled, 1).permute(0, 2, 3, 1).flatten(1, 2)  # (B, 16, D)
    torch.testing.assert_close(loaded.encoder(pixels)[0], expected)


def test_load_names_the_package_of_an_encoder_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tsugiki.create_model("image-captioner", encoder="lenet5-mnist", vocab_size=20)
    model.save_pretrained(tmp_path)
    monkeypatch.setenv("TSUGIKI_PLUGINS", "seq2seq")
    try:
        tsugiki.refresh()
        with pytest.raises(SnapshotError, match=r"'lenet'.*comes with tsugiki-vision"):
            tsugiki.load(tmp_path)
    finally:
        monkeypatch.delenv("TSUGIKI_PLUGINS")
        tsugiki.refresh()
    (tmp_path / "provenance.json").write_text(json.dumps(provenance_record(requires=["tsugiki-vision-of-old"])))
    with pytest.raises(PluginError, match="needs tsugiki-vision-of-old"):
        tsugiki.load(tmp_path)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"encoder": "no-such-checkpoint"}, "no-such-checkpoint"),
        ({"encoder_config": {"hidden_sizes": [8]}}, "model_type"),
        ({"encoder_config": {"model_type": "bert"}}, "bert"),
        ({"encoder_config": ENCODER, "encoder_stages": ["stage9"]}, "stage9"),
        ({"encoder_config": ENCODER, "grid_size": 0}, "grid_size"),
        ({"encoder_config": ENCODER, "attention": "luong-dot"}, "attention"),
        ({"encoder_config": ENCODER, "dropout": 1.0}, "dropout"),
    ],
)
def test_wrong_fields_are_refused_with_what_is_wrong(fields: dict[str, Any], said: str) -> None:
    with pytest.raises((TsugikiError, ValueError), match=said):
        tsugiki.create_model("image-captioner", **fields)


def test_forward_needs_a_picture_and_a_caption() -> None:
    model = captioner()
    with pytest.raises(ValueError, match="pixel_values"):
        model(labels=torch.tensor([[3]]))
    with pytest.raises(ValueError, match="decoder_input_ids"):
        model(pixel_values=pictures(1))


def test_without_attention_it_exports_for_captions_of_any_length_and_with_it_not(tmp_path: Path) -> None:
    export = export_onnx(captioner("none"), tmp_path / "model.onnx", check=True)
    assert export.inputs == ["pixel_values", "decoder_input_ids"]
    assert "target_length" in export.free_axes
    assert export.max_difference is not None
    assert export.max_difference < 1e-5
    with pytest.raises(ExportRefusedError, match="what a step attends to hangs on the step before"):
        export_onnx(captioner("bahdanau"), tmp_path / "refused.onnx")
