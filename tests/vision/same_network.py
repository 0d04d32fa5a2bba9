"""Comparison of a network with another library's: the same weights must give the same logits and gradients."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def randomise(network: nn.Module, seed: int = 0) -> None:
    """Weights that keep activations near 1, and statistics and affine parameters of norms off their start values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                deviation = (2 / module.weight[0].numel()) ** 0.5
                module.weight.copy_(deviation * torch.randn(module.weight.shape, generator=generator))
                if module.bias is not None:
                    module.bias.copy_(0.1 * torch.randn(module.bias.shape, generator=generator))


def train_without_chance(*networks: nn.Module) -> None:
    """Training mode without dropout and with the collected statistics of batch norms, to compare auxiliary losses."""
    for network in networks:
        network.train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            elif isinstance(module, nn.BatchNorm2d):
                module.eval()


def copy_in_order(
    source: nn.Module, target: nn.Module, *, last: tuple[str, ...] = (), our_last: tuple[str, ...] = ()
) -> dict[str, str]:
    """Give a network the weights of another that has the same tensors in the same order.

    Args:
        source: The other library's.
        target: Ours.
        last: Prefixes of tensors of `source` that are taken to come last, in this order.
        our_last: Likewise of `target`.

    Returns:
        Parameter of `target` -> parameter of `source`.
    """

    def ordered(network: nn.Module, prefixes: tuple[str, ...]) -> dict[str, Tensor]:
        state = network.state_dict()
        rank = {name: next((n for n, p in enumerate(prefixes) if name.startswith(p)), -1) for name in state}
        return {name: state[name] for name in sorted(state, key=rank.__getitem__)}

    theirs, ours = ordered(source, last), ordered(target, our_last)
    assert [value.shape for value in theirs.values()] == [value.shape for value in ours.values()]
    names = dict(zip(ours, theirs, strict=True))
    target.load_state_dict({our: theirs[their] for our, their in names.items()})
    return names


def assert_same(
    ours: nn.Module, theirs: nn.Module, names: Mapping[str, str], pixel_values: Tensor, labels: Tensor
) -> None:
    """Logits within 1e-4 and the gradient of every parameter within 1e-3, relative to the largest of each."""
    ours.eval()
    theirs.eval()
    output = ours(pixel_values, labels=labels)
    expected = theirs(pixel_values)
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(output.logits, expected, rtol=0, atol=1e-4 * scale)
    output.loss.backward()
    nn.functional.cross_entropy(expected, labels).backward()
    assert_same_gradients(ours, theirs, names)


def assert_same_gradients(ours: nn.Module, theirs: nn.Module, names: Mapping[str, str]) -> None:
    """The gradient of every parameter of `ours` within 1e-3 of its partner's, relative to the largest of each."""
    others = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        other = others[names[name]].grad
        torch.testing.assert_close(parameter.grad, other, rtol=0, atol=1e-3 * max(1e-3, other.abs().max().item()))
