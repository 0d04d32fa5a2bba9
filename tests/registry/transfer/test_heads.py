"""Heads: what scikit-learn found stands in the model's own classifier, and needs no scikit-learn there."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from tsugiki.errors import OptionError
from tsugiki.transfer.features import head_features
from tsugiki.transfer.graft import graft
from tsugiki.transfer.heads import KINDS, fit_head

from .. import transfer_data
from .test_stages import tiny


def blobs(classes=3, rows=40, width=6, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.tile(np.arange(classes), rows)
    centres = generator.normal(0, 2, (classes, width))
    return centres[labels] * 3 + generator.normal(0, 3, (len(labels), width)) + 5, labels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 4])
def test_written_head_gives_the_fitted_logits(kind, classes):
    table = transfer_data.table(6, classes=classes)
    names = transfer_data.NAMES[:classes]
    model = graft(tiny(), {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}})
    features = head_features(model, table)
    head = fit_head(features, table.labels, kind, num_labels=classes, hidden_size=16)
    head.write(model)
    assert model.config.classifier == ("mlp" if kind == "mlp" else "linear")
    with torch.inference_mode():
        logits = model(**table.batch(range(len(table)))).logits
    np.testing.assert_allclose(logits.numpy(), head.logits(features), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_regression_is_that_of_scikit_learn(classes):
    features, labels = blobs(classes)
    head = fit_head(features, labels, num_labels=classes, choose=False)
    mean = features.mean(0)
    variance = features.var(0)
    deviation = np.sqrt((len(features) * variance + 100 * variance.mean()) / (len(features) + 100))
    theirs = LogisticRegression(C=head.strength, tol=1e-3, max_iter=200).fit((features - mean) / deviation, labels)
    logits = head.logits(features)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities, theirs.predict_proba((features - mean) / deviation), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_svm_logits_are_scaled_decision_values(classes):
    features, labels = blobs(classes)
    head = fit_head(features, labels, "svm", num_labels=classes)
    mean, variance = features.mean(0), features.var(0)
    deviation = np.sqrt((len(features) * variance + 100 * variance.mean()) / (len(features) + 100))
    theirs = LinearSVC(C=head.strength, random_state=0, dual="auto", max_iter=2000)
    decisions = theirs.fit((features - mean) / deviation, labels).decision_function((features - mean) / deviation)
    logits = head.logits(features)
    if classes == 2:
        np.testing.assert_allclose(logits[:, 1] - logits[:, 0], decisions * head.scale, atol=1e-6)
    else:
        np.testing.assert_allclose(logits, decisions * head.scale, atol=1e-6)


def test_regularisation_is_chosen_by_cross_validation_where_rows_allow():
    features, labels = blobs(rows=30)
    assert list(fit_head(features, labels, num_labels=3).tried) == [0.1, 1.0, 10.0]
    assert fit_head(features[:6], labels[:6], num_labels=3).tried == {}


def test_constant_features_and_one_example_a_class_are_no_trouble():
    features = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    for kind in KINDS:
        head = fit_head(features, np.arange(3), kind, num_labels=3)
        assert np.isfinite(head.logits(features)).all()


def test_views_help_and_weigh_no_more_than_rows():
    features, labels = blobs(rows=5)
    plain = fit_head(features, labels, num_labels=3, choose=False)
    same = fit_head(features, labels, num_labels=3, choose=False, views=[features] * 3)
    # The common variance counts for 100 rows: with four times the rows, the deviations are a little different.
    np.testing.assert_allclose(plain.logits(features), same.logits(features), rtol=0.2, atol=0.2)


def test_unknown_head_is_refused_with_the_nearest():
    with pytest.raises(OptionError, match="Did you mean 'logistic'"):
        fit_head(np.zeros((2, 2)), np.arange(2), "logistics", num_labels=2)


def test_mlp_head_needs_a_family_with_one():
    model, table = tiny("resnet"), transfer_data.table(2, channels=3)
    head = fit_head(head_features(model, table), table.labels, "mlp", num_labels=4)
    with pytest.raises(OptionError, match="only its own head"):
        head.write(model)
    fit_head(head_features(model, table), table.labels, "svm", num_labels=4).write(model)


def test_saved_model_needs_no_scikit_learn(tmp_path):
    table, kinds, expected = transfer_data.table(4), ("svm", "mlp"), {}
    inputs = table.batch(range(len(table)))["pixel_values"]
    torch.save(inputs, tmp_path / "inputs.pt")
    for kind in kinds:
        model = tiny()
        fit_head(head_features(model, table), table.labels, kind, num_labels=4, hidden_size=8).write(model)
        model.save_pretrained(tmp_path / kind)
        with torch.inference_mode():
            expected[kind] = model(inputs).logits
    script = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import torch, tsugiki\n"
        "inputs = torch.load('inputs.pt')\n"
        f"logits = {{kind: tsugiki.load('./' + kind)(inputs).logits.detach() for kind in {kinds}}}\n"
        "torch.save(logits, 'logits.pt')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=tmp_path)
    found = torch.load(tmp_path / "logits.pt")
    for kind in kinds:
        torch.testing.assert_close(found[kind], expected[kind], rtol=0, atol=1e-6, msg=kind)
