from __future__ import annotations

import itertools

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from tsugiki.testing import check_family
from tsugiki_embeddings.sentiment.greedy_trees import grow_trees
from tsugiki_embeddings.sentiment.recursive_autoencoder import (
    RecursiveAutoencoderConfig,
    RecursiveAutoencoderForSequenceClassification,
)

TEXTS = [[2, 3, 4, 5, 6, 7, 8], [9, 2], [10], [3, 3, 3, 3], [11, 5, 2, 9, 7]]


def small(**fields) -> RecursiveAutoencoderForSequenceClassification:
    torch.manual_seed(0)
    config = {"vocab_size": 12, "hidden_size": 4, "num_labels": 2, **fields}
    return RecursiveAutoencoderForSequenceClassification(RecursiveAutoencoderConfig(**config)).double().eval()


def padded(texts: list[list[int]]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)


def fold(model, text: list[int]):
    """The tree of one text by trying every pair of neighbours at every step, in the paper's own words.

    Returns:
        The nodes as (words below, state, error), children before parents; the last is the root.
    """
    autoencoder = model.recursive_autoencoder.autoencoder
    table = model.get_input_embeddings().weight
    row = [((word,), table[word], None) for word in text]
    made = list(row)
    while len(row) > 1:
        tried = []
        for first, second in itertools.pairwise(row):
            both = torch.cat([first[1], second[1]])
            parent = torch.tanh(autoencoder.encoder.weight @ both + autoencoder.encoder.bias)
            if model.config.normalize:
                parent = parent / parent.norm()
            again = autoencoder.decoder.weight @ parent + autoencoder.decoder.bias
            n1, n2 = len(first[0]), len(second[0])
            left, right = (again - both).square().view(2, -1).sum(1)
            error = 0.5 * (n1 / (n1 + n2) * left + n2 / (n1 + n2) * right)
            tried.append((first[0] + second[0], parent, error))
        best = min(range(len(tried)), key=lambda pair: tried[pair][2].item())
        row[best : best + 2] = [tried[best]]
        made.append(tried[best])
    return made


@pytest.mark.parametrize("normalize", [True, False])
def test_trees_and_states_are_those_of_trying_every_pair(normalize):
    model = small(normalize=normalize)
    output = model.recursive_autoencoder(padded(TEXTS))
    length = max(map(len, TEXTS))
    for row, text in enumerate(TEXTS):
        joins = fold(model, text)[len(text) :]
        for step, (_, state, error) in enumerate(joins):
            node = length - 2 - step
            torch.testing.assert_close(output.last_hidden_state[row, node], state)
            torch.testing.assert_close(output.reconstruction_error[row, node], error)
        assert (output.left[row] > 0).sum() == len(joins)
        torch.testing.assert_close(output.pooler_output[row], fold(model, text)[-1][1])


def test_loss_is_the_weighted_sum_of_both_errors():
    model, labels = small(alpha=0.3), torch.tensor([0, 1, 1, 0, 1])
    reconstruction, entropy = [], []
    for text, label in zip(TEXTS, labels, strict=True):
        nodes = fold(model, text)
        for _, state, error in [*nodes[len(text) :], (None, nodes[-1][1], None)]:  # the text itself once more
            logits = model.classifier.weight @ state + model.classifier.bias
            entropy.append(torch.logsumexp(logits, 0) - logits[label])
            if error is not None:
                reconstruction.append(error)
    expected = 0.3 * torch.stack(reconstruction).mean() + 0.7 * torch.stack(entropy).mean()
    expected.backward()
    gradients = {name: one.grad.clone() for name, one in model.named_parameters()}
    model.zero_grad()
    loss = model(padded(TEXTS), labels=labels).loss
    loss.backward()
    torch.testing.assert_close(loss, expected.float())
    for name, one in model.named_parameters():
        torch.testing.assert_close(one.grad, gradients[name], rtol=1e-5, atol=1e-7)  # the loss is a float32


def test_a_text_is_classified_by_the_mean_of_its_phrases_where_asked():
    model = small(pooling="mean")
    output = model.recursive_autoencoder(padded(TEXTS))
    for row, text in enumerate(TEXTS):
        phrases = [state for _, state, _ in fold(model, text)[len(text) :]] or [model.get_input_embeddings().weight[10]]
        torch.testing.assert_close(output.pooler_output[row], torch.stack(phrases).mean(0))


@pytest.mark.parametrize("pooling", ["root", "mean"])
def test_padding_and_neighbours_change_nothing_wherever_they_stand(pooling):
    model = small(pooling=pooling)
    with torch.no_grad():
        model.get_input_embeddings().weight[0] = 7.0
    together = model(padded(TEXTS)).logits
    for row, text in enumerate(TEXTS):
        for sides in ((0, 0), (0, 3), (2, 1)):
            alone = torch.nn.functional.pad(torch.tensor([text]), sides, value=0)
            torch.testing.assert_close(model(alone).logits[0], together[row])


def test_a_text_without_words_is_the_vector_zero():
    output = small().recursive_autoencoder(torch.zeros(2, 3, dtype=torch.long))
    assert output.pooler_output.abs().sum() == 0
    assert (output.left > 0).sum() == 0


def test_parents_have_length_one():
    output = small().recursive_autoencoder(padded(TEXTS))
    lengths = output.last_hidden_state.norm(dim=2)[output.left > 0]
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_every_node_but_the_root_has_one_parent_and_greater_number():
    model = small()
    with torch.no_grad():
        model.get_input_embeddings().weight.normal_()
    texts = [torch.randint(2, 12, (length,)).tolist() for length in range(1, 15)]
    output = model.recursive_autoencoder(padded(texts))
    length = max(map(len, texts))
    for row, text in enumerate(texts):
        left, right = output.left[row], output.right[row]
        inner = (left > 0).nonzero()[:, 0]
        children = torch.cat([left[inner], right[inner]])
        assert (children > inner.repeat(2)).all()
        root = length - len(text)
        used = set(inner.tolist()) | set(range(length - 1, length - 1 + len(text)))
        assert sorted([*children.tolist(), root]) == sorted(used)


def test_equal_errors_go_to_the_left():
    words = torch.ones(1, 4, 2, dtype=torch.float64)

    def score(children, counts):
        return children[:, :2], torch.zeros(len(children), dtype=torch.float64)

    left, right = grow_trees(words, torch.tensor([4]), score)
    assert left.tolist() == [[1, 2, 3, 0, 0, 0, 0]]
    assert right.tolist() == [[6, 5, 4, 0, 0, 0, 0]]


@pytest.mark.parametrize("fields", [{"alpha": 1.5}, {"dropout": 1.0}, {"hidden_size": 0}])
def test_config_refuses(fields):
    with pytest.raises(StrictDataclassClassValidationError, match=next(iter(fields))):
        small(**fields)


def test_runs_under_autocast_to_bfloat16():
    model, labels = small().float(), torch.tensor([0, 1, 0, 1, 1])
    expected = model(padded(TEXTS), labels=labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(padded(TEXTS), labels=labels)
    torch.testing.assert_close(output.logits.float(), expected.logits, rtol=0.05, atol=0.05)
    output.loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_passes_the_conformance_checks():
    check_family("embeddings", "recursive-autoencoder")
