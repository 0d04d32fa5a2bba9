from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import nn
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.predictions import Predictions
from tsugiki.tensor_table import TensorTable
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.dialogue.dialogue import Dialogue
from tsugiki_seq2seq.dialogue.dialogue_pipeline import DialoguePipeline
from tsugiki_seq2seq.dialogue.dialogue_tables import (
    encode_dialogues,
    split_dialogue,
    train_dialogue_tokenizer,
)
from tsugiki_seq2seq.dialogue.hred import HREDConfig, HREDForConditionalGeneration
from tsugiki_seq2seq.dialogue.vhred import VHREDConfig, VHREDForConditionalGeneration
from tsugiki_seq2seq.translation.encoder_decoder import RecurrentForConditionalGeneration, RecurrentSeq2SeqConfig

TALKS = [
    ["red or blue ?", "red", "fine , red it is"],
    ["one or two ?", "two"],
    ["red or blue ?", "blue", "fine , blue it is", "bye", "good bye"],
]
COLUMNS = {"dialog": "dialog"}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset.from_dict({"id": ["a", "b", "c"], "dialog": TALKS, "services": [["x"], ["y"], ["z"]]})


@pytest.fixture(scope="module")
def tokenizer(data):
    return train_dialogue_tokenizer(data, COLUMNS, kind="word", vocab_size=50)


def hred(tokenizer, **fields) -> HREDForConditionalGeneration:
    torch.manual_seed(0)
    config = HREDConfig(**{"hidden_size": 8, **fields}, **Dialogue().processor_fields(tokenizer))
    return HREDForConditionalGeneration(config).eval()


def vhred(tokenizer, **fields) -> VHREDForConditionalGeneration:
    torch.manual_seed(0)
    small = {"hidden_size": 8, "latent_size": 3, "latent_hidden_size": 4}
    config = VHREDConfig(**{**small, **fields}, **Dialogue().processor_fields(tokenizer))
    return VHREDForConditionalGeneration(config).eval()


def flat(tokenizer, **fields) -> RecurrentForConditionalGeneration:
    torch.manual_seed(0)
    small = {"hidden_size": 8, "attention": "none"}
    fields = {**small, **fields, **Dialogue(flat_context=1).processor_fields(tokenizer)}
    return RecurrentForConditionalGeneration(RecurrentSeq2SeqConfig(**fields)).eval()


def texts(tokenizer, rows: torch.Tensor) -> list[str]:
    return [tokenizer.decode([token for token in row if token >= 0], skip_special_tokens=True) for row in rows.tolist()]


def test_whole_dialogues_ask_for_every_utterance_but_the_first(data, tokenizer):
    batch = Dialogue().table(data, tokenizer).batch([2, 1])
    assert batch["input_ids"].shape[:2] == (2, 5)
    assert texts(tokenizer, batch["input_ids"][0]) == TALKS[2]
    assert texts(tokenizer, batch["labels"][0]) == ["", *TALKS[2][1:]]
    assert texts(tokenizer, batch["labels"][1]) == ["", "two", "", "", ""]
    assert not batch["attention_mask"][1, 2:].any()
    asked = batch["labels"] != -100
    assert torch.equal(batch["labels"][asked], batch["input_ids"][asked])
    assert (batch["labels"] == tokenizer.eos_token_id).sum() == 5  # the end of every response is guessed


@pytest.mark.parametrize(
    ("context", "sources"),
    [
        (1, ["one or two ?", "red or blue ?", "blue", "fine , blue it is", "bye"]),
        (2, ["one or two ?", "red or blue ?", "red or blue ? blue", "blue fine , blue it is", "fine , blue it is bye"]),
    ],
)
def test_flat_rows_ask_for_the_same_tokens_with_the_last_utterances_before_each(data, tokenizer, context, sources):
    task = Dialogue(flat_context=context)
    batch = task.table(data, tokenizer).batch([1, 2])
    assert texts(tokenizer, batch["input_ids"]) == sources
    assert texts(tokenizer, batch["labels"]) == ["two", *TALKS[2][1:]]
    whole = Dialogue().table(data, tokenizer).batch([1, 2])["labels"]
    assert batch["labels"][batch["labels"] >= 0].tolist() == whole[whole >= 0].tolist()


def test_flat_perplexity_is_that_of_its_responses_one_by_one(data, tokenizer):
    model, task = flat(tokenizer), Dialogue(flat_context=1)
    table = task.table(data, tokenizer)
    nats, tokens = 0.0, 0
    with torch.no_grad():
        for row in range(3):
            batch = table.batch([row])
            for response in range(len(batch["labels"])):
                one = {name: value[response : response + 1] for name, value in batch.items()}
                one["labels"] = one["labels"][:, : (one["labels"] >= 0).sum()]
                nats += model(**one).loss.item() * one["labels"].shape[1]
                tokens += one["labels"].shape[1]
    found = task.metrics(predict_table(model, table, task=task, batch_size=2))
    assert found["perplexity"].value == pytest.approx(math.exp(nats / tokens), rel=1e-5)
    assert found["perplexity"].n == tokens
    assert found["reconstruction"].value == pytest.approx(nats / 7, rel=1e-5)
    assert found["reconstruction"].n == 7


def test_perplexity_of_a_hierarchical_model_is_exp_of_its_loss(data, tokenizer):
    model, task = hred(tokenizer), Dialogue()
    table = task.table(data, tokenizer)
    found = task.metrics(predict_table(model, table, task=task, batch_size=2))
    with torch.no_grad():
        loss = model(**table.batch([0, 1, 2])).loss.item()
    assert found["perplexity"].value == pytest.approx(math.exp(loss), rel=1e-5)
    assert set(found) == {"perplexity", "reconstruction"}
    scores = task.row_scores(predict_table(model, table, task=task))
    assert scores.sum() == pytest.approx(loss * found["perplexity"].n, rel=1e-5)


def test_latent_models_are_scored_by_the_bound_and_its_parts(data, tokenizer):
    model, task = vhred(tokenizer), Dialogue()
    table = task.table(data, tokenizer)
    found = task.metrics(predict_table(model, table, task=task, batch_size=2))
    with torch.no_grad():
        out = model(**table.batch([0, 1, 2]))
    assert "perplexity" not in found
    assert found["perplexity_bound"].value == pytest.approx(math.exp(out.loss.item()), rel=1e-5)
    assert found["kl"].value == pytest.approx(out.kl.sum().item() / 7, rel=1e-5)
    assert found["reconstruction"].value == pytest.approx(out.reconstruction.sum().item() / 7, rel=1e-5)
    asked = (out.reconstruction != 0).numpy()
    means, priors = out.posterior_mean.numpy()[asked], out.prior_mean.numpy()[asked]
    assert found["active_units"].value == (means.var(0) > 0.01).sum()
    assert found["active_units_beyond_prior"].value == ((means - priors).var(0) > 0.01).sum()


def test_active_units_of_planted_posteriors_are_found():
    generator = np.random.default_rng(0)
    responses, dialogues = 50, 40
    spread = np.array([0.0, 0.05, 0.2, 1.0])  # standard deviations: variances 0, 0.0025, 0.04 and 1
    prior = 3 + np.array([0, 0, 0, 1.0]) * generator.normal(size=(dialogues, responses, 4))
    means = 3 + spread * generator.normal(size=(dialogues, responses, 4))
    means[..., 3] = prior[..., 3]  # varies as its prior does, and says nothing of the response
    distance = means - prior
    parts = [np.full((dialogues, 4), responses), *(v.sum(1) for v in (means, means**2, distance, distance**2))]
    predictions = Predictions(np.concatenate(parts, 1).astype(np.float32), np.empty((dialogues, 0), np.int64))
    found = Dialogue().metrics(predictions)
    assert found["active_units"].value == 2
    assert found["active_units_beyond_prior"].value == 1


@pytest.mark.parametrize("make", [hred, vhred, flat])
def test_training_through_the_trainer_lowers_the_loss(make, data, tokenizer, tmp_path):
    task = Dialogue(flat_context=1) if make is flat else Dialogue()
    table = task.table(data, tokenizer)
    model = make(tokenizer, hidden_size=16)
    before = task.metrics(predict_table(model, table, task=task))
    arguments = {"num_train_epochs": 12, "per_device_train_batch_size": 3, "learning_rate": 5e-2, "seed": 0}
    result = fit(model, TrainingJob(table, tmp_path, arguments, validation=table, task=task, progress=False))
    after = task.metrics(predict_table(model, table, task=task))
    name = next(iter(after))
    assert after[name].value < 0.7 * before[name].value
    assert result.history[-1]["eval_loss"] < result.history[0]["eval_loss"]


def test_predict_answers_lists_and_texts_alike_best_first(data, tokenizer):
    model, task = hred(tokenizer), Dialogue()
    model.generation_config.max_new_tokens = 5
    by_list, by_text = task.predict(model, tokenizer, [TALKS[2][:2], "red or blue ? || blue"], top_k=3)
    assert by_list == by_text
    scores = [answer["score"] for answer in by_list]
    assert len(by_list) == 3
    assert scores == sorted(scores, reverse=True)
    with torch.no_grad():
        encoded = encode_dialogues([TALKS[2][:2]], tokenizer)
        best = model.generate(**encoded, num_beams=3, max_new_tokens=5)
        logits = model(**encoded, decoder_input_ids=best[:, :-1]).logits[0].log_softmax(-1)
    steps = best[0, 1:].tolist()
    length = steps.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in steps else len(steps)
    expected = sum(logits[step, steps[step]].item() for step in range(length))
    assert any(score == pytest.approx(math.exp(expected), rel=1e-4) for score in scores)


def test_pipeline_answers_as_generate_does(tokenizer):
    model = hred(tokenizer)
    talk = DialoguePipeline(model=model, tokenizer=tokenizer, task="dialogue")
    (answer,) = talk("red or blue ? || blue", max_new_tokens=4)
    ids = model.generate(**encode_dialogues([["red or blue ?", "blue"]], tokenizer), max_new_tokens=4)
    assert answer == {"generated_text": tokenizer.decode(ids[0], skip_special_tokens=True)}
    assert talk([["red or blue ?", "blue"]], max_new_tokens=4) == [[answer]]


@pytest.mark.parametrize("make", [hred, vhred])
def test_the_pipeline_answers_batches_as_it_answers_one(make, tokenizer):
    talk = DialoguePipeline(model=make(tokenizer), tokenizer=tokenizer, task="dialogue")
    dialogues = ["red or blue ? || blue", "red", ["blue or red or blue ?", "red", "blue"]]
    options = {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 4}
    alone = [answers for one in dialogues for answers in talk([one], **options)]
    assert [len(answers) for answers in alone] == [2, 2, 2]
    for size in (2, 3):
        assert talk(dialogues, batch_size=size, **options) == alone


def test_column_is_found_by_type_and_name(data):
    assert Dialogue().columns(data) == COLUMNS
    assert Dialogue().columns(data, {"dialog": "services"}) == {"dialog": "services"}
    assert Dialogue().columns(data.select_columns(["id", "services"])) == {"dialog": "services"}
    with pytest.raises(DataError, match="no column of lists of texts"):
        Dialogue().columns(data.select_columns(["id"]))
    with pytest.raises(DataError, match=r"column 'id' holds .*, not lists of texts"):
        Dialogue().columns(data, {"dialog": "id"})
    with pytest.raises(DataError, match="no role 'text'"):
        Dialogue().columns(data, {"text": "dialog"})


@pytest.mark.parametrize(
    ("dialogue", "message"),
    [([], "row 1 .* no utterance"), (["alone"], "row 1 .* one utterance"), (None, "no utterance")],
)
def test_dialogue_without_a_response_is_refused(dialogue, message, tokenizer):
    rows = Dataset.from_dict({"dialog": [["a", "b"], dialogue]})
    with pytest.raises(DataError, match=message):
        Dialogue().table(rows, tokenizer)
    with pytest.raises(DataError, match=message):
        train_dialogue_tokenizer(rows, COLUMNS)
    with pytest.raises(DataError, match="no rows"):
        Dialogue().table(rows.select([]), tokenizer)


@pytest.mark.parametrize("dialogue", ["", "  ", "a || ", [], ["a", ""], 5, ["a", 5]])
def test_dialogue_that_cannot_be_answered_is_refused(dialogue, tokenizer):
    with pytest.raises(DataError):
        split_dialogue(dialogue)
    assert list(Dialogue().predict(SimpleNamespace(), tokenizer, [dialogue])[0][0]) == ["error"]


def test_one_utterance_is_enough_to_be_answered():
    assert split_dialogue("Hello there.") == ["Hello there."]


def test_options_out_of_range_are_refused(tokenizer):
    with pytest.raises(OptionError, match="flat_context"):
        Dialogue(flat_context=0)
    with pytest.raises(OptionError, match="top_k"):
        Dialogue().predict(nn.Linear(1, 1), tokenizer, ["a"], top_k=0)
    with pytest.raises(DataError, match="table of dialogues"):
        Dialogue().predictions(None, TensorTable({"labels": torch.zeros(1)}), batch_size=1)


def test_an_overlong_utterance_loses_its_end_and_keeps_its_end_token(tokenizer):
    rows = Dataset.from_dict({"dialog": [["red", "blue " * 100]]})
    labels = Dialogue().table(rows, tokenizer).batch([0])["labels"][0, 1]
    assert len(labels) == 64
    assert labels[-1] == tokenizer.eos_token_id
