"""Many to one: whole texts classified by a recurrent network, from scratch and by transfer."""

from __future__ import annotations

import random

import pytest
import torch
import tsugiki
from datasets import ClassLabel, Dataset, Features, Value
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer, train_tokenizer

TASK = task_named("text-classification")


def ordered_pairs(count: int) -> Dataset:
    """Whether "a" stands before "b": a question that only a reader of the order can answer."""
    draw = random.Random(0)
    rows = []
    for number in range(count):
        noise = [draw.choice("xyz") for _ in range(draw.randrange(3, 8))]
        first, second = sorted(draw.sample(range(len(noise)), 2))
        noise[first], noise[second] = ("a", "b") if number % 2 else ("b", "a")
        rows.append({"text": " ".join(noise), "label": number % 2})
    return Dataset.from_list(
        rows, features=Features({"text": Value("string"), "label": ClassLabel(names=["ba", "ab"])})
    )


@pytest.mark.parametrize(("pooling", "bidirectional"), [("last", False), ("mean", True), ("max", True)])
def test_the_order_of_words_is_learnt(tmp_path, pooling, bidirectional):
    data = ordered_pairs(80)
    tokenizer = learn_tokenizer(data["text"][:], kind="word")
    table = TASK.table(data, tokenizer)
    torch.manual_seed(0)
    fields = {**TASK.processor_fields(tokenizer), **TASK.config_fields(["ba", "ab"])}
    model = tsugiki.create_model(
        "recurrent", "text-classification", hidden_size=16, pooling=pooling, bidirectional=bidirectional, **fields
    )
    arguments = {
        "num_train_epochs": 10,
        "per_device_train_batch_size": 20,
        "learning_rate": 0.02,
        "save_strategy": "no",
    }
    fit(model, TrainingJob(table, tmp_path, arguments, task=TASK, progress=False))
    assert TASK.metrics(predict_table(model, table, task=TASK))["accuracy"].value > 0.95


@pytest.mark.parametrize("depth", ["head", "all"])
def test_a_classifier_is_grafted_on_other_classes(tmp_path, depth):
    data = ordered_pairs(40)
    tokenizer = learn_tokenizer(data["text"][:], kind="word")
    torch.manual_seed(0)
    fields = {**TASK.processor_fields(tokenizer), **TASK.config_fields(["good", "bad", "none"])}
    model = tsugiki.create_model("recurrent", "text-classification", hidden_size=16, pooling="mean", **fields)
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    result = tsugiki.finetune(
        str(tmp_path / "base"), data, output_dir=tmp_path / "new", depth=depth, num_train_epochs=2, progress=False
    )
    again = tsugiki.load(tmp_path / "new")
    assert type(again).__name__ == "RecurrentForSequenceClassification"
    assert again.config.id2label == {0: "ba", 1: "ab"}
    same = torch.equal(
        again.recurrent.embeddings.weight, model.recurrent.embeddings.weight.to(again.recurrent.embeddings.weight)
    )
    assert same == (depth == "head")
    assert 0 <= result.metrics["accuracy"].value <= 1


@pytest.mark.parametrize("label", ["kind", "text of it"])
def test_a_tokenizer_is_not_learnt_from_the_classes(label):
    data = Dataset.from_dict({"text": ["a b", "b a"], "class": [f"{label} one", f"{label} two"]})
    tokenizer = train_tokenizer(data, TASK.columns(data), kind="word")
    assert {"a", "b"} <= set(tokenizer.get_vocab())
    assert not {"one", "two"} & set(tokenizer.get_vocab())
    numbers = data.remove_columns("class").add_column("label", [0, 1])
    assert train_tokenizer(numbers, TASK.columns(numbers), kind="word").get_vocab() == tokenizer.get_vocab()
