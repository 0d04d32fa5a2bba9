from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch import nn
from tsugiki.testing import check_family
from tsugiki_seq2seq.dialogue import utterance_rows
from tsugiki_seq2seq.dialogue.dialogue_model import IGNORED
from tsugiki_seq2seq.dialogue.hred import HREDConfig, HREDForConditionalGeneration

SIZES = {"vocab_size": 17, "hidden_size": 6, "context_size": 5, "embedding_size": 4, "initializer_range": 1.0}
DIALOGUES = [
    [[5, 6, 2], [7, 2], [8, 9, 10, 2]],
    [[11, 2], [12, 13, 14, 15, 2]],
    [[4, 5, 6, 7, 2], [2], [9, 2], [10, 11, 2]],
]


def network(**fields) -> HREDForConditionalGeneration:
    torch.manual_seed(0)
    return HREDForConditionalGeneration(HREDConfig(**{**SIZES, **fields})).eval()


def padded(dialogues, *, utterances: int = 4, tokens: int = 5, left: bool = False) -> dict[str, torch.Tensor]:
    """Dialogues as batches, padding behind, or before with `left`."""
    ids = torch.zeros(len(dialogues), utterances, tokens, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, dialogue in enumerate(dialogues):
        for turn, utterance in enumerate(dialogue):
            place = turn + utterances - len(dialogue) if left else turn
            begin = tokens - len(utterance) if left else 0
            ids[row, place, begin : begin + len(utterance)] = torch.tensor(utterance)
            mask[row, place, begin : begin + len(utterance)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def gru(cell, inputs: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """torch's own GRU with a cell's weights, over (L, D); outputs (L, H) and the last."""
    own = nn.GRU(cell.weight_ih_l0.shape[1], cell.hidden_size, batch_first=True)
    own.load_state_dict({name: getattr(cell, name) for name in own.state_dict()})
    outputs, last = own(inputs[None], None if state is None else state[None, None])
    return outputs[0], last[0, 0]


def by_hand(model: HREDForConditionalGeneration, dialogue: list[list[int]]) -> list[float]:
    """-log P of each utterance but the first, with torch's GRU, an utterance after the other, nothing padded."""
    encoder, decoder, embed = model.encoder, model.decoder, model.encoder.embeddings
    context, found = None, []
    for turn, utterance in enumerate(dialogue):
        vectors = embed(torch.tensor(utterance))
        if turn:
            hidden = torch.tanh(decoder.bridge(context))
            inputs = embed(torch.tensor([1, *utterance[:-1]])) + decoder.condition(context)
            states, _ = gru(decoder.layers.forwards[0], inputs, hidden)
            chances = model.lm_head(decoder.readout(states)).log_softmax(-1)
            found.append(-chances[torch.arange(len(utterance)), utterance].sum().item())
        forwards = gru(encoder.utterances.forwards[0], vectors)[1]
        backwards = gru(encoder.utterances.backwards[0], vectors.flip(0))[1]
        summary = torch.cat([forwards, backwards])
        context = gru(encoder.context.forwards[0], summary[None], context)[1]
    return found


@pytest.mark.parametrize("left", [False, True])
def test_padding_changes_nothing_and_the_nats_are_those_of_a_loop(left):
    model = network()
    with torch.no_grad():
        found = model(**padded(DIALOGUES, left=left)).reconstruction
        wider = model(**padded(DIALOGUES, utterances=7, tokens=9, left=left)).reconstruction
        expected = [by_hand(model, dialogue) for dialogue in DIALOGUES]
    for row, nats in enumerate(expected):
        for result in (found, wider):
            values = result[row][result[row] != 0]
            torch.testing.assert_close(values, torch.tensor(nats), atol=1e-5, rtol=1e-5)


def test_a_batch_gives_what_its_rows_give_alone(monkeypatch):
    monkeypatch.setattr(utterance_rows, "GROUP", 2)  # several groups of like length
    model = network()
    batch = padded(DIALOGUES)
    with torch.no_grad():
        together = model(**batch).reconstruction
        for row, dialogue in enumerate(DIALOGUES):
            alone = model(**padded([dialogue], utterances=len(dialogue))).reconstruction[0]
            torch.testing.assert_close(together[row, : len(dialogue)], alone)
            assert not together[row, len(dialogue) :].any()


def test_loss_is_the_mean_over_the_tokens_that_are_asked_for():
    model = network()
    batch = padded(DIALOGUES)
    labels = torch.full_like(batch["input_ids"], IGNORED)
    labels[0, 2, :2] = batch["input_ids"][0, 2, :2]
    labels[2, 3, :3] = batch["input_ids"][2, 3, :3]
    with torch.no_grad():
        out = model(**batch, labels=labels)
        whole = model(**batch).reconstruction
    assert out.loss.item() == pytest.approx(out.reconstruction.sum().item() / 5, rel=1e-6)
    assert out.reconstruction[2, 3].item() == pytest.approx(whole[2, 3].item(), rel=1e-5)
    assert 0 < out.reconstruction[0, 2] < whole[0, 2]
    assert out.reconstruction.count_nonzero() == 2


def test_an_utterance_depends_on_all_before_it_and_on_none_after_it():
    model = network()
    batch = padded(DIALOGUES[2:])
    before = model(**batch).reconstruction[0]
    for turn in range(4):
        other = batch["input_ids"].clone()
        other[0, turn, 0] = 3
        moved = (model(other, batch["attention_mask"]).reconstruction[0] != before).nonzero().flatten().tolist()
        assert moved == list(range(max(turn, 1), 4))


def test_gradients_reach_every_parameter():
    model = network().train()
    batch = padded(DIALOGUES)
    model(**batch, labels=batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)).loss.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_word_dropout_hides_words_from_the_decoder_in_training_alone():
    model = network(word_dropout=0.99)
    tokens = torch.full((50, 6), 9)
    assert torch.equal(model._drop_words(tokens), tokens)
    hidden = model.train()._drop_words(tokens)
    assert (hidden[:, 0] == 9).all()
    assert (hidden[:, 1:] == 3).float().mean() > 0.9


SEARCHES = {"greedy": {}, "beam": {"num_beams": 3}, "sampling": {"do_sample": True}}


@pytest.mark.parametrize("search", SEARCHES)
def test_generate_gives_the_same_with_and_without_cache(search):
    model = network(tie_word_embeddings=False)
    answers = []
    for use_cache in (True, False):
        torch.manual_seed(3)
        answers.append(model.generate(**padded(DIALOGUES), max_new_tokens=8, use_cache=use_cache, **SEARCHES[search]))
    assert torch.equal(*answers)
    assert len({tuple(row) for row in answers[0].tolist()}) > 1  # the answers follow the dialogues


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_generate_answers_a_batch_as_it_answers_each_dialogue(search):
    model = network(tie_word_embeddings=False)
    options = {"max_new_tokens": 8, **SEARCHES[search]}
    together = model.generate(**padded(DIALOGUES, left=True), **options)
    without_mask = model.generate(padded(DIALOGUES)["input_ids"], **options)
    assert torch.equal(together, without_mask)
    for row, dialogue in enumerate(DIALOGUES):
        alone = model.generate(**padded([dialogue], utterances=len(dialogue)), **options)[0]
        assert together[row, : len(alone)].tolist() == alone.tolist()


def test_wide_beam_finds_the_likeliest_of_all_responses():
    model = network(vocab_size=5)
    batch = padded([[[3, 4, 2], [4, 2]]])
    out = model.generate(**batch, num_beams=60, max_new_tokens=3, length_penalty=0.0, early_stopping=False)
    chances = {}
    responses = [
        [2],
        *([a, 2] for a in (0, 1, 3, 4)),
        *([a, b, c] for a in (0, 1, 3, 4) for b in (0, 1, 3, 4) for c in range(5)),
    ]
    for response in responses:
        decoder = torch.tensor([[1, *response[:-1]]])
        with torch.no_grad():
            logits = model(**batch, decoder_input_ids=decoder).logits[0].log_softmax(-1)
        chances[tuple(response)] = logits[torch.arange(len(response)), response].sum().item()
    best = max(chances, key=chances.__getitem__)
    assert tuple(out[0, 1 : 1 + len(best)].tolist()) == best


def test_inputs_that_are_no_dialogues_are_refused():
    model = network()
    with pytest.raises(ValueError, match=r"\(B, U, L\), not of shape \(2, 3\)"):
        model(torch.ones(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="input_ids"):
        model()
    ids = torch.ones(1, 2, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="leave decoder_input_ids out"):
        model(ids, decoder_input_ids=ids[0], labels=ids)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"hidden_size": 5}, "even"), ({"vocab_size": 0}, "vocab_size"), ({"word_dropout": 1.0}, "word_dropout")],
)
def test_sizes_that_make_no_network_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        HREDConfig(**fields)


def test_family_passes_the_conformance_checks():
    check_family("seq2seq", "hred")
