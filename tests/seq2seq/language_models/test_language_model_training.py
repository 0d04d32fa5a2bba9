from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.registry import registry
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import TrainingJob
from tsugiki.training.resumable import PHASE
from tsugiki_seq2seq.language_models import language_model_training
from tsugiki_seq2seq.language_models.language_model_training import train_language_model
from tsugiki_seq2seq.language_models.language_modelling import TextGeneration
from tsugiki_seq2seq.language_models.parallel_streams import ParallelStreams
from tsugiki_seq2seq.language_models.token_windows import IGNORED, WINDOW, window_table
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

from . import language_model_script
from .language_model_script import OPTIONS, network, stream_table

STILL = {**OPTIONS, "learning_rate": 1e-30, "num_train_epochs": 1}


def train(folder: Path, *, fields=None, validation=None, table=None, **options):
    model = network(**(fields or {}))
    result = train_language_model(
        model,
        TrainingJob(
            stream_table() if table is None else table,
            folder,
            {**OPTIONS, **options},
            validation=validation,
            progress=False,
        ),
    )
    return model, result


def weights(model) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in model.named_parameters()}


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name, one in left.items():
        assert torch.equal(one, right[name]), name


def test_it_is_the_trainer_of_recurrent_language_models():
    assert registry().family("recurrent").trainer("text-generation") is train_language_model


@pytest.mark.parametrize("cell_type", ["rnn", "gru", "lstm", "lstm-peephole"])
def test_the_state_is_carried_from_step_to_step(tmp_path, cell_type):
    """With one stream and weights that stay, an epoch costs what one pass over the whole text costs."""
    options = {**STILL, "per_device_train_batch_size": 1, "bptt": 7}
    model, result = train(tmp_path, fields={"cell_type": cell_type}, **options)
    stream = stream_table().transform.stream.long()[None]
    with torch.no_grad():
        loss = model(stream, labels=stream).loss.item()
    assert result.history[0]["loss"] == pytest.approx(loss, rel=1e-5)
    assert result.steps == -(-400 // 7)


@pytest.mark.parametrize("rows", [3, 4, 7])
def test_parallel_streams_hold_every_token_once(tmp_path, rows):
    streams = ParallelStreams.of(stream_table(), rows, bptt=16)
    stream = stream_table().transform.stream.long()
    assert streams.targets.shape[0] == rows
    assert torch.equal(streams.targets[streams.targets != IGNORED], stream[1:])
    assert torch.equal(streams.inputs.flatten()[:400], stream[:-1])
    model, result = train(tmp_path, **{**STILL, "per_device_train_batch_size": rows})
    with torch.no_grad():
        logits = model(streams.inputs).logits
    expected = F.cross_entropy(logits.flatten(0, 1), streams.targets.flatten(), ignore_index=IGNORED).item()
    assert result.history[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_updates_are_those_of_truncated_backpropagation_written_out(tmp_path):
    """Three steps by hand: the state goes on, gradients stop where a step begins."""
    options = {"lr_scheduler_type": "constant", "warmup_steps": 0, "weight_decay": 0.1}
    model, result = train(tmp_path, num_train_epochs=0.4, **options)
    assert result.steps == 3
    expected = network()
    groups = [
        {"params": [one for one in expected.parameters() if (one.ndim > 1) == decayed], "weight_decay": decayed * 0.1}
        for decayed in (True, False)
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.02)
    stream = stream_table().transform.stream.long()
    inputs, targets = stream[:-1].view(4, 100), stream[1:].view(4, 100)
    state = None
    for start in (0, 16, 32):
        embedded = expected.recurrent.embeddings(inputs[:, start : start + 16])
        hidden, state = expected.recurrent.layers(embedded, None, state)
        state = tuple(part.detach() for part in state)
        logits = expected.lm_head(expected.projection(hidden))
        optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), targets[:, start : start + 16].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(expected.parameters(), 1.0)
        optimizer.step()
    for name, one in weights(model).items():
        torch.testing.assert_close(one, weights(expected)[name], rtol=1e-4, atol=1e-5)


def test_windows_that_were_held_out_are_not_asked_for():
    table = stream_table()
    kept = table.select([0, 2, 3])
    streams = ParallelStreams.of(kept, 1, bptt=16)
    asked = (streams.targets[0] != IGNORED).tolist()
    assert asked == [True] * WINDOW + [False] * WINDOW + [True] * (400 - 2 * WINDOW)


def test_a_regular_text_is_learnt(tmp_path):
    model, result = train(tmp_path, validation=stream_table(300, seed=1), num_train_epochs=30)
    losses = [entry["loss"] for entry in result.history]
    assert losses[0] > 1.5
    assert losses[-1] < 0.8  # ln 2 = 0.69 is what the text leaves open
    assert result.history[-1]["eval_loss"] == pytest.approx(result.history[-1]["loss"], abs=0.1)
    assert result.best_metric == min(entry["eval_loss"] for entry in result.history)
    assert not model.training
    assert (result.precision, result.processes) == ("fp32", 1)


def test_validation_loss_is_what_the_task_measures(tmp_path):
    validation = stream_table(300, seed=1)
    model, result = train(tmp_path, validation=validation)
    perplexity = TextGeneration().metrics(predict_table(model, validation, task=TextGeneration()))["perplexity"].value
    assert torch.tensor(result.history[-1]["eval_loss"]).exp().item() == pytest.approx(perplexity, rel=1e-5)


def test_patience_keeps_the_best_epoch(tmp_path, monkeypatch):
    losses = iter([3.0, 2.0, 2.5, 2.1, 1.0])
    monkeypatch.setattr(language_model_training, "validation_loss", lambda *arguments: next(losses))
    options = {"validation": stream_table(300, seed=1), "lr_scheduler_type": "constant", "warmup_steps": 0}
    model, result = train(tmp_path / "a", early_stopping_patience=2, num_train_epochs=6, **options)
    assert [entry["eval_loss"] for entry in result.history] == [3.0, 2.0, 2.5, 2.1]
    assert result.best_metric == 2.0
    best, _ = train(tmp_path / "b", num_train_epochs=2, **(options | {"validation": None}))
    assert_same(weights(model), weights(best))


@pytest.mark.parametrize("saving", [{"save_strategy": "epoch"}, {"save_strategy": "steps", "save_steps": 3}])
def test_a_run_that_was_killed_continues_with_the_same_result(tmp_path, monkeypatch, saving):
    options = {
        **saving,
        "fields": {"dropout": 0.3, "num_hidden_layers": 2},
        "validation": stream_table(300, seed=1),
        "early_stopping_patience": 5,
        "num_train_epochs": 3,
    }
    whole, expected = train(tmp_path / "whole", **{**options, "save_strategy": "no"})
    write = language_model_training.write_checkpoint

    def write_and_die(*arguments):
        write(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(language_model_training, "write_checkpoint", write_and_die)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "broken", **options)
    monkeypatch.setattr(language_model_training, "write_checkpoint", write)
    resumed, result = train(tmp_path / "broken", **options)
    assert_same(weights(whole), weights(resumed))
    assert [entry.keys() for entry in result.history] == [entry.keys() for entry in expected.history]
    for found, wanted in zip(result.history, expected.history, strict=True):
        assert found == pytest.approx(wanted, rel=1e-12)
    assert (result.steps, result.best_metric) == (expected.steps, expected.best_metric)
    again, result = train(tmp_path / "broken", **options)
    assert_same(weights(whole), weights(again))
    assert result.steps == expected.steps


def test_a_run_with_other_options_is_not_continued(tmp_path):
    train(tmp_path, save_strategy="epoch")
    with pytest.raises(OptionError, match="other options or other data; remove it"):
        train(tmp_path, save_strategy="epoch", learning_rate=0.01)
    with pytest.raises(OptionError, match="other options or other data; remove it"):
        train(tmp_path, save_strategy="epoch", table=stream_table(seed=2))


def test_bf16_learns_as_well_and_leaves_the_model_in_fp32(tmp_path):
    model, result = train(tmp_path, bf16=True, num_train_epochs=8)
    _, expected = train(tmp_path / "fp32", num_train_epochs=8)
    assert result.precision == "bf16"
    assert result.history[-1]["loss"] == pytest.approx(expected.history[-1]["loss"], abs=0.1)
    assert "forward" not in vars(model)
    assert model(torch.tensor([[1, 2]])).logits.dtype == torch.float32
    assert all(one.dtype == torch.float32 for one in model.parameters())


@pytest.mark.two_processes(job=language_model_script.train)
def test_two_processes_give_what_one_gives(made_by_two, tmp_path):
    record = json.loads((made_by_two / "result.json").read_text())
    model, one = train(tmp_path, validation=stream_table(300, seed=1))
    assert (record["processes"], one.processes) == (2, 1)
    assert record["steps"] == one.steps
    for found, wanted in zip(record["history"], one.history, strict=True):
        assert found == pytest.approx(wanted, rel=1e-5)
    for name, tensor in load_file(made_by_two / "weights.safetensors").items():
        torch.testing.assert_close(tensor, weights(model)[name], rtol=1e-4, atol=1e-5)


@pytest.fixture
def songs(tmp_path) -> Path:
    folder = tmp_path / "songs"
    folder.mkdir()
    lines = [json.dumps({"text": "la li lu " * 30, "more": "x"}) for _ in range(4)]
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "train.jsonl"


def pretrain(folder: Path, songs: Path, tokenizer, **fields):
    model = network(vocab_size=len(tokenizer))
    result = train_language_model(
        model,
        TrainingJob(
            window_table(["la li la li"] * 20, tokenizer),
            folder,
            {
                **OPTIONS,
                "save_strategy": "epoch",
                "pretrain": {"id": str(songs), "split": "train", "column": "text", "num_train_epochs": 3, **fields},
            },
            processor=tokenizer,
            progress=False,
        ),
    )
    return model, result


def test_pre_training_comes_first_and_is_not_repeated(tmp_path, songs):
    tokenizer = learn_tokenizer(["la li lu"], kind="word", vocab_size=9)
    model, result = pretrain(tmp_path / "run", songs, tokenizer)
    assert [entry["epoch"] for entry in result.history] == [1, 2, 3, 4, 5]
    assert (tmp_path / "run" / "pretrain" / PHASE).exists()
    table = window_table(["la li la li"] * 20, tokenizer)
    _, untaught = train(tmp_path / "x", fields={"vocab_size": len(tokenizer)}, table=table)
    assert result.history[3]["loss"] < untaught.history[0]["loss"]
    songs.unlink()
    again, _ = pretrain(tmp_path / "run", songs, tokenizer)
    assert_same(weights(model), weights(again))


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"fingerprint": "0"}, DataError, "pretrain says 0; it is other data"),
        ({"spilt": "train"}, OptionError, "no field 'spilt'.*Did you mean 'split'"),
        ({"split": None}, OptionError, "needs the field 'split'"),
        ({"column": "texts"}, DataError, "no column 'texts'"),
    ],
)
def test_pre_training_texts_are_checked(tmp_path, songs, fields, error, message):
    tokenizer = learn_tokenizer(["la li lu"], kind="word", vocab_size=9)
    with pytest.raises(error, match=message):
        pretrain(tmp_path / "run", songs, tokenizer, **fields)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bptts": 3}, "'bptts' is unknown.*Did you mean 'bptt'"),
        ({"gradient_accumulation_steps": 2}, "'gradient_accumulation_steps' is unknown"),
        ({"bptt": 0}, "bptt must be a whole number of at least 1, not 0"),
        ({"lr_scheduler_type": "inverse_sqrt"}, "lr_scheduler_type must be one of linear"),
        ({"early_stopping_patience": 2}, "needs validation data"),
        ({"num_train_epochs": 0}, "num_train_epochs must be above 0"),
        ({"pretrain": {"id": "x", "split": "train"}}, "give the model's tokenizer"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        train(tmp_path, **options)


def test_tables_that_hold_no_stream_are_refused(tmp_path):
    with pytest.raises(DataError, match="window_table"):
        train(tmp_path, table=TensorTable({"input_ids": torch.zeros(3, 4)}))
    with pytest.raises(DataError, match="3 tokens are too few for 4 parallel streams"):
        train(tmp_path, table=stream_table(4))


def test_a_loss_that_is_not_finite_is_an_error(tmp_path):
    model = network()
    with torch.no_grad():
        model.lm_head.bias.fill_(torch.inf)
    with pytest.raises(DataError, match="the loss is nan after 1 epochs; take a lower learning_rate"):
        train_language_model(model, TrainingJob(stream_table(), tmp_path, STILL, progress=False))
