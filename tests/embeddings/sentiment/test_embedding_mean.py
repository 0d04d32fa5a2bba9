from __future__ import annotations

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassFieldValidationError
from tsugiki.errors import DataError, OptionError
from tsugiki.testing import check_family
from tsugiki.text_table import text_table
from tsugiki.training.job import TrainingJob
from tsugiki_embeddings.sentiment.embedding_mean import EmbeddingMeanConfig, EmbeddingMeanForSequenceClassification
from tsugiki_embeddings.sentiment.sentiment_training import (
    copy_vectors,
    train_from_vectors,
    train_tokenizer_with_vectors,
)
from tsugiki_embeddings.sentiment.word_inputs import drop_words
from tsugiki_embeddings.vectors.word_vectors import WordVectors
from tsugiki_embeddings.words.word_tokenizer import word_list, word_tokenizer

FIT = {"num_train_epochs": 1, "per_device_train_batch_size": 2, "learning_rate": 0.1, "seed": 0}


def small(**fields) -> EmbeddingMeanForSequenceClassification:
    torch.manual_seed(0)
    config = {"vocab_size": 12, "hidden_size": 4, "num_labels": 2, **fields}
    return EmbeddingMeanForSequenceClassification(EmbeddingMeanConfig(**config)).eval()


def some_vectors() -> WordVectors:
    matrix = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    return WordVectors(["good", "bad", "taste", "unseen"], matrix)


def rows(texts: list[str]):
    from datasets import Dataset

    return Dataset.from_dict({"text": texts})


@pytest.mark.parametrize("layers", [(), (3, 5)])
def test_logits_are_those_of_the_mean_word_by_word(layers):
    model = small(layer_sizes=layers)
    text = [3, 7, 7, 1]
    table = model.get_input_embeddings().weight
    features = sum(table[word] for word in text) / len(text)
    for layer in model.embedding_mean.hidden_layers:
        features = torch.clamp(layer.linear.weight @ features + layer.linear.bias, min=0)
    expected = model.classifier.weight @ features + model.classifier.bias
    torch.testing.assert_close(model(torch.tensor([text])).logits[0], expected)


def test_order_of_words_counts_for_nothing():
    model = small()
    torch.testing.assert_close(model(torch.tensor([[2, 3, 4]])).logits, model(torch.tensor([[4, 2, 3]])).logits)


@pytest.mark.parametrize("before", [0, 2])
def test_padding_changes_nothing(before):
    model = small(layer_sizes=(3,))
    with torch.no_grad():
        model.get_input_embeddings().weight[0] = 7.0  # as far from 0 as a training could bring it
    text = torch.tensor([[2, 3, 4]])
    padded = torch.nn.functional.pad(text, (before, 3), value=0)
    expected = model(text).logits
    torch.testing.assert_close(model(padded).logits, expected)
    torch.testing.assert_close(model(padded, attention_mask=(padded > 0).long()).logits, expected)


def test_a_text_without_words_has_features_of_zero():
    model = small()
    assert model.embedding_mean(torch.zeros(1, 3, dtype=torch.long)).pooler_output.abs().sum() == 0


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_vectors_stay_through_training(frozen, tmp_path):
    model = small(freeze_embeddings=frozen)
    before = model.get_input_embeddings().weight.clone()
    table = text_table([[2, 3], [4], [5, 6, 7], [8]], labels=torch.tensor([0, 1, 0, 1]))
    train_from_vectors(model, TrainingJob(table, tmp_path, FIT, progress=False))
    assert torch.equal(before, model.get_input_embeddings().weight) == frozen


def test_words_that_both_know_take_their_vectors_and_others_keep_their_own(tmp_path):
    vectors = some_vectors()
    vectors.save(tmp_path / "vectors")
    tokenizer = word_tokenizer(["taste", "awful", "good"])
    model = small(vocab_size=5, freeze_embeddings=True)
    before = model.get_input_embeddings().weight.clone()
    table = text_table([[2, 3], [4, 2]], labels=torch.tensor([0, 1]))
    train_from_vectors(
        model,
        TrainingJob(
            table, tmp_path / "run", {**FIT, "vectors": str(tmp_path / "vectors")}, processor=tokenizer, progress=False
        ),
    )
    after = model.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(after[[2, 4]], vectors.matrix[[2, 0]])
    np.testing.assert_array_equal(after[[0, 1, 3]], before[[0, 1, 3]])


def test_vectors_are_scaled_to_a_mean_length_where_one_is_given():
    model, vectors = small(), some_vectors()
    assert copy_vectors(model.get_input_embeddings(), ["<pad>", "<unk>", *vectors.words], vectors, length=0.5) == 4
    lengths = model.get_input_embeddings().weight[2:6].norm(dim=1)
    assert lengths.mean().item() == pytest.approx(0.5)


def test_word_vectors_have_a_learning_rate_of_their_own(tmp_path):
    model = small()
    before = {name: one.clone() for name, one in model.named_parameters()}
    table = text_table([[2, 3], [4]], labels=torch.tensor([0, 1]))
    arguments = {**FIT, "embedding_learning_rate": 0.0, "weight_decay": 0.1}
    train_from_vectors(model, TrainingJob(table, tmp_path, arguments, progress=False))
    changed = {name for name, one in model.named_parameters() if not torch.equal(one, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_tokenizer_takes_in_the_words_of_the_vectors_after_its_own(tmp_path):
    some_vectors().save(tmp_path / "vectors")
    data = rows(["Good food", "good price"])
    options = {"min_count": 1, "vectors": str(tmp_path / "vectors")}
    tokenizer = train_tokenizer_with_vectors(data, {"text": "text"}, **options)
    assert word_list(tokenizer) == ["<pad>", "<unk>", "good", "food", "price", "bad", "taste", "unseen"]
    fewer = train_tokenizer_with_vectors(data, {"text": "text"}, max_vector_words=2, **options)
    assert word_list(fewer)[-1] == "bad"
    assert tokenizer("Unseen taste, of nobody")["input_ids"] == [7, 6, 1, 1]


def test_dropped_words_become_unknown():
    torch.manual_seed(0)
    ids = torch.full((50, 40), 9)
    dropped = drop_words(ids, 0.3, 1)
    assert set(dropped.unique().tolist()) == {1, 9}
    assert 0.25 < (dropped == 1).float().mean() < 0.35
    assert drop_words(ids, 0.0, 1) is ids


def test_errors_of_vectors_are_one_sentence(tmp_path):
    embedding, vectors = small().get_input_embeddings(), some_vectors()
    with pytest.raises(OptionError, match="4 numbers a word and the model 3"):
        copy_vectors(torch.nn.Embedding(6, 3), ["good"], vectors)
    with pytest.raises(DataError, match="know none of the model's words"):
        copy_vectors(embedding, ["<pad>", "<unk>", "gut"], vectors)
    with pytest.raises(OptionError, match="vector_length must be above 0"):
        copy_vectors(embedding, ["good"], vectors, length=0.0)
    table = text_table([[2]], labels=torch.tensor([0]))
    with pytest.raises(OptionError, match="give the model's tokenizer as processor"):
        train_from_vectors(small(), TrainingJob(table, tmp_path, {"vectors": "x"}))
    with pytest.raises(OptionError, match="name them with vectors"):
        train_from_vectors(small(), TrainingJob(table, tmp_path, {"vector_length": 1.0}))
    with pytest.raises(OptionError, match="max_vector_words"):
        train_tokenizer_with_vectors(rows(["a b"]), {"text": "text"}, max_vector_words=3)


@pytest.mark.parametrize(
    "fields",
    [{"vocab_size": 0}, {"word_dropout": 1.0}, {"dropout": -0.1}, {"layer_sizes": [0]}, {"unknown_token_id": 12}],
)
def test_config_refuses(fields):
    with pytest.raises(StrictDataclassClassValidationError, match=next(iter(fields))):
        small(**fields)


def test_config_checks_types():
    with pytest.raises(StrictDataclassFieldValidationError):
        EmbeddingMeanConfig(freeze_embeddings="yes")


def test_tokens_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"must both be \(B, L\), not \(3,\)"):
        small()(torch.tensor([2, 3, 4]))


def test_passes_the_conformance_checks():
    check_family("embeddings", "embedding-mean")
