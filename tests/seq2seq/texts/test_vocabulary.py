"""Rows for new tokens in every family that reads or writes texts, against models built with the larger vocabulary."""

from __future__ import annotations

import copy

import pytest
import torch
from tsugiki.errors import OptionError
from tsugiki.export.example_inputs import example_inputs
from tsugiki.registry import registry
from tsugiki.transfer.vocabulary import grow_rows, spelling
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

OLD = ["the lower the newer", "low new wide things", "a wider one"]
NEW = ["où est la forêt newest", "la forêt est là lowest", "où là newest lowest"]
FAMILIES = [
    ("recurrent", "text-generation", {"tie_word_embeddings": True, "hidden_size": 8}),
    ("recurrent", "text-generation", {"tie_word_embeddings": False}),
    ("recurrent", "token-classification", {}),
    ("recurrent-seq2seq", "text-translation", {}),
    ("recurrent-seq2seq", "text-translation", {"share_embeddings": False}),
    ("image-captioner", "image-captioning", {}),
    ("hred", "dialogue", {}),
    ("vhred", "dialogue", {}),
    ("marian", "text-translation", {}),
    ("marian", "text-translation", {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": None}),
    ("bert", "fill-mask", {}),
    ("gpt2", "text-generation", {}),
]


def tokenizers(kind: str = "bpe"):
    from tsugiki.transfer.tokenizer_growth import grown_tokenizer

    old = learn_tokenizer(OLD * 3, kind=kind, vocab_size=40)
    return old, grown_tokenizer(old, NEW * 3)


def built(family: str, task: str, fields, size: int, *, padded: int = 0):
    found = registry().family(family)
    given = {**found.declaration.example, **fields, "vocab_size": size + padded}
    if fields.get("decoder_vocab_size", 0) is None:
        given["decoder_vocab_size"] = given["vocab_size"]
    config_class = found.config_class()
    known = config_class()
    if any(not hasattr(known, name) for name in fields):
        pytest.skip(f"{family} has no {', '.join(fields)}")
    torch.manual_seed(1)
    model = found.model_class(task)(config_class(**given)).eval()
    with torch.no_grad():
        for tensor in [*model.parameters(), *(b for n, b in model.named_buffers() if n == "final_logits_bias")]:
            tensor.add_(0.1 * torch.randn(tensor.shape))  # zeros would hide a bias that is lost
    return model


def inputs_for(model, size: int):
    inputs = example_inputs(model)
    inputs |= {name: value % size for name, value in inputs.items() if name.endswith("input_ids") or name == "labels"}
    return (
        {**inputs, "labels": inputs["input_ids"]}
        if model.config.model_type in ("tsugiki_hred", "tsugiki_vhred")
        else inputs
    )


def answers(model, inputs):
    with torch.inference_mode():
        found = model(**inputs)
    return found.loss if found.logits is None else found.logits


@pytest.mark.parametrize("padded", [0, 5])
@pytest.mark.parametrize(("family", "task", "fields"), FAMILIES)
def test_old_rows_stay_and_new_ones_are_the_means_of_their_pieces(family, task, fields, padded):
    old, new = tokenizers()
    model = built(family, task, fields, len(old), padded=padded)
    reference = built(family, task, fields, len(new))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inputs = inputs_for(model, len(old))
    said = answers(model, inputs)
    generation = copy.deepcopy(model.generation_config) if model.can_generate() else None
    names = grow_rows(model, old=old, new=new)

    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == {
        name: tensor.shape for name, tensor in reference.state_dict().items()
    }
    assert model.config.to_dict() == {**reference.config.to_dict()}
    if generation is not None:
        assert model.generation_config.to_dict() == generation.to_dict()
    pieces = spelling(old, new)
    grown = []
    for name, tensor in model.state_dict().items():
        axes = [n for n, size in enumerate(tensor.shape) if size != before[name].shape[n]]
        if not axes:
            assert torch.equal(tensor, before[name]), name
            continue
        grown.append(name)
        rows, known = tensor.movedim(axes[0], 0), before[name].movedim(axes[0], 0)
        assert torch.equal(rows[: len(old)], known[: len(old)]), name
        for number, spelt in pieces.items():
            mean = sum(known[piece] for piece in spelt) / len(spelt)
            torch.testing.assert_close(rows[number], mean)
        assert rows.isfinite().all()
    trained = dict(model.named_parameters())
    assert names and set(names) == set(grown) & set(trained)
    for target, origin in model.all_tied_weights_keys.items():
        assert model.get_parameter(target).data_ptr() == model.get_parameter(origin).data_ptr()
    now = answers(model, inputs)
    if now.ndim:  # a loss is over more tokens than before
        kept = now if task == "token-classification" else now[..., : len(old)]
        torch.testing.assert_close(kept, said[..., : kept.shape[-1]])
    again = built(family, task, fields, len(old), padded=padded)
    grow_rows(again, old=old, new=new)
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("family", "task", "fields"), FAMILIES)
def test_an_unchanged_tokenizer_changes_no_bit(family, task, fields):
    old, _ = tokenizers()
    model = built(family, task, fields, len(old))
    inputs = inputs_for(model, len(old))
    said, state = answers(model, inputs), copy.deepcopy(model.state_dict())
    assert grow_rows(model, old=old, new=copy.deepcopy(old)) == []
    assert torch.equal(answers(model, inputs), said)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("kind", ["word", "character"])
def test_words_and_letters_that_nothing_spells_start_as_the_mean_of_all(kind):
    old, new = tokenizers(kind)
    assert spelling(old, new) == {}
    model = built("gpt2", "text-generation", {}, len(old))
    mean = model.get_input_embeddings().weight.mean(0).detach().clone()
    grow_rows(model, old=old, new=new)
    drawn = model.get_input_embeddings().weight[len(old) :]
    assert len(drawn) == len(new) - len(old) > 3
    assert (drawn - mean).abs().max() < 1e-3


def test_a_model_that_would_lose_rows_is_refused():
    """Embeddings of Marian's encoder and decoder that are not tied become one in ``resize_token_embeddings``."""
    old, new = tokenizers()
    model = built("marian", "text-translation", {"tie_word_embeddings": False}, len(old))
    with pytest.raises(OptionError, match="MarianMTModel"):
        grow_rows(model, old=old, new=new)
