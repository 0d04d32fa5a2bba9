from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki_embeddings.training.neural_lm import NeuralLMConfig, NeuralLMForWordPrediction
from tsugiki_embeddings.training.word_prediction import IGNORED, MARGIN, WINDOW, WordPrediction, word_windows
from tsugiki_embeddings.words.word_tokenizer import word_tokenizer

TASK = WordPrediction()


def network(vocabulary: int = 12, context: str = "around_4") -> NeuralLMForWordPrediction:
    torch.manual_seed(0)
    config = NeuralLMConfig(vocab_size=vocabulary, hidden_size=4, intermediate_size=6, context=context)
    return NeuralLMForWordPrediction(config).eval()


def random_texts(seed: int = 0) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(1, 12, length).tolist() for length in (3, 150, 0, 64, 1, 40)]


def test_every_word_is_asked_for_once_and_in_order():
    texts = random_texts()
    table = word_windows(texts)
    batch = table.batch(range(len(table)))
    asked = batch["labels"] != IGNORED
    assert batch["labels"][asked].tolist() == [word for text in texts for word in text]
    assert torch.equal(batch["input_ids"][asked], batch["labels"][asked])
    assert batch["input_ids"].shape[1] == MARGIN + WINDOW + MARGIN


@pytest.mark.parametrize("context", ["last_4", "around_4", "nearest_1"])
def test_perplexity_is_that_of_each_text_alone(context):
    model, texts = network(context=context), random_texts()
    nats, words = 0.0, 0
    with torch.no_grad():
        for text in texts:
            if text:
                ids = torch.tensor([text])
                nats += float(model(ids, labels=ids).loss) * len(text)
                words += len(text)
    metric = TASK.metrics(predict_table(model, word_windows(texts), batch_size=2, task=TASK))["perplexity"]
    assert metric.value == pytest.approx(math.exp(nats / words), rel=1e-5)
    assert metric.low < metric.value < metric.high
    assert metric.n == words


def test_row_scores_add_up_to_the_logarithm():
    predictions = predict_table(network(), word_windows(random_texts()), task=TASK)
    metric, words = TASK.metrics(predictions)["perplexity"], (predictions.labels != IGNORED).sum(1)
    assert np.average(TASK.row_scores(predictions), weights=words) == pytest.approx(math.log(metric.value))


def test_table_is_made_of_the_tokenizers_words():
    tokenizer = word_tokenizer(["one", "two"])
    table = TASK.table(Dataset.from_dict({"text": ["One two three", "", "two"]}), tokenizer)
    labels = table.batch(range(len(table)))["labels"]
    assert labels[labels != IGNORED].tolist() == [2, 3, 1, 3]
    assert TASK.processor_fields(tokenizer) == {"vocab_size": 4, "pad_token_id": 0}


def test_a_missing_text_is_named():
    with pytest.raises(DataError, match="has no text in column 'text', the first is row 1"):
        TASK.table(Dataset.from_dict({"text": ["one", None]}), word_tokenizer(["one"]))


def test_column_of_texts_is_found_or_asked_for():
    assert TASK.columns(Dataset.from_dict({"text": ["a"], "title": ["b"]})) == {"text": "text"}
    assert TASK.columns(Dataset.from_dict({"poem": ["a"], "year": [1]})) == {"text": "poem"}
    several = Dataset.from_dict({"poem": ["a"], "title": ["b"], "year": [1]})
    assert TASK.columns(several, {"text": "poem"}) == {"text": "poem"}
    with pytest.raises(DataError, match="several columns of texts"):
        TASK.columns(several)
    with pytest.raises(DataError, match="column 'year' holds int64, not texts"):
        TASK.columns(several, {"text": "year"})
    with pytest.raises(DataError, match=r"no role 'txt'.*Did you mean 'text'"):
        TASK.columns(several, {"txt": "poem"})


def test_texts_without_a_word_are_refused():
    with pytest.raises(DataError, match="hold no word"):
        TASK.table(Dataset.from_dict({"text": ["", "..."]}), word_tokenizer(["one"]))


def test_a_missing_word_is_filled_in():
    tokenizer = word_tokenizer(["one", "two", "three"])
    model = network(len(tokenizer))
    [answer] = TASK.predict(model, tokenizer, ["one <unk> three"], top_k=3)
    with torch.no_grad():
        chances = model(torch.tensor([[2, 1, 4]])).logits[0, 1].softmax(-1)
    assert [entry["score"] for entry in answer] == pytest.approx(chances.topk(3).values.tolist())
    assert answer[0]["label"] == tokenizer.convert_ids_to_tokens(int(chances.argmax()))
    [refused], again = TASK.predict(model, tokenizer, ["one two", "one <unk> three"], top_k=3)
    assert refused == {"error": "the text must have one <unk> where a word is wanted: 'one two'"}
    assert again == answer
    with pytest.raises(OptionError, match="top_k"):
        TASK.predict(model, tokenizer, ["<unk>"], top_k=0)
