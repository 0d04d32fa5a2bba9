from __future__ import annotations

import math

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch.nn import functional as F
from transformers import pipeline
from tsugiki.snapshots.loading import load
from tsugiki.testing.conformance import check_family
from tsugiki_seq2seq.recurrent.recurrent import (
    RecurrentConfig,
    RecurrentForCausalLM,
    RecurrentForSequenceClassification,
    RecurrentForTokenClassification,
    RecurrentModel,
    final_states,
)
from tsugiki_seq2seq.recurrent.recurrent_layers import CELL_TYPES
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

VOCABULARY = 12
CELLS = [(cell_type, layer_norm) for cell_type in CELL_TYPES for layer_norm in (False, True)]


def small(model_class=RecurrentForCausalLM, **fields):
    torch.manual_seed(0)
    config = {"vocab_size": VOCABULARY, "hidden_size": 6, "num_hidden_layers": 2, "initializer_range": 1.0}
    return model_class(RecurrentConfig(**{**config, "eos_token_id": 2, "bos_token_id": 1, **fields})).eval()


def tokens(rows: int = 3, length: int = 7) -> torch.Tensor:
    return torch.randint(3, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(4))


def padded_left(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    return ids, torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])


@pytest.mark.parametrize(("cell_type", "layer_norm"), CELLS)
def test_cached_is_uncached(cell_type, layer_norm):
    model, ids = small(cell_type=cell_type, layer_norm=layer_norm), tokens()
    whole = model(input_ids=ids).logits
    state, parts = None, []
    for chunk in ids.split([3, 1, 1, 2], dim=1):
        output = model(input_ids=chunk, past_key_values=state, use_cache=True)
        state = output.past_key_values
        parts.append(output.logits)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=0)
    assert state.get_seq_length() == 7


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"num_beams": 3, "length_penalty": 0.0}])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_searches_do_not_depend_on_the_cache_or_on_padding(cell_type, options):
    model = small(cell_type=cell_type)
    rows = [[3, 4, 5, 6, 7], [8, 9], [10]]
    ids, mask = padded_left(rows)
    options = {**options, "max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    together = model.generate(input_ids=ids, attention_mask=mask, **options)
    again = model.generate(input_ids=ids, attention_mask=mask, use_cache=False, **options)
    assert torch.equal(together, again)
    for row, given in enumerate(rows):
        alone = model.generate(input_ids=torch.tensor([given]), **options)[0, len(given) :]
        written = together[row, ids.shape[1] :]
        assert torch.equal(written[: len(alone)], alone)
        # Behind an end stands padding, or the end again: a beam search takes a pad_token_id of 0 for none.
        assert torch.isin(written[len(alone) :], torch.tensor([0, 2])).all()


def test_greedy_takes_the_likeliest_token_at_every_step():
    model = small()
    ids = [3, 4]
    for _ in range(6):
        ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == 2:
            break
    out = model.generate(input_ids=torch.tensor([[3, 4]]), max_new_tokens=6, do_sample=False)
    assert out[0].tolist() == ids


def test_samples_follow_the_seed_and_the_distribution():
    model = small()
    ids = torch.tensor([[5, 6]]).expand(2000, -1)

    def draw(**options) -> torch.Tensor:
        torch.manual_seed(7)
        return model.generate(input_ids=ids, do_sample=True, top_k=0, max_new_tokens=1, **options)[:, 2]

    first = draw()
    assert torch.equal(first, draw()) and torch.equal(first, draw(use_cache=False))
    shares = torch.bincount(first, minlength=VOCABULARY) / len(first)
    expected = model(input_ids=ids[:1]).logits[0, -1].softmax(-1)
    assert (shares - expected).abs().max() < 4 * 0.5 / math.sqrt(len(first))


def test_the_loss_is_the_mean_surprise_of_the_tokens_asked_for():
    model, ids = small(), tokens()
    labels = ids.clone()
    labels[0, :4] = -100
    output = model(input_ids=ids, labels=labels)
    nats = -output.logits.log_softmax(-1)
    asked = [nats[row, place - 1, ids[row, place]] for row in range(3) for place in range(1, 7) if row or place > 3]
    torch.testing.assert_close(output.loss, torch.stack(asked).mean())


def test_only_the_last_logits_where_no_more_are_wanted():
    model, ids = small(), tokens()
    torch.testing.assert_close(
        model(input_ids=ids, logits_to_keep=1).logits, model(input_ids=ids).logits[:, -1:], atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("embedding_size", [None, 4])
def test_tied_embeddings_are_one_matrix_also_from_disk(tmp_path, embedding_size):
    model = small(tie_word_embeddings=True, embedding_size=embedding_size)
    assert model.lm_head.weight is model.recurrent.embeddings.weight
    assert (model.projection is None) == (embedding_size is None)
    model.save_pretrained(tmp_path)
    loaded = RecurrentForCausalLM.from_pretrained(tmp_path).eval()
    assert loaded.lm_head.weight is loaded.recurrent.embeddings.weight
    assert torch.equal(loaded(input_ids=tokens()).logits, model(input_ids=tokens()).logits)
    assert torch.equal(load(tmp_path)(input_ids=tokens()).logits, model(input_ids=tokens()).logits)


def test_transformers_own_pipeline_writes(tmp_path):
    import tsugiki

    tokenizer = learn_tokenizer(["ab cd ef gh ij"], kind="character")
    model = small(vocab_size=len(tokenizer))
    model.generation_config.update(pad_token_id=0, max_new_tokens=5, do_sample=False)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    tsugiki.register()
    write = pipeline("text-generation", model=str(tmp_path), device="cpu")
    prompts = ["ab c", "ij", "e"]
    together = [found[0]["generated_text"] for found in write(prompts, batch_size=3)]
    assert together == [write(prompt)[0]["generated_text"] for prompt in prompts]
    assert all(text.startswith(prompt) for text, prompt in zip(together, prompts, strict=True))


def test_a_tagger_sees_both_sides_and_no_padding():
    model = small(RecurrentForTokenClassification, bidirectional=True, num_labels=3)
    ids, mask = padded_left([[3, 4, 5, 6], [7, 8]])
    logits = model(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(logits[1, 2:], model(input_ids=ids[1:, 2:]).logits[0], atol=1e-5, rtol=0)
    changed = ids.clone()
    changed[0, 3] = 9
    assert (model(input_ids=changed, attention_mask=mask).logits[0, 0] != logits[0, 0]).any()
    labels = torch.tensor([[0, 1, 2, -100], [-100, -100, 1, 0]])
    asked = labels != -100
    expected = F.cross_entropy(logits[asked], labels[asked])
    torch.testing.assert_close(model(input_ids=ids, attention_mask=mask, labels=labels).loss, expected)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_a_classifier_pools_tokens_alone(pooling, bidirectional):
    model = small(RecurrentForSequenceClassification, pooling=pooling, bidirectional=bidirectional, num_labels=3)
    rows = [[3, 4, 5, 6], [7, 8], [9]]
    ids, mask = padded_left(rows)
    together = model(input_ids=ids, attention_mask=mask).logits
    for row, given in enumerate(rows):
        alone = torch.tensor([given])
        states = model.recurrent(alone).last_hidden_state[0]  # (L, F)
        half = 6
        pooled = {
            "mean": states.mean(0),
            "max": states.amax(0),
            "last": torch.cat([states[-1, :half], states[0, half:]]) if bidirectional else states[-1],
        }[pooling]
        torch.testing.assert_close(together[row], model.classifier(pooled), atol=1e-5, rtol=0)
    empty = model(input_ids=ids, attention_mask=torch.zeros_like(mask)).logits
    torch.testing.assert_close(empty, model.classifier(torch.zeros_like(pooled)).expand_as(empty))


def test_final_states_of_a_row_without_tokens_are_zero():
    states = torch.zeros(1, 3, 4)
    assert torch.equal(final_states(states, torch.zeros(1, 3).bool(), bidirectional=True), torch.zeros(1, 4))


def test_parameters_are_counted_by_hand():
    """Embeddings 12 x 6; two LSTM layers of 4 (6 x 6 + 6 x 6 + 2 x 6); an output layer 6 x 12 + 12."""
    assert sum(weight.numel() for weight in small().parameters()) == 72 + 2 * 4 * (36 + 36 + 12) + 72 + 12


def test_what_no_network_can_do_is_refused():
    with pytest.raises(ValueError, match="reads forwards alone"):
        small(bidirectional=True)
    model = small(RecurrentModel, bidirectional=True)
    with pytest.raises(ValueError, match="has no state to go on from"):
        model(tokens(), use_cache=True)
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        small()()


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_size": 0},
        {"dropout": 1.0},
        {"weight_dropout": -0.1},
        {"cell_type": "gruu"},
        {"pooling": "first"},
        {"vocab_size": "9"},
    ],
)
def test_config_refuses(fields):
    with pytest.raises(StrictDataclassError, match=next(iter(fields))):
        RecurrentConfig(**fields)


def test_passes_the_conformance_checks():
    check_family("seq2seq", "recurrent")
