"""The poems, with a few of them: `benchmarks/poem_memory.py` and the recipe take all hundred."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import pytest
from tsugiki.data.load_data import load_split
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.recipes.recipe import Recipe
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer
from tsugiki_seq2seq.translation.encoder_decoder import RecurrentForConditionalGeneration, RecurrentSeq2SeqConfig
from tsugiki_seq2seq.translation.translation import TextTranslation

REPO = Path(__file__).parents[3]
POEMS = 4
needs_poems = pytest.mark.data("tsugiki/hyakunin_isshu")


@pytest.fixture(scope="module")
def poems():
    data = load_split("tsugiki/hyakunin_isshu", "train").select(range(POEMS))
    tokenizer = learn_tokenizer(data["upper"][:] + data["lower"][:], kind="character", bleu_tokenize="char")
    return data, tokenizer, TextTranslation().table(data, tokenizer, {"source": "upper", "target": "lower"})


def test_the_recipe_measures_what_it_trained_on():
    recipe = Recipe.read(REPO / "hub_cards" / "waka-seq2seq")
    assert recipe.data.evaluation == recipe.data.train
    assert recipe.target["exact_match"] >= 0.95
    assert recipe.processor["bleu_tokenize"] == "char"


@needs_poems
def test_poems_are_learnt_by_heart(poems, tmp_path):
    data, tokenizer, table = poems
    import torch

    torch.manual_seed(0)
    model = RecurrentForConditionalGeneration(
        RecurrentSeq2SeqConfig(vocab_size=len(tokenizer), hidden_size=64, embedding_size=32)
    )
    model.generation_config.max_new_tokens = 30
    task = TextTranslation()
    arguments = {
        "num_train_epochs": 40,
        "per_device_train_batch_size": POEMS,
        "learning_rate": 0.02,
        "save_strategy": "no",
    }
    fit(model, TrainingJob(table, tmp_path, arguments, task=task, progress=False))
    metrics = task.metrics(predict_table(model, table, task=task))
    assert metrics["exact_match"].value == 1
    assert metrics["bleu"].value == pytest.approx(100)
    (answer,) = task.predict(model, tokenizer, [data[0]["upper"]], top_k=1)
    assert answer[0]["label"] == data[0]["lower"]


@needs_poems
def test_the_benchmark_counts_epochs(poems):
    _, tokenizer, table = poems
    spec = importlib.util.spec_from_file_location("poem_memory", REPO / "benchmarks" / "poem_memory.py")
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    options = argparse.Namespace(
        hidden=48, embedding=24, dropout=0.0, learning_rate=0.02, epochs=50, batch=POEMS, wanted=2
    )
    for attention in ("bahdanau", "none"):
        curve, parameters, _ = benchmark.learn_poems(attention, 0, table, len(tokenizer), options)
        assert [epoch for epoch, _ in curve] == list(range(2, 2 * len(curve) + 1, 2))
        assert curve[-1][1] >= 2
        assert all(known < 2 for _, known in curve[:-1])
        assert parameters > 0
