"""What holds for every family of the plugin that is not transformers' own."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import io
import json

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedConfig
from tsugiki.plugin import Family
from tsugiki.registry import import_string
from tsugiki_vision.plugin import plugin


def family_of(model) -> Family:
    return next(family for family in plugin.families if family.model_type == model.config.model_type)


def sibling(model, key: str, **config):
    """The family's model for another key with the same config and the same weights."""
    model_class = import_string(family_of(model).models[key])
    other_config = copy.deepcopy(model.config)
    for name, value in config.items():
        setattr(other_config, name, value)
    other = model_class(other_config).eval()
    missing = other.load_state_dict(
        {
            name if key == "backbone" else name.removeprefix(f"{model.base_model_prefix}."): value
            for name, value in model.state_dict().items()
            if not name.startswith("classifier.")
        }
    )
    assert not missing.missing_keys
    assert not missing.unexpected_keys
    return other


def test_types_of_config_fields_are_checked(model):
    """`@strict` checks nothing in a module with `from __future__ import annotations`, and says nothing."""
    inherited = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    own = {field.name: field.type for field in dataclasses.fields(model.config) if field.name not in inherited}
    assert {"classifier", "image_size"} <= set(own)
    assert [name for name, kind in own.items() if isinstance(kind, str)] == []


def test_config_survives_json(model):
    config_class = type(model.config)
    assert config_class.from_dict(json.loads(model.config.to_json_string())).to_dict() == model.config.to_dict()


def test_saved_model_gives_the_same_logits(model, pixel_values, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert torch.equal(loaded(pixel_values).logits, model(pixel_values).logits)


def test_logits_of_a_picture_do_not_depend_on_its_batch(model, pixel_values):
    together = model(pixel_values).logits
    alone = torch.cat([model(picture[None]).logits for picture in pixel_values])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_gradients_reach_every_parameter(model, pixel_values, labels):
    model.train()
    model(pixel_values, labels=labels).loss.backward()
    without = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert without == []


def test_loss_is_the_mean_cross_entropy_over_rows_with_a_label(model, pixel_values, labels):
    labels[2] = -100
    output = model(pixel_values, labels=labels)
    log_probabilities = output.logits.log_softmax(-1)
    kept = torch.tensor([0, 1, 3, 4])
    expected = -log_probabilities[kept, labels[kept]].mean()
    torch.testing.assert_close(output.loss, expected)


def test_training_leaves_the_config_as_it_was(model, pixel_values, labels):
    before = model.config.to_dict()
    model(pixel_values, labels=labels)
    assert model.config.to_dict() == before


def test_forward_has_no_loss_kwargs_that_would_make_trainer_rescale_the_loss(model):
    assert not any(p.kind == p.VAR_KEYWORD for p in inspect.signature(model.forward).parameters.values())


def test_stages_and_head_hold_every_parameter_once(model):
    family = family_of(model)
    names = []
    for path in (*family.stages, family.head):
        module = model.get_submodule(path.removesuffix(".*"))
        children = list(module) if path.endswith(".*") else [module]
        names += [id(parameter) for child in children for parameter in child.parameters()]
    assert sorted(names) == sorted(id(parameter) for parameter in model.parameters())


def test_classifier_stands_on_the_pooled_features_of_the_base_model(model, pixel_values):
    features = sibling(model, "base")(pixel_values).pooler_output
    assert features.ndim == 2
    assert torch.equal(model.classifier(features), model(pixel_values).logits)


def test_hidden_states_are_returned_when_asked_for(model, pixel_values):
    assert model(pixel_values).hidden_states is None
    hidden_states = model(pixel_values, output_hidden_states=True).hidden_states
    assert len(hidden_states) == len(model.config.stage_names)


def test_return_dict_false_gives_a_tuple(model, pixel_values, labels):
    loss, logits = model(pixel_values, labels=labels, return_dict=False)
    assert loss.ndim == 0
    assert torch.equal(logits, model(pixel_values).logits)


def test_backbone_gives_maps_of_its_channels_by_name(model, pixel_values):
    backbone = sibling(model, "backbone", out_features=model.config.stage_names)
    maps = backbone(pixel_values).feature_maps
    assert [one.shape[1] for one in maps] == backbone.channels
    assert all(one.ndim == 4 for one in maps)
    hidden_states = model(pixel_values, output_hidden_states=True).hidden_states
    for one, hidden in zip(maps, hidden_states, strict=True):
        assert torch.equal(one.flatten(1), hidden.flatten(1))


def test_backbone_takes_weights_from_a_classifier_without_a_word(model, pixel_values, tmp_path, caplog):
    from transformers.utils import logging

    model.save_pretrained(tmp_path)
    logging.enable_propagation()
    try:
        backbone = import_string(family_of(model).models["backbone"]).from_pretrained(tmp_path, out_indices=[-1])
    finally:
        logging.disable_propagation()
    assert "UNEXPECTED" not in caplog.text
    assert torch.equal(
        backbone(pixel_values).feature_maps[0].flatten(1),
        model(pixel_values, output_hidden_states=True).hidden_states[-1].flatten(1),
    )


def test_backbone_refuses_an_unknown_feature(model):
    with pytest.raises(ValueError, match="stage_names"):
        type(model.config)(out_features=["attention"])


def test_wrong_channels_are_one_sentence(model, pixel_values):
    with pytest.raises(ValueError, match=r"pixel_values must be .* not \(5, 2, "):
        model(torch.cat([pixel_values[:, :1]] * 2, dim=1))


def test_compiles_as_one_graph(model, pixel_values, labels):
    torch._dynamo.reset()  # the families share their forward, and one function is compiled for a few classes only
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    expected = model(pixel_values, labels=labels)
    output = compiled(pixel_values, labels=labels)
    torch.testing.assert_close(output.logits, expected.logits)
    torch.testing.assert_close(output.loss, expected.loss)


class LogitsOnly(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model(pixel_values).logits


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the TorchScript exporter warns of its own age
@pytest.mark.filterwarnings("ignore:Constant folding")  # and of paddings that it leaves to the runtime
def test_onnx_export_gives_the_same_logits_for_any_batch(model, pixel_values):
    file = io.BytesIO()
    torch.onnx.export(
        LogitsOnly(model).eval(),
        (pixel_values[:2],),
        file,
        dynamo=False,
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_axes={"pixel_values": {0: "batch"}, "logits": {0: "batch"}},
    )
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"pixel_values": pixel_values.numpy()})
    np.testing.assert_allclose(logits, model(pixel_values).logits.detach().numpy(), atol=1e-5)


def test_bf16_autocast_and_channels_last_stay_close_to_fp32(model, pixel_values):
    expected = model(pixel_values).logits
    model = model.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(pixel_values.contiguous(memory_format=torch.channels_last)).logits
    torch.testing.assert_close(logits.float(), expected, rtol=0.05, atol=0.05)


def test_a_few_steps_fit_a_batch(model, pixel_values, labels):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    model.train()
    losses = []
    for _ in range(30):
        loss = model(pixel_values, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert np.median(losses[-10:]) < 0.5 * losses[0]  # a single step may leap, on one processor and not on another


def test_fresh_logits_are_neither_flat_nor_huge(model, pixel_values):
    logits = model.train()(pixel_values).logits
    assert 0.01 < logits.std() < 5


def test_cross_entropy_is_taken_in_fp32_under_autocast(model, pixel_values, labels):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(pixel_values, labels=labels)
    assert output.loss.dtype == torch.float32
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits.float(), labels))
