from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable
from tsugiki.text_table import text_table
from tsugiki.training.job import TrainingJob
from tsugiki_embeddings.scdv.scdv import SCDVConfig, SCDVForSequenceClassification
from tsugiki_embeddings.scdv.scdv_training import fit_svm, train_scdv
from tsugiki_embeddings.scdv.scdv_vectorizer import SCDVVectorizer
from tsugiki_embeddings.words.word_tokenizer import train_word_tokenizer

from .scdv_by_hand import LABELS, TEXTS

OPTIONS = {"word_vectors": {"epochs": 2, "window": 5}, "C": [0.5, 1.0], "folds": 2, "seed": 0}


def table_of(labels: list[int] = LABELS, texts: list[str] = TEXTS) -> tuple[TensorTable, int]:
    tokenizer = train_word_tokenizer(TEXTS, min_count=1)
    return text_table(tokenizer(texts)["input_ids"], labels=torch.tensor(labels)), len(tokenizer)


def fresh(vocab_size: int, num_labels: int = 2, **fields) -> SCDVForSequenceClassification:
    config = SCDVConfig(vocab_size=vocab_size, hidden_size=8, num_clusters=3, num_labels=num_labels, **fields)
    return SCDVForSequenceClassification(config)


def trained(tmp_path, **options) -> SCDVForSequenceClassification:
    table, vocab_size = table_of()
    model = fresh(vocab_size)
    train_scdv(model, TrainingJob(table, tmp_path, {**OPTIONS, **options}, progress=False))
    return model


def random_features(rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.arange(rows) % 3
    return generator.normal(size=(rows, 12)) + np.eye(12)[labels] * 1.5, labels


def test_trained_model_tells_two_topics_apart(tmp_path):
    table, _ = table_of()
    model = trained(tmp_path)
    predictions = predict_table(model, table)
    assert (predictions.outputs.argmax(1) == predictions.labels).all()
    assert model.scdv.threshold > 0
    assert not model.scdv.word_vectors.weight[:2].any()


def test_logits_are_those_of_scikit_learns_svm_on_the_sparse_vectors(tmp_path):
    table, _ = table_of()
    model = trained(tmp_path, C=0.5, folds=50)  # more folds than rows of a class: nothing to choose, nothing scaled
    features = SCDVVectorizer.from_model(model, train_word_tokenizer(TEXTS, min_count=1)).transform(TEXTS)
    svm = LinearSVC(C=0.5, random_state=0).fit(features, LABELS)
    logits = predict_table(model, table).outputs
    np.testing.assert_allclose(logits[:, 1], svm.decision_function(features), atol=1e-5)
    np.testing.assert_allclose(logits[:, 0], -logits[:, 1], atol=1e-6)


def test_is_reproducible_by_seed_and_continues_a_killed_run(tmp_path):
    first, again = trained(tmp_path / "one"), trained(tmp_path / "two")
    continued = trained(tmp_path / "one")  # the word vectors are there
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
        assert torch.equal(weight, continued.state_dict()[name])
    other = trained(tmp_path / "three", seed=1)
    assert not torch.equal(other.scdv.word_vectors.weight, first.scdv.word_vectors.weight)


def test_strength_is_the_best_of_cross_validation():
    from scipy.sparse import csr_array
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    features, labels = random_features()
    sparse = csr_array(features)
    found = fit_svm(sparse, labels, strengths=(1e-5, 0.01, 1.0), folds=3, seed=0)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    expected = {
        one: cross_val_score(make_pipeline(LinearSVC(C=one, random_state=0)), sparse, labels, cv=folds).mean()
        for one in (1e-5, 0.01, 1.0)
    }
    assert found.scores == pytest.approx(expected)
    assert found.strength == max(expected, key=expected.get)
    svm = LinearSVC(C=found.strength, random_state=0).fit(sparse, labels)
    np.testing.assert_allclose(found.weight / found.scale, svm.coef_, atol=1e-10)


def test_scale_makes_the_softmax_as_sure_as_it_is_right():
    from scipy.sparse import csr_array
    from scipy.special import softmax

    features, labels = random_features(300)
    found = fit_svm(csr_array(features[:150]), labels[:150], strengths=(0.01,), folds=3)
    sure = softmax(features[150:] @ found.weight.T + found.bias, axis=1)
    right = (sure.argmax(1) == labels[150:]).mean()
    assert abs(sure.max(1).mean() - right) < 0.1
    assert found.scale > 1


def test_validation_rows_are_measured_and_change_nothing(tmp_path):
    from tsugiki.tasks.text_classification import TextClassification

    table, vocab_size = table_of()
    task: Task = TextClassification()
    model = fresh(vocab_size)
    result = train_scdv(
        model,
        TrainingJob(table, tmp_path / "with", OPTIONS, validation=table.select([0, 2]), task=task, progress=False),
    )
    assert result.best_metric == 1.0
    without = trained(tmp_path / "without")
    assert torch.equal(model.classifier.weight, without.classifier.weight)


def test_a_class_without_rows_is_one_sentence(tmp_path):
    table, vocab_size = table_of()
    model = fresh(vocab_size, num_labels=3)
    with pytest.raises(DataError, match="has no training rows"):
        train_scdv(model, TrainingJob(table, tmp_path, OPTIONS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.1}, "'learning_rate' is unknown to this family"),
        ({"C": []}, "C must be above 0"),
        ({"C": 0}, "C must be above 0"),
        ({"folds": 1}, "folds must be a whole number of at least 2"),
        ({"sparsity": 4}, "such as 0.04 for 4 %"),
        ({"word_vectors": {"windw": 3}}, "windw"),
    ],
)
def test_options_are_checked(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        trained(tmp_path, **options)


def test_an_mlp_takes_no_svm(tmp_path):
    table, vocab_size = table_of()
    with pytest.raises(OptionError, match="leave out classifier='mlp'"):
        train_scdv(fresh(vocab_size, classifier="mlp"), TrainingJob(table, tmp_path, OPTIONS))


def test_rows_of_one_group_stay_in_one_fold():
    """Twins in two folds would tell the answer of noise; kept together, held-out accuracy is that of guessing."""
    from scipy.sparse import csr_array

    generator = np.random.default_rng(0)
    once, labels = generator.standard_normal((120, 200)), np.arange(120) % 2
    twins, both = csr_array(np.repeat(once, 2, axis=0)), np.repeat(labels, 2)
    apart = fit_svm(twins, both, strengths=(1.0,), folds=3).scores[1.0]
    together = fit_svm(twins, both, strengths=(1.0,), folds=3, groups=np.arange(240) // 2).scores[1.0]
    assert apart > 0.8
    assert together < 0.65
