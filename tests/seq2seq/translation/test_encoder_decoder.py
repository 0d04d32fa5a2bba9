from __future__ import annotations

import itertools

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch.nn import functional as F
from transformers import AutoModelForSeq2SeqLM
from tsugiki.snapshots.loading import create_model, load
from tsugiki.testing.conformance import check_family
from tsugiki_seq2seq.recurrent.recurrent_layers import CELL_TYPES
from tsugiki_seq2seq.texts.generating import log_probabilities
from tsugiki_seq2seq.translation.attention import ATTENTION_TYPES
from tsugiki_seq2seq.translation.encoder_decoder import RecurrentForConditionalGeneration, RecurrentSeq2SeqConfig

from ...registry.random_pairs import TOKENS, check_smoothed_loss

VOCABULARY = 11
START, END = 1, 2
LUONG = [kind for kind in ATTENTION_TYPES if kind.startswith("luong")]
KINDS = [
    *({"attention": kind, "cell_type": cell} for kind in ATTENTION_TYPES for cell in ("gru", "lstm")),
    *({"attention": "bahdanau", "cell_type": cell} for cell in ("rnn", "lstm-peephole")),
    *({"attention": kind, "cell_type": "lstm", "input_feeding": True} for kind in LUONG),
    {"attention": "bahdanau", "encoder_layers": 2, "decoder_layers": 2},
]
NAMES = ["-".join(map(str, kind.values())) for kind in KINDS]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=NAMES)
SOURCES = [[3, 4, 5, 6, 7], [8, 9], [10]]


def small(seed: int = 0, **fields) -> RecurrentForConditionalGeneration:
    torch.manual_seed(seed)
    config = {"vocab_size": VOCABULARY, "hidden_size": 6, "embedding_size": 5, "initializer_range": 1.5, **fields}
    return RecurrentForConditionalGeneration(RecurrentSeq2SeqConfig(**config)).eval()


def padded(rows: list[list[int]], value: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([row + [value] * (width - len(row)) for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])


def targets(length: int = 6) -> torch.Tensor:
    return torch.randint(3, VOCABULARY, (3, length), generator=torch.Generator().manual_seed(5))


@every_kind
def test_cached_is_uncached(kind):
    model, (ids, mask) = small(**kind), padded(SOURCES)
    whole = model(input_ids=ids, attention_mask=mask, decoder_input_ids=targets(), output_attentions=True)
    encoded = model.encoder(ids, mask)
    state, logits, weights = None, [], []
    for chunk in targets().split([2, 1, 3], dim=1):
        output = model(
            encoder_outputs=encoded,
            attention_mask=mask,
            decoder_input_ids=chunk,
            past_key_values=state,
            use_cache=True,
            output_attentions=True,
        )
        state = output.past_key_values
        logits.append(output.logits)
        weights += [] if output.cross_attentions is None else [output.cross_attentions[0]]
    torch.testing.assert_close(torch.cat(logits, 1), whole.logits, atol=1e-5, rtol=0)
    assert (whole.cross_attentions is None) == (kind["attention"] == "none") == (not weights)
    if weights:
        torch.testing.assert_close(torch.cat(weights, 2), whole.cross_attentions[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(whole.cross_attentions[0].sum(-1), torch.ones(3, 1, 6))


@every_kind
def test_padding_and_neighbours_change_no_output_and_no_loss(kind):
    model, (ids, mask) = small(**kind), padded(SOURCES)
    rows = [[3, 4, END], [5, 6, 7, 8, END], [9, END]]
    labels = padded(rows, value=-100)[0]
    together = model(input_ids=ids, attention_mask=mask, labels=labels)
    losses = []
    for row, source in enumerate(SOURCES):
        alone = model(input_ids=torch.tensor([source]), labels=torch.tensor([rows[row]]))
        length = len(rows[row])
        torch.testing.assert_close(together.logits[row, :length], alone.logits[0], atol=1e-5, rtol=0)
        losses.append(alone.loss * length)
    torch.testing.assert_close(together.loss, sum(losses) / sum(map(len, rows)), atol=1e-5, rtol=0)
    turned, turned_mask = ids.flip(1), mask.flip(1)  # padding to the left, the tokens in the other order
    left = torch.tensor([[0] * (5 - len(source)) + source for source in SOURCES])
    same = model(input_ids=left, attention_mask=turned_mask, labels=labels)
    torch.testing.assert_close(same.logits, together.logits, atol=1e-5, rtol=0)
    assert not torch.equal(left[0], turned[0])


@pytest.mark.parametrize("options", [{}, {"num_beams": 4, "length_penalty": 0.6}], ids=["greedy", "beam"])
@every_kind
def test_searches_do_not_depend_on_cache_padding_or_neighbours(kind, options):
    model, (ids, mask) = small(**kind), padded(SOURCES)
    options = {**options, "max_new_tokens": 7, "do_sample": False}
    together = model.generate(input_ids=ids, attention_mask=mask, **options)
    uncached = model.generate(input_ids=ids, attention_mask=mask, use_cache=False, **options)
    assert torch.equal(together, uncached)
    for row, source in enumerate(SOURCES):
        alone = model.generate(input_ids=torch.tensor([source]), **options)[0]
        assert torch.equal(together[row, : len(alone)], alone)
        # Behind an end stands padding, or the end again: a beam search takes a pad_token_id of 0 for none.
        assert torch.isin(together[row, len(alone) :], torch.tensor([0, END])).all()


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2], KINDS[-2]], ids=["none", "bahdanau", "input feeding"])
def test_samples_follow_torchs_seed(kind):
    model, (ids, mask) = small(**kind), padded(SOURCES)

    def draw(**options) -> torch.Tensor:
        torch.manual_seed(3)
        return model.generate(input_ids=ids, attention_mask=mask, do_sample=True, max_new_tokens=6, **options)

    assert torch.equal(draw(), draw()) and torch.equal(draw(), draw(use_cache=False))
    assert not torch.equal(draw(), model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=6))


def all_texts(length: int) -> list[tuple[int, ...]]:
    """Every target of a vocabulary of 4 tokens that ends within so many tokens, or is cut there."""
    inner = [token for token in range(4) if token != END]
    texts = [(*text, END) for size in range(length) for text in itertools.product(inner, repeat=size)]
    return texts + list(itertools.product(inner, repeat=length))


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("kind", [KINDS[0], KINDS[3], KINDS[-2]], ids=["none", "bahdanau", "input feeding"])
def test_a_beam_that_is_wide_enough_is_an_exhaustive_search(kind, penalty):
    """At most 3^3 texts of 3 tokens are unended at a time, so that 27 beams forget none; `early_stopping="never"` ends
    only where no unended text can win any more."""
    length = 4
    for seed in range(3):
        model = small(seed, **{**kind, "vocab_size": 4})
        texts = all_texts(length)
        rows = torch.tensor([[START, *text, *[0] * (length - len(text))] for text in texts])
        ids = torch.tensor([[3, 1, 3]])
        with torch.no_grad():
            scores = log_probabilities(model, rows, input_ids=ids.expand(len(rows), -1))
        scores = scores / torch.tensor([len(text) for text in texts]) ** penalty
        best = int(scores.argmax())
        out = model.generate(
            input_ids=ids,
            num_beams=27,
            length_penalty=penalty,
            early_stopping="never",
            max_new_tokens=length,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
        )
        assert out.sequences_scores.item() == pytest.approx(scores[best].item(), abs=1e-5)
        assert out.sequences[0, 1 : 1 + len(texts[best])].tolist() == list(texts[best])


def test_probabilities_of_all_texts_sum_to_one():
    model = small(vocab_size=4)
    texts = all_texts(3)
    rows = torch.tensor([[START, *text, *[0] * (3 - len(text))] for text in texts])
    with torch.no_grad():
        scores = log_probabilities(model, rows, input_ids=torch.tensor([[3, 1]]).expand(len(rows), -1))
    assert scores.exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_weights_come_back_from_disk_tied_as_they_were(tmp_path, shared, tied):
    model = small(share_embeddings=shared, tie_word_embeddings=tied)
    source, target = model.encoder.embeddings.weight, model.decoder.embeddings.weight
    assert (source is target, model.lm_head.weight is target) == (shared, tied)
    model.save_pretrained(tmp_path)
    ids = padded(SOURCES)[0]
    expected = model(input_ids=ids, decoder_input_ids=targets()).logits
    for loaded in (load(tmp_path), AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()):
        pair = loaded.encoder.embeddings.weight, loaded.decoder.embeddings.weight
        assert (pair[0] is pair[1], loaded.lm_head.weight is pair[1]) == (shared, tied)
        assert torch.equal(loaded(input_ids=ids, decoder_input_ids=targets()).logits, expected)


def test_input_feeding_shows_each_step_what_the_last_one_saw():
    """Luong, Pham and Manning 2015, section 3.3, written out: h~ joins the next step's input."""
    model = small(attention="luong-general", cell_type="gru", input_feeding=True)
    ids, given = torch.tensor([SOURCES[0]]), targets()[:1]
    decoder = model.decoder
    source = model.encoder(ids).last_hidden_state
    mask = torch.ones(1, 5).bool()
    hidden, fed = decoder.begin(source, mask)[0], torch.zeros(1, 1, 5)
    logits = []
    for step in range(given.shape[1]):
        seen = torch.cat([decoder.embeddings(given[:, step : step + 1]), fed], -1)
        output, (hidden,) = decoder.layers(seen, None, (hidden,))
        weights = (output @ decoder.attention.keys(source).transpose(1, 2)).softmax(-1)
        fed = torch.tanh(decoder.readout(torch.cat([output, weights @ source], -1)))
        logits.append(model.lm_head(fed))
    result = model(input_ids=ids, decoder_input_ids=given).logits
    torch.testing.assert_close(result, torch.cat(logits, 1), atol=1e-5, rtol=0)


def test_the_loss_smooths_labels_in_training_alone():
    model, ids = small(label_smoothing=0.2), padded(SOURCES)[0]
    labels = targets()
    logits = model(input_ids=ids, labels=labels).logits.flatten(0, 1)
    plain = F.cross_entropy(logits, labels.flatten())
    torch.testing.assert_close(model(input_ids=ids, labels=labels).loss, plain)
    uniform = -logits.log_softmax(-1).mean()
    torch.testing.assert_close(model.train()(input_ids=ids, labels=labels).loss, 0.8 * plain + 0.2 * uniform)


def test_an_empty_source_gives_finite_outputs():
    model = small()
    out = model(input_ids=torch.zeros(1, 3).long(), attention_mask=torch.zeros(1, 3).long(), labels=targets()[:1])
    assert torch.isfinite(out.logits).all() and torch.isfinite(out.loss)


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match="give input_ids or encoder_outputs"):
        small()(decoder_input_ids=targets())
    with pytest.raises(ValueError, match="give decoder_input_ids or labels"):
        small()(input_ids=targets())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 5}, "must be even"),
        ({"input_feeding": True}, "Luong's attention, not with 'bahdanau'"),
        ({"vocab_size": 0}, "at least 1"),
        ({"decoder_start_token_id": None}, "must be tokens"),
        ({"attention": "dot"}, "attention"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        RecurrentSeq2SeqConfig(**fields)


@pytest.mark.parametrize("family", ["recurrent-seq2seq", "marian"])
def test_passes_the_conformance_checks(family):
    check_family("seq2seq", family)


def test_every_cell_type_is_tried():
    assert {kind.get("cell_type", "gru") for kind in KINDS} == set(CELL_TYPES)
    assert {kind["attention"] for kind in KINDS} == set(ATTENTION_TYPES)


@pytest.mark.parametrize("attention", ["none", "bahdanau"])
def test_dropped_words_lose_their_whole_embedding_on_both_sides(attention):
    model = small(attention=attention, word_dropout=0.5)
    (ids, mask), seen = padded(SOURCES), []
    for part in (model.encoder, model.decoder):
        part.word_dropout.register_forward_hook(lambda module, given, out: seen.append((given[0], out)))
    model(input_ids=ids, attention_mask=mask, decoder_input_ids=targets())
    assert all(torch.equal(given, out) for given, out in seen)  # nothing is dropped but in training
    seen.clear()
    model.train()(input_ids=ids, attention_mask=mask, decoder_input_ids=targets())
    for given, out in seen:
        dropped = (out == 0).all(2)
        assert 0 < dropped.sum() < dropped.numel()
        torch.testing.assert_close(out[~dropped], 2 * given[~dropped])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_loss_is_the_published_formula(smoothing, tmp_path):
    torch.manual_seed(0)
    model = create_model("recurrent-seq2seq", "text-translation", hidden_size=8, initializer_range=0.5, **TOKENS)
    check_smoothed_loss(model, smoothing, tmp_path)
