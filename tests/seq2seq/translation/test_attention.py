from __future__ import annotations

import pytest
import torch
from tsugiki_seq2seq.translation.attention import ATTENTION_TYPES, Attention

KINDS = [kind for kind in ATTENTION_TYPES if kind != "none"]
BATCH, TARGET, SOURCE, QUERY, HIDDEN = 3, 2, 5, 4, 3


def attention(kind: str) -> tuple[Attention, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    size = QUERY if kind == "luong-dot" else 6
    module = Attention(kind, QUERY, size, HIDDEN)
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 1, 0, 1], [1, 0, 0, 0, 0]]).bool()
    return module, torch.randn(BATCH, TARGET, QUERY), torch.randn(BATCH, SOURCE, size), mask


def score_by_hand(module: Attention, state: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """The scores of the papers, for one state and one place of the source."""
    weights = {name: weight.detach() for name, weight in module.named_parameters()}
    match module.kind:
        case "luong-dot":
            return state @ source
        case "luong-general":
            return state @ weights["source.weight"] @ source
        case "bahdanau":
            hidden = weights["query.weight"] @ state + weights["source.weight"] @ source
        case "luong-concat":
            both = torch.cat([weights["query.weight"], weights["source.weight"]], dim=1)
            hidden = both @ torch.cat([state, source])
    return weights["score.weight"][0] @ torch.tanh(hidden)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_contexts_are_those_of_the_formula(kind):
    module, queries, source, mask = attention(kind)
    contexts, weights = module(queries, module.keys(source), source, mask)
    assert (contexts.shape, weights.shape) == ((BATCH, TARGET, source.shape[2]), (BATCH, TARGET, SOURCE))
    for row in range(BATCH):
        places = mask[row].nonzero()[:, 0].tolist()
        for step in range(TARGET):
            scores = torch.stack([score_by_hand(module, queries[row, step], source[row, place]) for place in places])
            expected = scores.exp() / scores.exp().sum()
            torch.testing.assert_close(weights[row, step, places], expected)
            context = sum(weight * source[row, place] for weight, place in zip(expected, places, strict=True))
            torch.testing.assert_close(contexts[row, step], context)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_sum_to_one_and_leave_padding_out(kind):
    module, queries, source, mask = attention(kind)
    _, weights = module(queries, module.keys(source), source, mask)
    torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, TARGET))
    assert (weights.transpose(1, 2)[~mask] == 0).all()
    changed = torch.where(mask[..., None], source, 100.0)
    assert torch.equal(module(queries, module.keys(changed), changed, mask)[1], weights)


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_without_tokens_is_looked_at_evenly(kind):
    module, queries, source, mask = attention(kind)
    _, weights = module(queries, module.keys(source), source, torch.zeros_like(mask))
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / SOURCE))


@pytest.mark.parametrize(("kind", "count"), [("bahdanau", 3 * (4 + 6) + 3), ("luong-dot", 0), ("luong-general", 4 * 6)])
def test_parameters_are_those_of_the_papers(kind, count):
    assert sum(weight.numel() for weight in attention(kind)[0].parameters()) == count
