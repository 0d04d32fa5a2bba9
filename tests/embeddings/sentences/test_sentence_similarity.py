from __future__ import annotations

import numpy as np
import pytest
import torch
import tsugiki
from datasets import Dataset
from scipy.stats import spearmanr
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki_embeddings.sentences.sentence_bert import SentenceBertConfig, SentenceBertModel
from tsugiki_embeddings.sentences.text_vectors import nearest_texts, text_vectors, vectors_of
from tsugiki_embeddings.vectors.nearest_rows import unit_length

WORDS = ["[PAD]", "[UNK]", "a", "cat", "dog", "sat", "ran", "house", "tree", "blue"]
DATA = Dataset.from_dict(
    {
        "sentence1": ["a cat sat", "a dog ran", "blue house", "tree"],
        "sentence2": ["a cat ran", "blue", "a blue house", "a dog sat"],
        "score": [0.8, 0.1, 0.9, 0.2],
    }
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small model with random weights, its tokenizer, and the folder of both."""
    torch.manual_seed(0)
    config = SentenceBertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    words = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]")
    model = SentenceBertModel(config).eval()
    folder = tmp_path_factory.mktemp("small")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer, folder


def test_cosines_are_those_of_single_texts(small):
    model, tokenizer, _ = small
    task = task_named("sentence-similarity")
    predictions = predict_table(model, task.table(DATA, tokenizer), task=task)
    pairs = list(zip(DATA["sentence1"], DATA["sentence2"], strict=True))
    with torch.inference_mode():
        alone = [[model(**tokenizer(text, return_tensors="pt")).pooler_output[0] for text in pair] for pair in pairs]
    expected = [float(torch.cosine_similarity(first, second, dim=0)) for first, second in alone]
    np.testing.assert_allclose(predictions.outputs[:, 0], expected, atol=1e-6)
    assert task.metrics(predictions)["spearman"].value == pytest.approx(spearmanr(expected, DATA["score"]).statistic)
    answers = task.predict(model, tokenizer, pairs)
    assert [answer[0]["label"] for answer in answers] == DATA["sentence2"][:]
    np.testing.assert_allclose([answer[0]["score"] for answer in answers], expected, atol=1e-6)


def test_columns_of_pairs_of_words_are_found_too(small):
    data = DATA.rename_columns({"sentence1": "word1", "sentence2": "word2"})
    task = task_named("sentence-similarity")
    assert task.columns(data) == {"sentence1": "word1", "sentence2": "word2", "score": "score"}
    assert task.table_inputs(data)[0] == ["a cat sat", "a cat ran"]
    with pytest.raises(DataError, match="score"):
        task.columns(data.remove_columns("score"))


@pytest.mark.parametrize("given", ["one text", ("a", ""), ("a", "b", "c"), ("a", 3)])
def test_what_is_no_pair_has_its_reason(small, given):
    model, tokenizer, _ = small
    [[answer]] = task_named("sentence-similarity").predict(model, tokenizer, [given])
    assert "error" in answer


def test_vectors_do_not_depend_on_the_order_of_the_texts(small):
    model, tokenizer, folder = small
    texts = [" ".join(WORDS[2 : 3 + row % 7]) for row in range(100)]
    found = text_vectors(folder, texts)
    np.testing.assert_allclose(found[::-1], vectors_of(model, tokenizer, texts[::-1]), atol=1e-6)


def test_the_nearest_texts_are_those_of_all_cosines(small):
    *_, folder = small
    texts = DATA["sentence1"][:] + DATA["sentence2"][:]
    [found] = nearest_texts(folder, ["a blue dog"], texts, top_k=3)
    vectors = unit_length(text_vectors(folder, ["a blue dog", *texts]))
    cosines = vectors[1:] @ vectors[0]
    assert [row for row, _ in found] == np.argsort(-cosines)[:3].tolist()
    np.testing.assert_allclose([score for _, score in found], np.sort(cosines)[::-1][:3], atol=1e-6)
    with pytest.raises(OptionError, match="top_k"):
        nearest_texts(folder, ["a"], texts, top_k=0)


def test_a_model_without_a_vector_for_a_text_is_refused():
    with pytest.raises(OptionError, match="lenet5-mnist is a LeNetModel, which reads no text"):
        text_vectors("lenet5-mnist", ["a"])


def test_the_folder_answers_through_the_task(small):
    *_, folder = small
    assert tsugiki.evaluate(folder, DATA, task="sentence-similarity")["spearman"].n == 4
