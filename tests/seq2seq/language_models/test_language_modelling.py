from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from tsugiki.errors import DataError, OptionError, RecipeError
from tsugiki.evaluation.evaluate import evaluate, predict_table
from tsugiki.recipes import train_recipe as recipe_training
from tsugiki_seq2seq.language_models.language_modelling import TextGeneration, token_nats
from tsugiki_seq2seq.language_models.token_windows import CONTEXT, IGNORED, WINDOW, token_characters, window_table
from tsugiki_seq2seq.recurrent.recurrent import RecurrentConfig, RecurrentForCausalLM
from tsugiki_seq2seq.texts.special_tokens import END, UNKNOWN
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

TEXTS = ["the cat sat on the mat", "the dog sat", "", "a cat"]
LONG = [" ".join(TEXTS[0].split() * 30), *TEXTS]


@pytest.fixture(scope="module")
def words():
    return learn_tokenizer(TEXTS, kind="word", vocab_size=50)


@pytest.fixture(scope="module")
def characters():
    return learn_tokenizer(TEXTS, kind="character", vocab_size=50)


def network(vocabulary: int) -> RecurrentForCausalLM:
    torch.manual_seed(0)
    return RecurrentForCausalLM(RecurrentConfig(vocab_size=vocabulary, hidden_size=6, eos_token_id=END)).eval()


def test_rows_ask_for_every_token_once(words):
    table = window_table(LONG, words)
    stream = table.transform.stream.tolist()
    assert stream[0] == END
    assert stream.count(END) == 1 + 4  # the empty text has none
    batch = table.batch(range(len(table)))
    asked = batch["labels"][batch["labels"] != IGNORED].tolist()
    assert asked == stream[1:]
    assert len(stream) - 1 > WINDOW


def test_a_row_shows_what_stands_before_it(words):
    table = window_table(LONG, words)
    second = table.batch([1])
    stream = table.transform.stream
    assert torch.equal(second["input_ids"][0, :CONTEXT].long(), stream[1 : 1 + CONTEXT].long())
    assert (second["labels"][0, :CONTEXT] == IGNORED).all()
    first = table.batch([0])
    assert (first["input_ids"][0, : CONTEXT - 1] == END).all()  # before the beginning stands an end


def test_perplexity_and_bits_are_those_of_a_hand_computation(words):
    model = network(len(words))
    dataset = Dataset.from_dict({"text": TEXTS})
    metrics = evaluate(model, dataset, task="text-generation", processor=words, split=None)
    ids = [END] * CONTEXT
    for text in TEXTS:
        if text:
            ids += [*words.convert_tokens_to_ids(text.split()), END]
    asked = len(ids) - CONTEXT
    with torch.no_grad():
        chances = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    nats = -sum(float(chances[place - 1, ids[place]]) for place in range(CONTEXT, len(ids)))
    assert metrics["perplexity"].value == pytest.approx(math.exp(nats / asked), rel=1e-5)
    assert metrics["perplexity"].n == asked
    length = sum(len(word) + 1 for text in TEXTS for word in text.split())
    assert metrics["bits_per_character"].value == pytest.approx(nats / math.log(2) / length, rel=1e-5)


def test_batches_give_what_single_rows_give(words):
    model, table, task = network(len(words)), window_table(LONG, words), TextGeneration()
    together = predict_table(model, table, task=task).outputs
    alone = predict_table(model, table, task=task, batch_size=1).outputs
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert len(together) == len(table) > 1


def test_an_interval_holds_its_figure(words):
    task = TextGeneration()
    predictions = predict_table(network(len(words)), window_table(LONG, words), task=task)
    for metric in task.metrics(predictions).values():
        assert metric.low <= metric.value <= metric.high
    scores, tokens = task.row_scores(predictions), predictions.outputs[:, 1]
    assert (scores * tokens).sum() == pytest.approx(predictions.outputs[:, 0].sum())


def test_token_nats_are_cross_entropies(words):
    model = network(len(words))
    ids = torch.randint(0, len(words), (2, 7), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        nats = token_nats(model, ids)
        loss = model(ids, labels=ids).loss
    assert nats.shape == (2, 6)
    assert nats.mean().item() == pytest.approx(loss.item(), rel=1e-6)


def test_characters_of_a_token(characters, words):
    assert token_characters(characters).tolist()[: UNKNOWN + 1] == [0, 0, 0, 1]
    assert set(token_characters(characters).tolist()[UNKNOWN + 1 :]) == {1}
    lengths = token_characters(words)
    assert lengths[words.convert_tokens_to_ids("cat")] == 4  # and the space before it
    signs = learn_tokenizer(["Stop, she said. Stop!"], kind="word", vocab_size=50, separate_signs=True)
    lengths = token_characters(signs)
    assert lengths[signs.convert_tokens_to_ids(",")] == 1
    assert lengths[signs.convert_tokens_to_ids("said")] == 5


def test_signs_apart_are_words_of_their_own():
    text = "\u201cDon\u2019t,\u201d she said. It's half-done."
    tokenizer = learn_tokenizer([text], kind="word", vocab_size=50, lowercase=True, separate_signs=True)
    expected = ["\u201c", "don\u2019t", ",", "\u201d", "she", "said", ".", "it's", "half", "-", "done", "."]
    assert tokenizer.tokenize(text) == expected
    with pytest.raises(OptionError, match="separate_signs is for kind 'word'"):
        learn_tokenizer(["a"], kind="character", separate_signs=True)


def test_a_character_model_counts_the_characters_of_the_text(characters):
    table = window_table(TEXTS, characters)
    predictions = predict_table(network(len(characters)), table, task=TextGeneration())
    assert predictions.outputs[:, 2].sum() == sum(map(len, TEXTS))
    assert predictions.outputs[:, 1].sum() == sum(map(len, TEXTS)) + 3  # each text's end


def test_likely_next_tokens(words):
    model = network(len(words))
    answers = TextGeneration().predict(model, words, ["the cat", ""], top_k=3)
    assert [len(answer) for answer in answers] == [3, 3]
    scores = [entry["score"] for entry in answers[0]]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(OptionError, match="top_k"):
        TextGeneration().predict(model, words, ["the"], top_k=0)


def test_predict_never_answers_what_generation_never_writes(words):
    model = network(len(words))
    first, second = TextGeneration().predict(model, words, ["the cat"], top_k=2)[0]
    model.generation_config.suppress_tokens = words.convert_tokens_to_ids([first["label"]])
    assert TextGeneration().predict(model, words, ["the cat"], top_k=1)[0][0]["label"] == second["label"]


def test_texts_without_a_token_are_refused(words):
    with pytest.raises(DataError, match="no token"):
        window_table(["", ""], words)


def test_a_recipe_that_starts_from_a_model_learns_no_tokenizer(tmp_path):
    (tmp_path / "mine.csv").write_text("text\n" + "\n".join(TEXTS[:2]) + "\n")
    (tmp_path / "recipe.yaml").write_text(
        "{name: mine, plugin: seq2seq, family: recurrent, task: text-generation, license: cc0-1.0, "
        "base_model: melody-rnn, processor: {kind: word}, training: {num_train_epochs: 1, bptt: 4}, "
        f"data: {{id: {tmp_path}/mine.csv, train: train, evaluation: train, license: cc0-1.0}}}}"
    )
    with pytest.raises(RecipeError, match="the base model melody-rnn brings its processor; leave out processor"):
        recipe_training.train(tmp_path, output_dir=tmp_path / "out", progress=False)
