from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from tsugiki.errors import DataError, OptionError
from tsugiki.tensor_table import TensorTable
from tsugiki.testing import check_family
from tsugiki.training.job import TrainingJob
from tsugiki_vision.unsupervised.hopfield import (
    HopfieldConfig,
    HopfieldForPatternRecall,
    HopfieldModel,
    hebb_weights,
    projection_weights,
    settle,
)
from tsugiki_vision.unsupervised.hopfield_training import train_hebb


def random_patterns(count: int, units: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (count, units), generator=generator).float() * 2 - 1


def network(patterns: torch.Tensor, side: int, **config) -> HopfieldModel:
    model = HopfieldModel(HopfieldConfig(image_size=side, **config))
    model.store(patterns)
    return model


def flipped(patterns: torch.Tensor, share: float, seed: int = 1) -> torch.Tensor:
    flips = torch.rand(patterns.shape, generator=torch.Generator().manual_seed(seed)) < share
    return torch.where(flips, -patterns, patterns)


def test_hebb_is_the_sum_over_pairs_of_the_1982_paper():
    patterns = random_patterns(3, 5)
    expected = torch.zeros(5, 5)
    for pattern, i, j in itertools.product(patterns, range(5), range(5)):
        expected[i, j] += pattern[i] * pattern[j]
    assert torch.equal(hebb_weights(patterns), expected)


def test_projection_is_the_pseudo_inverse_of_numpy():
    patterns = random_patterns(4, 9)
    x = patterns.numpy().astype(np.float64).T  # patterns as columns, as the paper has them
    np.testing.assert_allclose(projection_weights(patterns).numpy(), x @ np.linalg.pinv(x), atol=1e-6)


def test_projection_of_dependent_patterns_is_still_a_projector():
    patterns = random_patterns(3, 16)
    weights = projection_weights(torch.cat([patterns, -patterns[:1], patterns[:2]]))
    torch.testing.assert_close(weights, projection_weights(patterns))


def test_diagonal_is_zero_by_choice():
    patterns = random_patterns(2, 16)
    assert network(patterns, 4).weights.diagonal().abs().sum() == 0
    kept = network(patterns, 4, zero_diagonal=False).weights
    assert torch.equal(kept.diagonal(), torch.full((16,), 2.0))


@pytest.mark.parametrize("dynamics", ["asynchronous", "synchronous"])
@pytest.mark.parametrize("rule", ["hebb", "projection"])
def test_damaged_patterns_are_recalled_well_below_capacity(dynamics, rule):
    patterns = random_patterns(8, 400)  # load 0.02
    model = network(patterns, 20, dynamics=dynamics, learning_rule=rule)
    output = model.recall(flipped(patterns, 0.2))
    assert torch.equal(output.states, patterns)
    assert output.converged.all()


def test_patterns_that_resemble_each_other_need_the_projection_rule():
    common = random_patterns(1, 400)
    patterns = flipped(common.expand(8, -1), 0.12)
    assert not torch.equal(network(patterns, 20).recall(patterns).states, patterns)
    projected = network(patterns, 20, learning_rule="projection")
    assert torch.equal(projected.recall(flipped(patterns, 0.03)).states, patterns)


def test_asynchronous_updates_follow_the_fixed_order_one_unit_at_a_time():
    model = network(random_patterns(12, 25), 5)
    order = torch.randperm(25, generator=torch.Generator().manual_seed(0)).tolist()
    weights = model.weights.numpy()
    for start in random_patterns(6, 25, seed=3):
        state, sweeps = start.numpy().copy(), 0
        while True:
            before = state.copy()
            for unit in order:
                total = float(weights[unit] @ state)
                if total:
                    state[unit] = np.sign(total)
            if (state == before).all():
                break
            sweeps += 1
        output = model.recall(start[None])
        np.testing.assert_array_equal(output.states[0].numpy(), state)
        assert output.sweeps.item() == sweeps


def test_energy_is_the_double_sum_and_never_rises():
    model = network(random_patterns(5, 36), 6)
    states = random_patterns(7, 36, seed=4)
    weights = model.weights.numpy()
    expected = [-0.5 * sum(weights[i, j] * s[i] * s[j] for i in range(36) for j in range(36)) for s in states.numpy()]
    np.testing.assert_allclose(model.energy(states).numpy(), expected, rtol=1e-6)
    energies = [model.energy(settle(states, model.weights, max_sweeps=sweeps)[0]) for sweeps in range(4)]
    assert all((later <= earlier).all() for earlier, later in itertools.pairwise(energies))


def test_two_states_in_turn_are_told_apart_from_rest():
    model = HopfieldModel(HopfieldConfig(image_size=1, num_channels=2, dynamics="synchronous"))
    model.weights.data = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    output = model.recall(torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
    assert output.converged.tolist() == [False, True]


def test_a_state_that_needs_longer_is_given_up_after_max_sweeps():
    patterns = random_patterns(30, 100)
    start = random_patterns(20, 100, seed=9)
    short = network(patterns, 10, max_sweeps=1).recall(start)
    long = network(patterns, 10).recall(start)
    assert short.sweeps.max() == 1
    assert not short.converged.all()
    assert long.converged.all()


def test_rows_do_not_see_each_other():
    model = network(random_patterns(14, 100), 10)
    pixel_values = torch.randn(6, 1, 10, 10, generator=torch.Generator().manual_seed(0))
    together = model(pixel_values)
    for row in range(6):
        alone = model(pixel_values[row : row + 1])
        assert torch.equal(alone.states[0], together.states[row])
        assert alone.sweeps[0] == together.sweeps[row]


def test_logits_are_the_overlaps_with_the_stored_patterns(tmp_path):
    patterns = random_patterns(3, 100)
    model = HopfieldForPatternRecall(HopfieldConfig(image_size=10, num_labels=3)).eval()
    model.store(patterns)
    output = model(flipped(patterns, 0.1).view(3, 1, 10, 10))
    torch.testing.assert_close(output.logits, patterns @ patterns.T / 100)
    model.save_pretrained(tmp_path)
    loaded = HopfieldForPatternRecall.from_pretrained(tmp_path)
    assert torch.equal(loaded.patterns, patterns)
    assert torch.equal(loaded.hopfield.weights, model.hopfield.weights)


def test_compiles_as_one_graph():
    model = network(random_patterns(5, 64), 8)
    pixel_values = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(pixel_values).states, model(pixel_values).states)


def test_passes_the_conformance_checks():
    check_family("vision", "hopfield", image_size=6)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (torch.ones(2, 15), r"patterns must be \(P, 16\)"),
        (torch.ones(0, 16), "at least one row"),
        (torch.full((1, 16), 0.5), "nothing but -1 and"),
    ],
)
def test_what_cannot_be_stored_is_one_sentence(patterns, message):
    with pytest.raises(ValueError, match=message):
        HopfieldModel(HopfieldConfig(image_size=4)).store(patterns)


@pytest.mark.parametrize(
    "fields",
    [{"image_size": 0}, {"max_sweeps": 0}, {"num_channels": 0}, {"learning_rule": "storkey"}, {"dynamics": 1}],
)
def test_config_refuses(fields):
    with pytest.raises(StrictDataclassError, match=next(iter(fields))):
        HopfieldConfig(**fields)


def pattern_table(numbers: list[int]) -> TensorTable:
    labels = random_patterns(len(numbers), 16).long()
    return TensorTable(
        {
            "pixel_values": ((labels + 1) // 2 * 255).to(torch.uint8).view(-1, 1, 4, 4),
            "labels": labels,
            "pattern": torch.tensor(numbers),
        }
    )


def test_training_stores_each_row_under_its_label(tmp_path):
    table = pattern_table([2, 0, 1])
    model = HopfieldForPatternRecall(HopfieldConfig(image_size=4, num_labels=3))
    result = train_hebb(model, TrainingJob(table, tmp_path, {"seed": 0, "save_strategy": "epoch"}))
    assert torch.equal(model.patterns, table.labels[[1, 2, 0]].float())
    assert result.steps == 0
    assert result.history == []


def test_training_refuses_two_pictures_of_one_label(tmp_path):
    model = HopfieldForPatternRecall(HopfieldConfig(image_size=4, id2label={0: "seven", 1: "two"}))
    with pytest.raises(DataError, match="one picture for each label, and 'seven' has 2"):
        train_hebb(model, TrainingJob(pattern_table([0, 0, 1]), tmp_path))


def test_training_has_no_learning_rate(tmp_path):
    model = HopfieldForPatternRecall(HopfieldConfig(image_size=4))
    with pytest.raises(OptionError, match="'learning_rate' is unknown to this family"):
        train_hebb(model, TrainingJob(pattern_table([0, 1]), tmp_path, {"learning_rate": 0.1}))
