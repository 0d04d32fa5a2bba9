from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from tsugiki_vision.unsupervised.layerwise_pretraining import train_rbm, train_shallow

PATTERNS = torch.tensor([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]], dtype=torch.float32)


def exact_log_likelihood(encoder: nn.Linear, decoder: nn.Linear, rows: torch.Tensor) -> float:
    """Mean log p(v) of an RBM with binary units, the partition function summed over all visible states."""
    states = torch.tensor(list(itertools.product([0.0, 1.0], repeat=encoder.in_features)))

    def free(visible):
        return visible @ decoder.bias + nn.functional.softplus(encoder(visible)).sum(1)

    return (free(rows) - free(states).logsumexp(0)).mean().item()


def rbm(hidden: int, epochs: int, linear: bool = False, seed: int = 0, rows: torch.Tensor = PATTERNS):
    encoder, decoder = nn.Linear(rows.shape[1], hidden), nn.Linear(hidden, rows.shape[1])
    errors: list[float] = []
    train_rbm(
        encoder,
        decoder,
        rows.repeat(20, 1),
        linear_hidden=linear,
        epochs=epochs,
        batch_size=10,
        learning_rate=0.1,
        generator=torch.Generator().manual_seed(seed),
        report=lambda epoch, error: errors.append(error),
    )
    return encoder, decoder, errors


def test_contrastive_divergence_raises_the_exact_likelihood():
    start, end = (exact_log_likelihood(*rbm(4, epochs)[:2], PATTERNS) for epochs in (1, 20))
    # Three patterns equally often: -log 3 = -1.1 is the best there is, 64 states alike give -4.16.
    assert start < -3.5
    assert end > -2


def test_unrolled_decoder_has_the_transposed_weights():
    encoder, decoder, errors = rbm(4, 5)
    assert torch.equal(decoder.weight, encoder.weight.T)
    assert len(errors) == 5


def test_linear_hidden_units_learn_to_bring_patterns_back():
    encoder, decoder, errors = rbm(3, 2000, linear=True)
    assert errors[-1] < 0.7 * errors[0]
    rebuilt = decoder(encoder(PATTERNS)).sigmoid()
    assert (rebuilt - PATTERNS).square().sum(1).mean() < errors[0]


def test_same_seed_gives_the_same_machine():
    assert torch.equal(rbm(4, 3)[0].weight, rbm(4, 3)[0].weight)
    assert not torch.equal(rbm(4, 3)[0].weight, rbm(4, 3, seed=1)[0].weight)


def test_one_step_is_the_papers_update():
    """With one row, no noise left in the hidden states (saturated biases are not at hand), so compare expectations."""
    rows = torch.zeros(1, 4)
    encoder, decoder = nn.Linear(4, 2), nn.Linear(2, 4)
    train_rbm(
        encoder,
        decoder,
        rows,
        linear_hidden=False,
        epochs=1,
        batch_size=1,
        learning_rate=0.5,
        generator=torch.Generator().manual_seed(3),
    )
    generator = torch.Generator().manual_seed(3)
    weight = 0.1 * torch.randn(2, 4, generator=generator)
    torch.randperm(1, generator=generator)
    means = torch.full((1, 2), 0.5)  # black pixels and no biases
    states = (torch.rand(1, 2, generator=generator) < means).float()
    again = torch.sigmoid(states @ weight)
    means_again = torch.sigmoid(again @ weight.T)
    expected = weight + 0.5 * (-means_again.T @ again - 2e-4 * weight)
    torch.testing.assert_close(encoder.weight.detach(), expected)
    torch.testing.assert_close(encoder.bias.detach(), 0.5 * (means - means_again)[0])
    torch.testing.assert_close(decoder.bias.detach(), 0.5 * (rows - again)[0])


@pytest.mark.parametrize("damage", [0.0, 0.3])
def test_shallow_autoencoder_reaches_the_principal_components(damage):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(300, 2, generator=generator) @ torch.randn(2, 6, generator=generator)
    torch.manual_seed(0)
    encoder, decoder = nn.Linear(6, 2), nn.Linear(2, 6)
    train_shallow(
        encoder,
        decoder,
        rows,
        epochs=60,
        batch_size=50,
        learning_rate=0.03,
        damage=damage,
        generator=generator,
    )
    # Two components hold all of the variance, so nothing need be lost; damaged inputs cannot be made whole.
    share = ((decoder(encoder(rows)) - rows).square().sum() / rows.square().sum()).item()
    assert share < (0.01 if damage == 0 else 0.3)
