"""Training of one layer at a time without labels, from which a deep autoencoder starts.

Two ways: a restricted Boltzmann machine (RBM) by contrastive divergence, as in Hinton and Salakhutdinov 2006, or a
shallow autoencoder of the layer, with damaged inputs if wanted (Vincent et al. 2010, Stacked denoising autoencoders).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

# Of the supporting material of the 2006 paper.
WEIGHT_COST = 2e-4
MOMENTA = (0.5, 0.9)  # before and after
MOMENTUM_EPOCHS = 5  # so many epochs
WEIGHT_DEVIATION = 0.1  # of fresh weights
LINEAR_RATE = 0.01  # of the learning rate, for hidden units that are linear: their values have no bound

Report = Callable[[int, float], None]  # called after each epoch with its number, from 1, and the mean squared error


@torch.no_grad()
def train_rbm(
    encoder: nn.Linear,
    decoder: nn.Linear,
    visible: Tensor,
    *,
    linear_hidden: bool,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    generator: torch.Generator,
    report: Report = lambda epoch, error: None,
) -> None:
    """Fit an RBM by one step of contrastive divergence (CD-1) and unroll it into an encoder and a decoder.

    Args:
        encoder: From V visible to H hidden units; set in place.
        decoder: From H to V; gets the transposed weights.
        visible: Probabilities of the visible units (N, V), from 0 to 1.
        linear_hidden: The hidden units are normal with variance 1 about their input, instead of binary.
        epochs: Passes over the rows.
        batch_size: Rows a step.
        learning_rate: Of binary hidden units; linear ones learn at a hundredth of it.
        generator: What weights, orders and states are drawn from, on the CPU.
        report: Told the squared error of the reconstructions, summed over the units.
    """
    rate = learning_rate * (LINEAR_RATE if linear_hidden else 1)
    weight = WEIGHT_DEVIATION * torch.randn(encoder.weight.shape, generator=generator).to(visible.device)  # (H, V)
    hidden_bias = torch.zeros(len(weight), device=visible.device)
    visible_bias = torch.zeros(weight.shape[1], device=visible.device)
    parameters = (weight, hidden_bias, visible_bias)
    changes = [torch.zeros_like(one) for one in parameters]

    def hidden_mean(units: Tensor) -> Tensor:
        inputs = torch.addmm(hidden_bias, units, weight.T)
        return inputs if linear_hidden else inputs.sigmoid_()

    for epoch in range(1, epochs + 1):
        momentum = MOMENTA[epoch > MOMENTUM_EPOCHS]
        errors = 0.0
        for rows in _shuffled(len(visible), batch_size, generator):
            data = visible[rows]  # (B, V)
            means = hidden_mean(data)  # (B, H)
            drawn = torch.randn if linear_hidden else torch.rand
            noise = drawn(means.shape, generator=generator).to(means.device)
            states = means + noise if linear_hidden else (noise < means).float()
            again = torch.addmm(visible_bias, states, weight).sigmoid_()
            means_again = hidden_mean(again)
            gradients = (
                (means.T @ data - means_again.T @ again) / len(rows) - WEIGHT_COST * weight,
                (means - means_again).mean(0),
                (data - again).mean(0),
            )
            for parameter, change, gradient in zip(parameters, changes, gradients, strict=True):
                change.mul_(momentum).add_(gradient, alpha=rate)
                parameter.add_(change)
            errors += float((data - again).square().sum())
        report(epoch, errors / len(visible))
    encoder.weight.copy_(weight)
    encoder.bias.copy_(hidden_bias)
    decoder.weight.copy_(weight.T)
    decoder.bias.copy_(visible_bias)


def train_shallow(
    encoder: nn.Module,
    decoder: nn.Module,
    inputs: Tensor,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    damage: float,
    generator: torch.Generator,
    report: Report = lambda epoch, error: None,
) -> None:
    """Fit the encoder and decoder of one layer to each other by Adam on their squared error.

    Args:
        encoder: From (B, V) to (B, H), with its activation; trained in place.
        decoder: From (B, H) to (B, V), with its activation; trained in place.
        inputs: (N, V).
        epochs: Passes over the rows.
        batch_size: Rows a step.
        learning_rate: At the start; it falls to 0 linearly.
        damage: Share of the inputs that are set to 0 and have to be found again.
        generator: What orders and damage are drawn from, on the CPU.
        report: Told the squared error, summed over the units.
    """
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    steps = epochs * -(-len(inputs) // batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / steps, steps)
    for epoch in range(1, epochs + 1):
        errors = 0.0
        for rows in _shuffled(len(inputs), batch_size, generator):
            clean = inputs[rows]
            given = clean
            if damage:
                given = clean * (torch.rand(clean.shape, generator=generator).to(clean.device) >= damage)
            error = (decoder(encoder(given)) - clean).square().sum()
            (error / len(rows)).backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            errors += error.item()
        report(epoch, errors / len(inputs))


def _shuffled(count: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    yield from torch.randperm(count, generator=generator).split(batch_size)
