"""Filling in masked tokens: the draw of the masks, the figures, and the answers."""

from __future__ import annotations

import math

import datasets
import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, pipeline
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki_seq2seq.language_models.masked_language_modelling import FillMask
from tsugiki_seq2seq.language_models.masked_windows import LENGTH, masked_table
from tsugiki_seq2seq.texts.special_tokens import MASK_TOKEN
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

SENTENCE = "the cat sat on a mat while dogs ran over hills and birds flew home to sleep in old trees by some river"
WORDS = SENTENCE.split()


def texts(number: int = 150, seed: int = 0) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(3, 40))) for _ in range(number)]


@pytest.fixture(scope="module")
def tokenizer():
    return learn_tokenizer(texts(), kind="word", mask_token=True)


@pytest.fixture(scope="module")
def table(tokenizer):
    return masked_table(texts(), tokenizer)


def network(tokenizer) -> BertForMaskedLM:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=LENGTH,
        initializer_range=0.5,
        pad_token_id=tokenizer.pad_token_id,
    )
    return BertForMaskedLM(config).eval()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_mask_stands_for_a_word_with_the_space_before_it(kind, tmp_path):
    learnt = learn_tokenizer(texts(), kind=kind, vocab_size=60, mask_token=True)
    learnt.save_pretrained(tmp_path)
    loaded = type(learnt).from_pretrained(tmp_path)
    for tokens in (learnt, loaded):
        assert tokens.mask_token_id == 4 and len(tokens) <= 60
        assert tokens.convert_tokens_to_ids(["<pad>", "<s>", "</s>", "<unk>"]) == [0, 1, 2, 3]
        ids = tokens("the <mask> sat")["input_ids"]
        assert [4 if number == 4 else 0 for number in ids].count(4) == 1
        place = ids.index(4)
        assert ids[:place] == tokens("the")["input_ids"]
        assert ids[place + 1 :] == tokens("sat")["input_ids"]
    assert MASK_TOKEN.lstrip


def test_the_published_shares_are_drawn(table, tokenizer):
    asked = masked = kept = ordinary = 0
    for epoch in range(15):
        table.epoch = epoch
        batch, plain = table.batch(range(len(table))), _plain(table)
        chosen = batch["labels"] != -100
        assert torch.equal(batch["labels"][chosen], plain[chosen])
        assert torch.equal(batch["input_ids"][~chosen], plain[~chosen])
        asked += int(chosen.sum())
        masked += int((batch["input_ids"][chosen] == tokenizer.mask_token_id).sum())
        kept += int((batch["input_ids"][chosen] == plain[chosen]).sum())
        ordinary += int((plain > tokenizer.mask_token_id).sum())
        assert (batch["labels"][chosen] > tokenizer.mask_token_id).all()  # no special token is asked for
        rows = (plain > tokenizer.mask_token_id).sum(1)
        expected = (rows * 0.15).round().clamp(min=1).minimum(rows)
        assert torch.equal(chosen.sum(1), expected.to(chosen.sum(1).dtype))
    table.epoch = 0
    assert asked / ordinary == pytest.approx(0.15, abs=0.005)
    assert masked / asked == pytest.approx(0.8, abs=4 * math.sqrt(0.8 * 0.2 / asked))
    by_chance = 0.1 / (len(tokenizer) - 5)  # a token replaced by itself
    assert kept / asked == pytest.approx(0.1 + by_chance, abs=4 * math.sqrt(0.1 * 0.9 / asked))


def _plain(table) -> torch.Tensor:
    """The windows without masks, cut by hand."""
    stream = table.transform.stream.long()
    padded = torch.nn.functional.pad(stream, (0, -len(stream) % LENGTH), value=table.transform.pad_token_id)
    return padded.view(-1, LENGTH)


def test_training_masks_depend_on_seed_epoch_and_row_alone(table):
    train = table.with_augmentation(table.augmentation, seed=3)
    first = train.batch([0, 1, 2, 3])
    again = train.select([3, 1]).batch([0, 1])
    for name, value in again.items():
        assert torch.equal(value, first[name][[3, 1]]), name
    train.epoch = 1
    assert not torch.equal(train.batch([0, 1, 2, 3])["labels"], first["labels"])
    other = table.with_augmentation(table.augmentation, seed=4)
    assert not torch.equal(other.batch([0, 1, 2, 3])["labels"], first["labels"])


def test_evaluation_masks_are_always_the_same(table):
    def labels(rows, epoch):
        rows.epoch = epoch
        return torch.cat([batch["labels"] for batch in rows.batches(3)])

    whole = labels(table, 0)
    assert torch.equal(labels(table.with_augmentation(table.augmentation, seed=9), 5), whole)
    assert torch.equal(labels(table.select([4, 2]), 0), whole[[4, 2]])
    assert torch.equal(table.with_augmentation(None).batch([4, 2])["labels"], whole[[4, 2]])


def test_figures_are_those_of_single_predictions(table, tokenizer):
    model, task = network(tokenizer), FillMask()
    nats, right = [], []
    for batch in table.batches(1):
        with torch.inference_mode():
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[0]
        for place in (batch["labels"][0] != -100).nonzero().flatten().tolist():
            token = int(batch["labels"][0, place])
            nats.append(-float(logits[place].log_softmax(0)[token]))
            right.append(int(logits[place].argmax()) == token)
    found = task.metrics(predict_table(model, table, task=task))
    assert found["masked_perplexity"].value == pytest.approx(math.exp(np.mean(nats)), rel=1e-4)
    assert found["accuracy"].value == pytest.approx(np.mean(right), abs=1e-9)
    assert found["accuracy"].n == len(nats)
    assert found["masked_perplexity"].low < found["masked_perplexity"].value < found["masked_perplexity"].high


def test_padding_behind_the_last_text_changes_nothing(tokenizer):
    short = masked_table(["the cat sat on a mat"], tokenizer)
    batch = next(short.batches(1))
    assert batch["attention_mask"].sum() == 7  # six words and the end
    model = network(tokenizer)
    with torch.inference_mode():
        padded = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :7]
        alone = model(input_ids=batch["input_ids"][:, :7]).logits
    torch.testing.assert_close(padded, alone, rtol=1e-5, atol=1e-5)


def test_answers_are_those_of_transformers_own_pipeline(tokenizer):
    model = network(tokenizer)
    inputs = ["the cat <mask> on a mat", "<mask> ran over hills"]
    found = FillMask().predict(model, tokenizer, inputs, top_k=3)
    expected = pipeline("fill-mask", model=model, tokenizer=tokenizer, device="cpu")(inputs, top_k=3)
    for one, other in zip(found, expected, strict=True):
        assert [answer["label"] for answer in one] == [answer["token_str"] for answer in other]
        assert [answer["score"] for answer in one] == pytest.approx([answer["score"] for answer in other], rel=1e-5)


def test_what_cannot_be_asked_is_refused(tokenizer):
    model, task = network(tokenizer), FillMask()
    refused = {
        "the cat": "with 0",
        "<mask> cat <mask>": "with 2",
        "<mask>" + " cat" * LENGTH: "the model reads 128 at most",
    }
    *found, answers = task.predict(model, tokenizer, [*refused, "the <mask>"], top_k=1)
    for (answer,), message in zip(found, refused.values(), strict=True):
        assert message in answer["error"]
    assert answers == task.predict(model, tokenizer, ["the <mask>"], top_k=1)[0]
    with pytest.raises(OptionError, match="top_k"):
        task.predict(model, tokenizer, ["the <mask>"], top_k=0)
    data = datasets.Dataset.from_dict({"text": texts(3)})
    with pytest.raises(DataError, match="mask_token: true"):
        task.table(data, learn_tokenizer(texts(), kind="word"))
    with pytest.raises(DataError, match="no token"):
        task.table(datasets.Dataset.from_dict({"text": [""]}), tokenizer)
    assert len(task.table(data, tokenizer)) == 1
