"""What all classification tasks share: columns, class names, accuracy and answers.

A task of pictures, recordings, clips or texts says which columns it can read, how it decodes them, and how it hands
single inputs to a model; everything about classes is here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..answers import Answers
from ..class_labels import class_names, class_numbers, find_label_column
from ..columns import ColumnKind, Role, check_roles, find_column, read_column, refuse_shared_columns
from ..eval_mode import eval_mode
from ..labelled_task import LabelledTask
from ..metrics import Metric, share_metric
from ..predictions import Predictions
from ..task import CountedTask, Picture
from ..tensor_table import TensorTable

if TYPE_CHECKING:
    from datasets import Dataset


class Classification(LabelledTask, CountedTask):
    """Tell to which of several classes an input belongs; scored by accuracy. Fine-tuning sets new heads on its models.

    Columns have the role that `input_role` names and `label` (a `ClassLabel`, or a column of strings or integers with
    one of the names in `tsugiki.columns.LABEL_COLUMNS`).

    Attributes:
        input_role: The role of the column that is classified.
        input_kind: What that column holds.
        usual_columns: Names that are taken first where several columns hold that.
        inputs_called: What captions call its rows.
    """

    main_metric: ClassVar[str] = "accuracy"
    input_role: ClassVar[str]
    input_kind: ClassVar[ColumnKind]
    usual_columns: ClassVar[tuple[str, ...]] = ()
    inputs_called: ClassVar[str]

    @abstractmethod
    def model_inputs(self, processor: Any, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """Prepare single inputs for a forward pass, in the processor's float32.

        Raises:
            DataError: The model cannot read one of them.
        """

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """The columns of the roles `input_role` and `label`; see `Task.columns`."""
        check_roles(given, (self.input_role, "label"), task=self.name)
        label = find_label_column(dataset, (given or {}).get("label"))
        needed = Role(self.input_kind, self.usual_columns)
        found = {self.input_role: find_column(dataset, self.input_role, needed, given, taken=(label,)), "label": label}
        refuse_shared_columns(found)
        return found

    def label_names(self, dataset: Dataset, columns: Mapping[str, str]) -> list[str]:
        """Name the classes of training data.

        Args:
            dataset: The training data.
            columns: Columns by role, as `columns` returns them.

        Returns:
            The names of a `ClassLabel` in its order; strings sorted by the alphabet and integers by size otherwise.

        Raises:
            DataError: A row has no label, a class has no rows, or there are fewer than two classes.
        """
        return class_names(dataset, columns["label"])

    def labels(self, dataset: Dataset, columns: Mapping[str, str], label_names: Sequence[str]) -> Tensor:
        """The numbers of the rows' classes among `label_names`, int64 (N,).

        Raises:
            DataError: A label is missing or unknown to the model.
        """
        return torch.from_numpy(class_numbers(dataset, columns["label"], label_names))

    def correct(self, predictions: Predictions) -> NDArray[np.bool_]:
        """Whether the class with the highest logit is the labelled one (N,)."""
        return predictions.outputs.argmax(axis=1) == predictions.labels

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`accuracy`: the share of right answers, with Wilson's 95 % interval."""
        return {"accuracy": share_metric(self.correct(predictions))}

    def guess(self, predictions: Predictions) -> float | None:
        """The share of the commonest class."""
        return float(np.bincount(predictions.labels).max() / len(predictions.labels))

    def figures(
        self, predictions: Predictions, table: TensorTable, folder: Path, *, label_names: Sequence[str] = ()
    ) -> list[Picture]:
        """Draw the confusion matrix."""
        from .confusion_matrix import draw_confusion_matrix

        return [draw_confusion_matrix(predictions, label_names, folder, inputs_called=self.inputs_called)]

    def table_inputs(self, dataset: Dataset, columns: Mapping[str, str] | None = None) -> list[Any]:
        """The column that is classified, of a table with or without labels."""
        check_roles(columns, (self.input_role, "label"), task=self.name)
        taken = [column for role, column in (columns or {}).items() if role == "label"]
        needed = Role(self.input_kind, self.usual_columns)
        return read_column(dataset, find_column(dataset, self.input_role, needed, columns, taken=taken))

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """Classify single inputs.

        Args:
            inputs: What the processor takes, such as Pillow images.

        Returns:
            For each input its likeliest classes, best first, as `{"label": name, "score": probability}`.

        Raises:
            DataError: `model_inputs` refuses one.
        """
        return likeliest_classes(model, self.model_inputs(processor, inputs), top_k=top_k)


def likeliest_classes(
    model: Any,
    inputs: Mapping[str, Tensor],
    *,
    top_k: int,
    read: Callable[[Any], Tensor] = attrgetter("logits"),
) -> list[Answers]:
    """Classify a batch, in eval mode.

    Args:
        model: A network with the names of its classes in `config.id2label`.
        inputs: Of the network, first dimension B.
        top_k: Classes to return for each, at most.
        read: Reads the logits (B, C) off the network's output.

    Returns:
        For each input its likeliest classes, best first, as `{"label": name, "score": probability}`.
    """
    with eval_mode(model), torch.inference_mode():
        logits = read(model(**_placed(inputs, model))).float()
    scores, labels = logits.softmax(dim=-1).topk(min(top_k, logits.shape[-1]))
    return [
        [{"label": model.config.id2label[label], "score": score} for score, label in zip(*row, strict=True)]
        for row in zip(scores.tolist(), labels.tolist(), strict=True)
    ]


def _placed(batch: Mapping[str, Tensor], model: Any) -> dict[str, Tensor]:
    """Inputs where the model is, floating-point ones in its number format."""
    dtype = model.dtype
    return {name: value.to(model.device, dtype if value.is_floating_point() else None) for name, value in batch.items()}
