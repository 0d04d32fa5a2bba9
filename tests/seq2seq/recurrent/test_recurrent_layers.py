from __future__ import annotations

import pytest
import torch
from tsugiki_seq2seq.recurrent.recurrent_layers import (
    CELL_TYPES,
    RecurrentStack,
    VariationalDropout,
    state_tensors,
    tokens_first,
    turn_round,
)

INPUT, HIDDEN = 5, 4
KINDS = [(cell_type, layer_norm) for cell_type in CELL_TYPES for layer_norm in (False, True)]


def stack(cell_type: str, *, layers: int = 2, seed: int = 0, **options) -> RecurrentStack:
    made = RecurrentStack(cell_type, INPUT, HIDDEN, layers, **options).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.5)
    return made


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


MASK = torch.tensor(
    [
        [1, 1, 1, 1, 1, 1, 1],  # full
        [1, 1, 1, 0, 0, 0, 0],  # padded right
        [0, 0, 1, 1, 1, 1, 1],  # left
        [1, 0, 1, 1, 0, 0, 1],  # anywhere
        [0, 0, 0, 0, 0, 0, 0],  # empty
    ]
)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell_type", "layer_norm"), KINDS)
def test_padding_changes_nothing_wherever_it_stands(cell_type, layer_norm, bidirectional):
    layers = stack(cell_type, layer_norm=layer_norm, bidirectional=bidirectional)
    values = random(5, 7, INPUT)
    begin = tuple(random(2, 5, HIDDEN, seed=3 + part) for part in range(state_tensors(cell_type)))
    outputs, end = layers(values, MASK, begin)
    garbage, _ = layers(torch.where(MASK[..., None].bool(), values, 1e3), MASK, begin)
    assert torch.equal(outputs, garbage)
    assert (outputs[MASK == 0] == 0).all()
    for row, mask in enumerate(MASK.bool()):
        alone_begin = tuple(part[:, row : row + 1] for part in begin)
        alone_end = alone_begin
        if mask.any():
            alone, alone_end = layers(values[row : row + 1, mask], None, alone_begin)
            torch.testing.assert_close(outputs[row, mask], alone[0], atol=1e-5, rtol=0)
        for part, wanted in zip(end, alone_end, strict=True):
            torch.testing.assert_close(part[:, row : row + 1], wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("cell_type", "layer_norm"), KINDS)
def test_a_state_carried_across_chunks_is_one_reading(cell_type, layer_norm):
    layers = stack(cell_type, layer_norm=layer_norm)
    values = random(3, 9, INPUT)
    whole, end = layers(values)
    state, parts = None, []
    for chunk in values.split([4, 1, 4], dim=1):
        outputs, state = layers(chunk, None, state)
        parts.append(outputs)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=0)
    for part, wanted in zip(state, end, strict=True):
        torch.testing.assert_close(part, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_every_parameter_learns_and_padding_gives_none_a_nan(cell_type):
    layers = stack(cell_type, bidirectional=True, layer_norm=cell_type == "lstm-peephole")
    values = random(5, 7, INPUT).requires_grad_()
    outputs, end = layers(values, MASK)
    (outputs.square().sum() + sum(part.square().sum() for part in end)).backward()
    assert (values.grad[MASK == 0] == 0).all() and (values.grad[MASK == 1] != 0).any()
    for name, weight in layers.named_parameters():
        assert torch.isfinite(weight.grad).all() and weight.grad.any(), name


def test_tokens_move_to_the_front_in_their_order():
    assert tokens_first(torch.tensor([[False, True, False, True]])).tolist() == [[1, 3, 0, 2]]


def test_rows_are_turned_round_up_to_their_length():
    values = torch.arange(5.0).view(1, 5, 1).expand(2, -1, -1)
    assert turn_round(values, torch.tensor([3, 0]))[..., 0].tolist() == [[2, 1, 0, 3, 4], [0, 1, 2, 3, 4]]


def test_variational_dropout_drops_the_same_units_at_every_step():
    torch.manual_seed(0)
    dropout = VariationalDropout(0.25).train()
    dropped = dropout(torch.ones(400, 6, 20))
    assert (dropped == dropped[:, :1]).all()
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert dropped.mean() == pytest.approx(1, abs=0.02)
    assert (dropped[0, 0] != dropped[1, 0]).any()  # each row its own mask
    assert torch.equal(dropout.eval()(torch.ones(2, 3, 4)), torch.ones(2, 3, 4))


def test_dropout_between_layers_is_the_one_that_was_asked_for():
    torch.manual_seed(0)
    layers = stack("gru", dropout=0.5, variational_dropout=True).train()
    drawn: list[torch.Tensor] = []
    layers.dropout.register_forward_hook(lambda module, given, out: drawn.append(out / given[0]))
    layers(random(2, 6, INPUT))
    assert len(drawn) == 1 and torch.allclose(drawn[0], drawn[0][:, :1].expand_as(drawn[0]))


@pytest.mark.parametrize(("cell_type", "layer_norm"), [("lstm", False), ("gru", False), ("lstm", True), ("rnn", True)])
def test_weight_dropout_drops_weights_between_a_layers_own_units_in_training_alone(cell_type, layer_norm):
    dropping = stack(cell_type, layer_norm=layer_norm, weight_dropout=0.5)
    plain = stack(cell_type, layer_norm=layer_norm)
    inputs = torch.randn(3, 6, INPUT)
    assert torch.equal(dropping(inputs)[0], plain(inputs)[0])
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in plain.forwards:
            layer.weight_hh_l0.copy_(torch.nn.functional.dropout(layer.weight_hh_l0, 0.5))
    torch.manual_seed(0)  # for the same masks
    outputs = dropping.train()(inputs)[0]
    torch.testing.assert_close(outputs, plain(inputs)[0], atol=1e-6, rtol=1e-5)
    outputs.sum().backward()
    gradients = dropping.forwards[0].weight_hh_l0.grad
    assert torch.equal(gradients == 0, plain.forwards[0].weight_hh_l0 == 0), "what is dropped learns nothing"
