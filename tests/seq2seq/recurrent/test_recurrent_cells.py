from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from tsugiki_seq2seq.recurrent.recurrent_cells import GATES, FusedCell, SteppedCell, initialize_cell
from tsugiki_seq2seq.recurrent.recurrent_layers import CELL_TYPES, RecurrentStack, recurrent_cell, state_tensors

SIZES = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
BATCH, LENGTH, INPUT, HIDDEN = 3, 6, 5, 4


def random_cell(cell, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in cell.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.5)
    return cell


def random_state(cell_type: str, dtype=torch.float32) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(BATCH, HIDDEN, generator=generator, dtype=dtype) * 0.5 for _ in range(state_tensors(cell_type))
    )


def inputs(dtype=torch.float32, size: int = INPUT) -> torch.Tensor:
    return torch.randn(BATCH, LENGTH, size, generator=torch.Generator().manual_seed(2), dtype=dtype)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def normalized(values: np.ndarray, norm: nn.LayerNorm | None) -> np.ndarray:
    """Ba, Kiros and Hinton 2016, equation 4, over the last axis."""
    if norm is None:
        return values
    mean, variance = values.mean(-1, keepdims=True), values.var(-1, keepdims=True)
    weight, bias = (part.detach().numpy() for part in (norm.weight, norm.bias))
    return (values - mean) / np.sqrt(variance + norm.eps) * weight + bias


def by_the_formula(cell: SteppedCell, values: np.ndarray, state: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """One cell over a batch in float64, gate by gate and step by step: outputs, then the state at the end."""
    size = cell.hidden_size
    weights = {name: weight.detach().numpy() for name, weight in cell.named_parameters()}

    def gate(rows: np.ndarray, number: int) -> np.ndarray:
        return rows[:, number * size : (number + 1) * size]

    hidden, outputs = state[0], []
    memory = state[1] if len(state) > 1 else None
    for step in range(values.shape[1]):
        driven = normalized(values[:, step] @ weights["weight_ih_l0"].T, cell.input_norm) + weights["bias_ih_l0"]
        recurrent = normalized(hidden @ weights["weight_hh_l0"].T, cell.hidden_norm) + weights["bias_hh_l0"]
        if cell.cell_type == "rnn":
            hidden = np.tanh(driven + recurrent)
        elif cell.cell_type == "gru":
            reset = sigmoid(gate(driven, 0) + gate(recurrent, 0))
            update = sigmoid(gate(driven, 1) + gate(recurrent, 1))
            candidate = np.tanh(gate(driven, 2) + reset * gate(recurrent, 2))
            hidden = (1 - update) * candidate + update * hidden
        else:
            total = driven + recurrent
            peephole = weights.get("peephole", np.zeros((3, size)))
            into = sigmoid(gate(total, 0) + peephole[0] * memory)
            forget = sigmoid(gate(total, 1) + peephole[1] * memory)
            memory = forget * memory + into * np.tanh(gate(total, 2))
            out = sigmoid(gate(total, 3) + peephole[2] * memory)
            hidden = out * np.tanh(normalized(memory, cell.memory_norm))
        outputs.append(hidden)
    return np.stack(outputs, 1), hidden, *(() if memory is None else (memory,))


@pytest.mark.parametrize("make", [FusedCell, SteppedCell])
@pytest.mark.parametrize("cell_type", SIZES)
def test_outputs_gradients_and_states_are_those_of_torch(cell_type, make):
    cell = random_cell(make(cell_type, INPUT, HIDDEN))
    reference = SIZES[cell_type](INPUT, HIDDEN, batch_first=True)
    reference.load_state_dict(cell.state_dict())
    state = random_state(cell_type)
    ours, theirs = inputs().requires_grad_(), inputs().requires_grad_()
    outputs, end = cell(ours, None, state)
    begin = tuple(part[None] for part in state)
    expected, expected_end = reference(theirs, begin if len(begin) > 1 else begin[0])
    expected_end = expected_end if len(begin) > 1 else (expected_end,)
    torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=0)
    for part, wanted in zip(end, expected_end, strict=True):
        torch.testing.assert_close(part, wanted[0], atol=1e-5, rtol=0)
    outputs.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-4)
    for name, weight in reference.named_parameters():
        torch.testing.assert_close(cell.get_parameter(name).grad, weight.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_stepped_cells_follow_their_formulas(cell_type, layer_norm):
    cell = random_cell(SteppedCell(cell_type, INPUT, HIDDEN, layer_norm=layer_norm).double())
    state = random_state(cell_type, torch.float64)
    outputs, end = cell(inputs(torch.float64), None, state)
    expected, *expected_end = by_the_formula(cell, inputs(torch.float64).numpy(), [part.numpy() for part in state])
    np.testing.assert_allclose(outputs.detach().numpy(), expected, atol=1e-12)
    for part, wanted in zip(end, expected_end, strict=True):
        np.testing.assert_allclose(part.detach().numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_gradients_are_those_of_finite_differences(cell_type, layer_norm):
    cell = random_cell(recurrent_cell(cell_type, 2, HIDDEN, layer_norm=layer_norm).double())
    lengths, begin = torch.tensor([3, 1, 0]), random_state(cell_type, torch.float64)
    values = inputs(torch.float64, 2)[:, :3].clone().requires_grad_()
    names = list(dict(cell.named_parameters()))

    def read(values: torch.Tensor, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weights = dict(zip(names, tensors[: len(names)], strict=True))
        outputs, end = torch.func.functional_call(cell, weights, (values, lengths, tensors[len(names) :]))
        known = torch.arange(3) < lengths[:, None]
        return (outputs * known[..., None], *end)

    given = [part.clone().requires_grad_() for part in (*cell.parameters(), *begin)]
    assert torch.autograd.gradcheck(read, (values, *given), fast_mode=True)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_a_row_ends_in_its_own_state_whatever_follows(cell_type, layer_norm):
    cell = random_cell(recurrent_cell(cell_type, INPUT, HIDDEN, layer_norm=layer_norm))
    lengths, state = torch.tensor([6, 2, 0]), random_state(cell_type)
    outputs, end = cell(inputs(), lengths, state)
    for row, length in enumerate(lengths.tolist()):
        alone_state = tuple(part[row : row + 1] for part in state)
        alone_end = alone_state
        if length:
            alone, alone_end = cell(inputs()[row : row + 1, :length], None, alone_state)
            torch.testing.assert_close(outputs[row, :length], alone[0], atol=1e-6, rtol=0)
        for part, wanted in zip(end, alone_end, strict=True):
            torch.testing.assert_close(part[row : row + 1], wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell_type", SIZES)
def test_vectors_of_another_size_are_refused(cell_type):
    with pytest.raises(ValueError, match="takes vectors of 5 numbers, not 4"):
        FusedCell(cell_type, INPUT, HIDDEN)(inputs(size=4), None, random_state(cell_type))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", SIZES)
def test_stacks_are_those_of_torch(cell_type, bidirectional):
    stack = RecurrentStack(cell_type, INPUT, HIDDEN, 2, bidirectional=bidirectional)
    reference = SIZES[cell_type](INPUT, HIDDEN, 2, batch_first=True, bidirectional=bidirectional)
    for layer in range(2):
        for cells, ending in ((stack.forwards, ""), (stack.backwards, "_reverse")):
            if len(cells):
                random_cell(cells[layer], seed=10 * layer + len(ending))
                for name, weight in cells[layer].named_parameters():
                    reference.get_parameter(f"{name[:-1]}{layer}{ending}").data.copy_(weight)
    outputs, end = stack(inputs())
    expected, expected_end = reference(inputs())
    torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=0)
    expected_end = expected_end if isinstance(expected_end, tuple) else (expected_end,)
    for part, wanted in zip(end, expected_end, strict=True):
        torch.testing.assert_close(part, wanted[:: 2 if bidirectional else 1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_fresh_weights_lie_where_torchs_do_and_forget_gates_are_open(cell_type):
    torch.manual_seed(0)
    cell = recurrent_cell(cell_type, 40, 64)
    initialize_cell(cell)
    bound = 64**-0.5
    for weight in (cell.weight_ih_l0.detach(), cell.weight_hh_l0.detach()):
        assert 0.95 * bound < weight.abs().max() <= bound
        assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert (cell.bias_hh_l0 == 0).all()
    biases = cell.bias_ih_l0.detach().view(GATES[cell_type], 64)
    expected = torch.zeros(GATES[cell_type], 64)
    if cell_type.startswith("lstm"):
        expected[1] = 1
    assert torch.equal(biases, expected)
    if cell.peephole is not None:
        assert (cell.peephole == 0).all()
