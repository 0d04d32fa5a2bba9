from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from tsugiki.errors import DataError
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.predictions import Predictions
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_embeddings.sentiment.rntn import RNTNConfig, RNTNForTreeClassification
from tsugiki_embeddings.sentiment.tree_classification import (
    TreeClassification,
    binary_answers,
    binary_truth,
    train_tree_tokenizer,
)

NAMES = ["very negative", "negative", "neutral", "positive", "very positive"]
TREES = [
    "(3 (2 It) (3 (2 really) (3 works)))",
    "(1 (2 It) (1 fails))",
    "(2 fine)",
    "(4 (3 works) (4 (2 really) (3 (3 works) (2 .))))",
]
TASK = TreeClassification()


def data(trees: list[str] = TREES, labels: list[int] | None = None) -> Dataset:
    labels = [int(tree[1]) for tree in trees] if labels is None else labels
    features = Features({"tree": Value("string"), "label": ClassLabel(names=NAMES)})
    return Dataset.from_dict({"tree": trees, "label": labels}, features=features)


def tokenizer(rows: Dataset | None = None):
    return train_tree_tokenizer(rows or data(), {"tree": "tree"}, min_count=1)


def test_columns_and_classes_are_found():
    assert TASK.columns(data()) == {"tree": "tree", "label": "label"}
    assert TASK.label_names(data(), {"tree": "tree", "label": "label"}) == NAMES
    bare = data().remove_columns("label")
    assert TASK.columns(bare) == {"tree": "tree"}
    assert TASK.label_names(bare, {"tree": "tree"}) == ["0", "1", "2", "3", "4"]
    assert isinstance(task_named("tree-classification"), TreeClassification)


def test_words_are_the_leaves_and_nothing_else():
    processor = tokenizer()
    assert len(processor) == 2 + 6  # it really works fails fine .
    table = TASK.table(data(), processor)
    assert len(table) == 4
    words = processor.convert_ids_to_tokens(table.columns["input_ids"][0].tolist())
    assert words == ["<pad>", "it", "<pad>", "really", "works", "<pad>", "<pad>"]
    assert table.labels[1].tolist() == [1, 2, 1, -100, -100, -100, -100]


def predictions() -> Predictions:
    """Roots right, wrong by one side, neutral, wrong; 9 of 12 other nodes right."""
    generator = np.random.default_rng(0)
    labels = np.array([[4, 2, 2, -100], [1, 0, 3, 2], [2, 2, 1, 1], [0, 1, -100, -100]])
    logits = generator.normal(0, 0.01, (4, 4, 5)).astype(np.float32)
    said = np.array([[4, 2, 0, 0], [0, 0, 3, 2], [2, 2, 1, 0], [3, 1, 0, 0]])
    np.put_along_axis(logits, said[:, :, None], 5.0, axis=2)
    return Predictions(logits, labels)


def test_figures_are_counts_of_right_nodes():
    found = TASK.metrics(predictions())
    assert found["accuracy_root"].value == 2 / 4
    assert (found["accuracy_binary"].value, found["accuracy_binary"].n) == (2 / 3, 3)  # the neutral one is left out
    assert found["accuracy_phrases"].n == 13
    assert found["accuracy_phrases"].value == pytest.approx(9 / 13)
    assert TASK.correct(predictions()).tolist() == [True, False, True, False]
    for metric in found.values():
        assert metric.low <= metric.value <= metric.high


def test_sides_are_told_by_the_sum_of_their_classes():
    logits = np.log(np.array([[0.3, 0.0001, 0.0, 0.2, 0.25], [0.3, 0.3, 0.3, 0.1, 0.1]]) + 1e-9)
    assert binary_answers(logits.astype(np.float32)).tolist() == [True, False]
    positive, known = binary_truth(np.arange(5), 5)
    assert positive.tolist() == [False, False, False, True, True]
    assert known.tolist() == [True, True, False, True, True]
    assert binary_truth(np.arange(2), 2)[1].all()


def model(processor) -> RNTNForTreeClassification:
    torch.manual_seed(0)
    fields = {**TASK.processor_fields(processor), **TASK.config_fields(NAMES)}
    return RNTNForTreeClassification(RNTNConfig(hidden_size=6, **fields)).eval()


def test_a_network_learns_the_trees_and_answers_by_their_roots(tmp_path):
    processor = tokenizer()
    table, network = TASK.table(data(), processor), model(tokenizer())
    arguments = {"num_train_epochs": 60, "per_device_train_batch_size": 4, "learning_rate": 0.03, "seed": 0}
    fit(network, TrainingJob(table, tmp_path, arguments, progress=False))
    found = TASK.metrics(predict_table(network, table, batch_size=3, task=TASK))
    assert found["accuracy_phrases"].value == 1.0
    answers = TASK.predict(network, processor, [TREES[1], "(it fails)", "it fails"], top_k=2)
    for answer in answers:
        assert [one["label"] for one in answer] == [one["label"] for one in answers[0]]
        assert answer[0]["label"] == "negative"
        assert answer[0]["score"] == pytest.approx(answers[0][0]["score"], abs=1e-5)


def test_a_broken_tree_is_named_and_the_others_are_answered():
    network, processor = model(tokenizer()), tokenizer()
    [broken], whole = TASK.predict(network, processor, ["((it) fails", "(it fails)"], top_k=2)
    assert "never closed" in broken["error"]
    assert whole == TASK.predict(network, processor, ["(it fails)"], top_k=2)[0]


def test_picture_shows_the_roots(tmp_path):
    pictures = TASK.figures(predictions(), TASK.table(data(), tokenizer()), tmp_path, label_names=NAMES)
    assert [(tmp_path / picture.file).is_file() for picture in pictures] == [True]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (data(["(3 (2 It) (4 works)"], [3]), "row 0 of column 'tree': 1 '\\(' is never closed"),
        (data(["(2 fine)", ""], [2, 2]), "row 1 of column 'tree': a tree is empty"),
        (data(["(7 fine)"], [2]), "a tree has the class 7"),
        (data(["(3 fine)"], [2]), "row 0 has the label 2 and a tree whose root says 3"),
        (Dataset.from_dict({"text": ["fine"]}), "no column of parse trees"),
        (Dataset.from_dict({"tree": [1]}), "no column of parse trees"),
    ],
)
def test_bad_data_is_one_sentence(rows, message):
    with pytest.raises(DataError, match=message):
        TASK.table(rows, tokenizer(data()))


def test_a_tokenizer_that_parts_words_is_refused():
    processor = train_tree_tokenizer(data(), {"tree": "tree"}, min_count=1, pattern=r"\p{L}+")
    with pytest.raises(DataError, match="tree 3 has 4 words and the tokenizer makes 3"):
        TASK.table(data(), processor)
