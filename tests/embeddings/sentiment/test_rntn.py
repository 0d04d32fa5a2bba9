from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from tsugiki.testing import check_family
from tsugiki_embeddings.sentiment.parse_trees import parse_tree, tree_columns
from tsugiki_embeddings.sentiment.rntn import RNTNConfig, RNTNForTreeClassification

TREES = [
    "(3 (2 w2) (4 (2 w3) (3 w4)))",
    "(0 (1 (2 w5) (1 w6)) (0 (2 w7) (2 w2)))",
    "(2 w3)",
    "(4 (4 (3 (2 w7) (3 w6)) (2 w5)) (2 w4))",
]


def small(**fields) -> RNTNForTreeClassification:
    torch.manual_seed(0)
    config = {"vocab_size": 9, "hidden_size": 3, "num_labels": 5, "initializer_range": 1.0, **fields}
    return RNTNForTreeClassification(RNTNConfig(**config)).double().eval()


def columns(texts: list[str]) -> dict[str, torch.Tensor]:
    return tree_columns([parse_tree(text) for text in texts], lambda words: [int(word[1:]) for word in words])


def written_out(model: RNTNForTreeClassification, texts: list[str]) -> tuple[list[list[torch.Tensor]], torch.Tensor]:
    """Socher et al. 2013, section 4.3, a node and a slice at a time: the logits of all nodes, and the mean loss."""
    words, layer = model.rntn.words.embeddings.weight, model.rntn.composition
    size, losses, logits = model.config.hidden_size, [], []
    for text in texts:
        tree = parse_tree(text)
        states: dict[int, torch.Tensor] = {}
        for node in reversed(range(len(tree))):
            if tree.words[node] is not None:
                states[node] = words[int(tree.words[node][1:])]
                continue
            both = torch.cat([states[tree.left[node]], states[tree.right[node]]])
            parent = []
            for k in range(size):
                total = layer.linear.bias[k] + sum(layer.linear.weight[k, i] * both[i] for i in range(2 * size))
                if layer.tensor is not None:
                    total = total + sum(
                        both[i] * layer.tensor[k, i, j] * both[j] for i in range(2 * size) for j in range(2 * size)
                    )
                parent.append(torch.tanh(total))
            states[node] = torch.stack(parent)
        rows = [model.classifier.weight @ states[node] + model.classifier.bias for node in range(len(tree))]
        losses += [torch.logsumexp(row, 0) - row[label] for row, label in zip(rows, tree.labels, strict=True)]
        logits.append(rows)
    return logits, torch.stack(losses).mean()


@pytest.mark.parametrize("tensor", [True, False])
def test_values_and_gradients_are_those_of_the_formula(tensor):
    model = small(tensor=tensor)
    logits, loss = written_out(model, TREES)
    loss.backward()
    expected = {name: one.grad.clone() for name, one in model.named_parameters()}
    model.zero_grad()
    output = model(**columns(TREES))
    output.loss.backward()
    torch.testing.assert_close(output.loss, loss.float())
    for row, rows in enumerate(logits):
        torch.testing.assert_close(output.logits[row, : len(rows)], torch.stack(rows))
    for name, one in model.named_parameters():
        torch.testing.assert_close(one.grad, expected[name], rtol=1e-5, atol=1e-7)  # the loss is a float32


def test_padding_and_neighbours_change_nothing():
    model = small()
    with torch.no_grad():
        model.get_input_embeddings().weight[0] = 7.0
    together = model(**columns(TREES)).logits
    for row, text in enumerate(TREES):
        alone = model(**columns([text])).logits[0]
        torch.testing.assert_close(together[row, : len(alone)], alone)


def test_nodes_without_a_label_are_left_out_of_the_loss():
    model, batch = small(), columns(TREES[:1])
    batch["labels"][0, 1:] = -100
    root = model(**batch).logits[0, 0]
    expected = torch.nn.functional.cross_entropy(root.float()[None], batch["labels"][0, :1])
    torch.testing.assert_close(model(**batch).loss, expected)


def test_defaults_have_the_parameters_of_the_paper():
    """V is d x 2d x 2d and W d x 2d, beside the biases, for d = 25; and a softmax of 5 classes."""
    model = RNTNForTreeClassification(RNTNConfig(vocab_size=10, num_labels=5))
    composition = 25 * 50 * 50 + 25 * 50 + 25
    assert sum(one.numel() for one in model.parameters()) == 10 * 25 + composition + 5 * 25 + 5


def test_columns_of_different_shapes_are_refused():
    batch = columns(TREES[:1])
    with pytest.raises(ValueError, match=r"must all be \(B, M\), not \(1, 5\), \(1, 4\), \(1, 5\)"):
        small()(batch["input_ids"], batch["left"][:, :4], batch["right"])


@pytest.mark.parametrize("fields", [{"dropout": 1.0}, {"initializer_range": 0.0}, {"hidden_size": 0}])
def test_config_refuses(fields):
    with pytest.raises(StrictDataclassClassValidationError, match=next(iter(fields))):
        small(**fields)


def test_passes_the_conformance_checks():
    check_family("embeddings", "rntn")
