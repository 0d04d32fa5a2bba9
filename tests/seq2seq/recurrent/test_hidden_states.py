"""Hidden states of all that writes texts, from one pass and from ``generate()``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tsugiki.registry import registry

CASES = [
    ("recurrent", "text-generation", {"num_hidden_layers": 2}),
    ("recurrent", "text-generation", {"cell_type": "gru", "dropout": 0.1}),
    *(
        ("recurrent-seq2seq", "text-translation", {"attention": attention, "decoder_layers": 2, "encoder_layers": 2})
        for attention in ("none", "bahdanau", "luong-general")
    ),
    ("recurrent-seq2seq", "text-translation", {"attention": "luong-dot", "input_feeding": True}),
    ("image-captioner", "image-captioning", {"attention": "none"}),
    ("image-captioner", "image-captioning", {"attention": "bahdanau", "num_hidden_layers": 2}),
    ("hred", "dialogue", {}),
    ("vhred", "dialogue", {}),
]
NAMES = [f"{family} {fields}" for family, _, fields in CASES]


def writer(family: str, task: str, fields: dict[str, Any]) -> Any:
    found = registry().family(family)
    torch.manual_seed(0)
    config = found.config_class()(**{**found.declaration.example, **fields})
    return found.model_class(task)(config).eval()


def source(model: Any) -> dict[str, Any]:
    if not model.config.is_encoder_decoder:
        return {"input_ids": torch.tensor([[0, 5, 6], [7, 8, 9]]), "attention_mask": torch.tensor([[0, 1, 1], [1] * 3])}
    return {name: value for name, value in model.dummy_inputs.items() if name not in ("labels", "decoder_input_ids")}


@pytest.mark.parametrize(("family", "task", "fields"), CASES, ids=NAMES)
def test_what_goes_to_the_softmax_is_the_last_hidden_state(family, task, fields):
    model = writer(family, task, fields)
    given = source(model)
    if model.config.is_encoder_decoder:
        rows = len(given[model.main_input_name])
        given["decoder_input_ids"] = torch.tensor([[1, 5, 6, 7]]).expand(rows, -1)
    with torch.no_grad():
        output = model(**given, output_hidden_states=True)
        plain = model(**given)
    states = output.decoder_hidden_states if model.config.is_encoder_decoder else output.hidden_states
    layers = getattr(model.config, "decoder_layers", getattr(model.config, "num_hidden_layers", None)) or 1
    assert len(states) == layers + 1
    assert all(state.shape[:2] == output.logits.shape[:2] for state in states)
    assert torch.allclose(model.lm_head(states[-1]), output.logits, atol=1e-6)
    assert torch.equal(plain.logits, output.logits)
    if model.config.is_encoder_decoder:
        assert output.encoder_hidden_states is not None
        assert plain.encoder_hidden_states is None
        assert plain.decoder_hidden_states is None


@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize(("family", "task", "fields"), CASES, ids=NAMES)
def test_generate_gives_hidden_states_and_attentions_back(family, task, fields, beams):
    model = writer(family, task, fields)
    given = source(model)
    options = {"max_new_tokens": 3, "min_new_tokens": 3, "num_beams": beams, "do_sample": False}
    output = model.generate(
        **given, **options, output_hidden_states=True, output_attentions=True, return_dict_in_generate=True
    )
    assert torch.equal(output.sequences, model.generate(**given, **options))
    steps = output.decoder_hidden_states if model.config.is_encoder_decoder else output.hidden_states
    rows = len(given[model.main_input_name]) * beams
    assert len(steps) == 3
    assert all(len(state) == rows for step in steps for state in step)
    if model.config.is_encoder_decoder:
        assert len(output.encoder_hidden_states[0]) in (rows, rows // beams)
    if getattr(model.config, "attention", "none") != "none":
        weights = output.cross_attentions[0][0]  # (B, 1, 1, S)
        assert torch.allclose(weights.sum(-1), torch.ones(()))


def test_states_of_lower_layers_stand_where_their_tokens_do():
    model = writer("recurrent", "base", {"num_hidden_layers": 2, "bidirectional": True})
    ids, mask = torch.tensor([[5, 0, 6, 0], [7, 8, 9, 4]]), torch.tensor([[1, 0, 1, 0], [1, 1, 1, 1]])
    with torch.inference_mode():
        padded = model(ids, mask, output_hidden_states=True).hidden_states
        alone = model(ids[:1, ::2], output_hidden_states=True).hidden_states
    assert len(padded) == 3
    for ours, theirs in zip(padded[1:], alone[1:], strict=True):
        assert torch.allclose(ours[0, [0, 2]], theirs[0], atol=1e-6)
        assert not ours[0, [1, 3]].any()


def test_labels_that_are_moved_already_give_the_same_loss():
    model = writer("recurrent", "text-generation", {})
    ids = torch.tensor([[5, 6, 7, 8], [9, 4, 3, 2]])
    moved = torch.tensor([[6, 7, 8, -100], [4, 3, 2, -100]])
    assert torch.equal(model(ids, labels=ids).loss, model(ids, shift_labels=moved).loss)
