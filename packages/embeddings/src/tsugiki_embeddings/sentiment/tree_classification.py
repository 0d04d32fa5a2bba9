"""The task of tree classification: a parse tree, each phrase of which belongs to one of several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.answers import Answers
from tsugiki.columns import (
    ColumnKind,
    check_roles,
    is_text,
    kind_of,
    listed,
    named_column,
    read_column,
    refuse_shared_columns,
    the_only_one,
)
from tsugiki.errors import DataError
from tsugiki.inputs import TEXTS, InputKind
from tsugiki.labelled_task import LabelledTask
from tsugiki.metrics import Metric, share_metric
from tsugiki.predictions import Predictions
from tsugiki.task import CountedTask, Picture
from tsugiki.tasks.classification import likeliest_classes
from tsugiki.tasks.text_classification import tokenizer_fields
from tsugiki.tensor_table import TensorTable

from .parse_trees import IGNORED, ParseTree, parse_tree, read_tree, sentence_of, tree_columns

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

TREE_COLUMNS = ("tree", "trees", "parse")
TREE_COLUMN = ColumnKind("parse trees", f"strings, named {listed(TREE_COLUMNS)}", "strings", is_text)
TREE_PATTERN = "[^ ]+"  # the leaves of a tree are its words already


class TreeClassification(LabelledTask, CountedTask):
    """Tell to which class each phrase of a parsed sentence belongs; the classes are in an order, as of ratings.

    Columns have the roles `tree` (strings such as ``(3 (2 It) (4 works))``, classes by their numbers) and, by choice,
    `label` (a `ClassLabel` of the sentence, from which the classes have their names). A row counts as right where its
    root does.
    """

    name: ClassVar[str] = "tree-classification"
    inputs: ClassVar[InputKind] = TEXTS
    main_metric: ClassVar[str] = "accuracy_root"
    pipeline_tag: ClassVar[str | None] = "text-classification"

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Find the columns, or check the ones that the user named.

        Args:
            dataset: The data.
            given: Columns by role.

        Returns:
            The column of the role `tree`, and of `label` where a column of that name holds named classes.

        Raises:
            DataError: A column is missing or of the wrong type.
        """
        from datasets import ClassLabel

        given, roles = dict(given or {}), ("tree", "label")
        check_roles(given, roles, task=self.name)
        for role, column in given.items():
            given[role] = named_column(dataset, column)
        if "tree" not in given:
            found = [name for name in TREE_COLUMNS if name in TREE_COLUMN.columns(dataset)]
            given["tree"] = the_only_one(found[:1], f"of parse trees ({TREE_COLUMN.types})", "tree", dataset)
        TREE_COLUMN.check(dataset, "tree", given["tree"])
        if "label" not in given and isinstance(dataset.features.get("label"), ClassLabel):
            given["label"] = "label"
        if "label" in given and not isinstance(dataset.features[given["label"]], ClassLabel):
            raise DataError(
                f"label column {given['label']!r} holds {kind_of(dataset.features[given['label']])}, not a ClassLabel, "
                "from which the classes of the trees have their names; leave it out"
            )
        refuse_shared_columns(given)
        return {role: given[role] for role in roles if role in given}

    def table_inputs(self, dataset: Dataset, columns: Mapping[str, str] | None = None) -> list[Any]:
        """The trees of a table, or where it has none, its sentences."""
        if "tree" in (columns or {}) or set(TREE_COLUMNS) & set(TREE_COLUMN.columns(dataset)):
            return read_column(dataset, self.columns(dataset, columns)["tree"])
        return super().table_inputs(dataset, columns)

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """The names of the `ClassLabel`; without one, the numbers from 0 to the greatest in any tree."""
        if "label" in columns:
            return list(dataset.features[columns["label"]].names)
        return [str(number) for number in range(max(max(tree.labels) for tree in read_trees(dataset, columns)) + 1)]

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """`vocab_size` and `pad_token_id`."""
        return tokenizer_fields(processor)

    def model_inputs(self, processor: Any, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """`input_ids`, `left` and `right` (N, M) of trees in either notation, or of plain sentences.

        A sentence without brackets is taken for a tree that branches to the right.
        """
        columns = tree_columns([read_tree(text) for text in inputs], _numbers(processor), pad_token_id=_pad(processor))
        return {name: columns[name] for name in ("input_ids", "left", "right")}

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Read every tree once; the tokenizer must split at spaces alone.

        Returns:
            `input_ids`, `left`, `right` and `labels`, int64 (N, M), as `parse_trees.tree_columns` makes them.

        Raises:
            DataError: A tree is broken or missing, a class is none of the model's, or the trees and the label column
                contradict each other.
        """
        trees = read_trees(dataset, columns)
        names = list(label_names)
        table = tree_columns(trees, _numbers(processor), pad_token_id=_pad(processor))
        if (greatest := int(table["labels"].max())) >= len(names):
            raise DataError(f"a tree has the class {greatest}, and the model tells apart {listed(names)}, from 0 on")
        if "label" in columns:
            own = list(dataset.features[columns["label"]].names)
            if own != names:
                raise DataError(f"the data's classes are {listed(own)}, and the model tells apart {listed(names)}")
            roots = torch.tensor(list(dataset.with_format(None)[columns["label"]]))
            if (wrong := (roots != table["labels"][:, 0]).nonzero()).numel():
                row = int(wrong[0])
                raise DataError(
                    f"row {row} has the label {int(roots[row])} and a tree whose root says "
                    f"{int(table['labels'][row, 0])}; correct one of them"
                )
        return TensorTable(table)

    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Whether the class of the root is right (N,)."""
        return predictions.outputs[:, 0].argmax(axis=1) == predictions.labels[:, 0]

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """Shares of right answers with 95 % intervals.

        Returns:
            `accuracy_root`: of all sentences, among all classes. `accuracy_binary`: of the sentences that are not
            neutral, on which side of neutral they lie; the probabilities of each side's classes are added up. It is
            left out where there is no such sentence. `accuracy_phrases`: of all nodes that have a label, leaves
            included.
        """
        metrics = {"accuracy_root": share_metric(self.correct(predictions))}
        positive, known = binary_truth(predictions.labels[:, 0], predictions.outputs.shape[2])
        if known.any():
            right = binary_answers(predictions.outputs[:, 0]) == positive
            metrics["accuracy_binary"] = share_metric(right[known])
        labelled = predictions.labels != IGNORED  # (N, M)
        right = ((predictions.outputs.argmax(axis=2) == predictions.labels) & labelled).sum(1)
        metrics["accuracy_phrases"] = share_metric(right, labelled.sum(1), seed=seed)
        return metrics

    def figures(
        self, predictions: Predictions, table: TensorTable, folder: Path, *, label_names: Sequence[str] = ()
    ) -> list[Picture]:
        """Draw the confusion matrix of the roots."""
        from tsugiki.tasks.confusion_matrix import draw_confusion_matrix

        roots = Predictions(predictions.outputs[:, 0], predictions.labels[:, 0])
        return [draw_confusion_matrix(roots, label_names, folder, inputs_called="sentences")]

    def outputs(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """The logits of all nodes (B, M, C)."""
        return model(**{name: batch[name] for name in ("input_ids", "left", "right")}).logits

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Classify sentences by the roots of their trees.

        Args:
            inputs: Trees in either notation of `parse_trees`, or plain sentences of words between spaces.

        Returns:
            For each its likeliest classes, best first, as `{"label": name, "score": probability}`.

        Raises:
            DataError: A tree is broken.
        """
        batch = self.model_inputs(processor, inputs)
        return likeliest_classes(model, batch, top_k=top_k, read=lambda output: output.logits[:, 0])


def binary_truth(labels: NDArray[np.int64], classes: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether ordered classes lie in the upper half (N,), and whether they lie in either half: the middle one doesn't.

    Args:
        labels: From 0 to `classes` - 1 (N,).
        classes: Their number.
    """
    doubled = 2 * labels - (classes - 1)
    return doubled > 0, doubled != 0


def binary_answers(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether the classes of the upper half together are likelier than those of the lower, (N,) of logits (N, C)."""
    likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
    half = logits.shape[1] // 2
    return likelihood[:, -half:].sum(1) > likelihood[:, :half].sum(1)


def read_trees(dataset: Dataset, columns: Mapping[str, str]) -> list[ParseTree]:
    """The labelled trees of a data set.

    Raises:
        DataError: There are no rows, or a tree is missing or broken; names the row.
    """
    trees = []
    for row, text in enumerate(dataset.with_format(None)[columns["tree"]]):
        try:
            trees.append(parse_tree(text or ""))
        except DataError as error:
            raise DataError(f"row {row} of column {columns['tree']!r}: {error}") from error
    if not trees:
        raise DataError("the data has no rows")
    return trees


def train_tree_tokenizer(dataset: Dataset, columns: Mapping[str, str], **options: Any) -> PreTrainedTokenizerFast:
    """Learn the vocabulary from the leaves of training trees; the ``processor_trainer`` of families of trees.

    Args:
        dataset: The training rows.
        columns: Columns by role.
        **options: As `sentiment_training.train_tokenizer_with_vectors` takes them; words are parted by spaces alone.
    """
    from datasets import Dataset as Rows

    from .sentiment_training import train_tokenizer_with_vectors

    sentences = Rows.from_dict({"text": [tree.sentence for tree in read_trees(dataset, columns)]})
    return train_tokenizer_with_vectors(sentences, {"text": "text"}, **{"pattern": TREE_PATTERN, **options})


def _numbers(processor: Any) -> Any:
    """Gives the numbers of a sentence's words."""
    return lambda words: processor(sentence_of(words), return_attention_mask=False)["input_ids"]


def _pad(processor: Any) -> int:
    return processor.pad_token_id or 0
