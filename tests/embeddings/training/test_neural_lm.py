from __future__ import annotations

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassError
from tsugiki.testing import check_family
from tsugiki_embeddings.training.neural_lm import CONTEXTS, NeuralLMConfig, NeuralLMForWordPrediction, NeuralLMModel

SMALL = {"vocab_size": 11, "hidden_size": 3, "intermediate_size": 5}


def network(**fields) -> NeuralLMForWordPrediction:
    torch.manual_seed(0)
    return NeuralLMForWordPrediction(NeuralLMConfig(**{**SMALL, **fields})).eval()


def loop(model: NeuralLMForWordPrediction, words: list[int]) -> np.ndarray:
    """Log-probabilities (L, V) by the paper's equations, a word after the other, in float64."""
    weights = {name: tensor.detach().double().numpy() for name, tensor in model.state_dict().items()}
    rows = []
    for place in range(len(words)):
        neighbors = [place + offset for offset in model.config.offsets]
        numbers = [words[one] if 0 <= one < len(words) else model.config.pad_token_id for one in neighbors]
        x = np.concatenate([weights["neural_lm.embeddings.weight"][number] for number in numbers])
        hidden = x
        if model.config.intermediate_size:
            hidden = np.tanh(weights["neural_lm.hidden.weight"] @ x + weights["neural_lm.hidden.bias"])
        y = weights["output.weight"] @ hidden + weights["output.bias"]
        if "direct.weight" in weights:
            y = y + weights["direct.weight"] @ x
        rows.append(y - np.log(np.exp(y - y.max()).sum()) - y.max())
    return np.array(rows)


@pytest.mark.parametrize("fields", [{}, {"intermediate_size": 0}, {"direct": True}])
@pytest.mark.parametrize("context", CONTEXTS)
def test_probabilities_are_those_of_a_loop_in_float64(context, fields):
    model = network(context=context, **fields)
    words = [3, 7, 2, 9, 10, 4, 4]
    with torch.no_grad():
        found = model(torch.tensor([words])).logits[0].log_softmax(-1).numpy()
    np.testing.assert_allclose(found, loop(model, words), atol=1e-5)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_word_is_predicted_from_its_context_alone(context):
    model = network(context=context)
    words = torch.randint(2, 11, (1, 15), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model(words).logits[0]
        for changed in range(15):
            other = words.clone()
            other[0, changed] = (other[0, changed] + 1) % 11
            moved = (model(other).logits[0] != before).any(1).nonzero().flatten().tolist()
            assert set(moved) == {changed - offset for offset in model.config.offsets if 0 <= changed - offset < 15}


def test_padding_is_the_end_of_a_text():
    model = network(context="around_4")
    short, long = torch.tensor([[3, 4, 5]]), torch.tensor([[3, 4, 5, 9, 9]])
    with torch.no_grad():
        alone = model(short).logits
        padded = model(long, torch.tensor([[1, 1, 1, 0, 0]])).logits
    torch.testing.assert_close(padded[:, :3], alone)


def test_loss_is_the_mean_over_the_words_that_are_asked_for():
    model = network()
    words = [3, 7, 2, 9]
    loss = model(torch.tensor([words]), labels=torch.tensor([[-100, 7, -100, 9]])).loss
    chances = loop(model, words)
    assert loss.item() == pytest.approx(-(chances[1, 7] + chances[3, 9]) / 2, rel=1e-5)


def test_a_regular_text_is_learnt():
    model = network(context="nearest_1").train()
    words = torch.tensor([[2, 3, 4, 5] * 6])
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(80):
        optimizer.zero_grad()
        loss = model(words, labels=words).loss
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_base_model_gives_the_hidden_layer():
    model = NeuralLMModel(NeuralLMConfig(**SMALL)).eval()
    output = model(torch.tensor([[2, 3, 0]]), torch.tensor([[1, 1, 0]]))
    assert output.last_hidden_state.shape == (1, 3, 5)
    torch.testing.assert_close(output.pooler_output, output.last_hidden_state[:, :2].mean(1))


def test_base_model_loads_from_the_whole_network(tmp_path):
    model = network(direct=True)
    model.save_pretrained(tmp_path)
    loaded = NeuralLMModel.from_pretrained(tmp_path)
    assert torch.equal(loaded.embeddings.weight, model.neural_lm.embeddings.weight)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"vocab_size": 2}, "vocab_size"), ({"intermediate_size": -1}, "intermediate"), ({"pad_token_id": None}, "pad")],
)
def test_sizes_that_describe_no_network_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        NeuralLMConfig(**{**SMALL, **fields})
    with pytest.raises(StrictDataclassError, match="context"):
        NeuralLMConfig(context="last_5")


def test_family_passes_the_conformance_checks():
    check_family("embeddings", "neural-lm")
