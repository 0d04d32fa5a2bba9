"""The task of text classification: one text, one of several classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ..class_labels import refuse_labels_as_texts
from ..columns import TEXT_COLUMN, TEXT_COLUMNS, ColumnKind, read_texts
from ..errors import DataError
from ..inputs import TEXTS, InputKind
from ..tensor_table import TensorTable
from ..text_table import text_table
from .classification import Classification

if TYPE_CHECKING:
    from datasets import Dataset

NO_WORD = "there is no word in the text that the model reads"


class TextClassification(Classification):
    """Tell to which class a text belongs; scored by accuracy.

    Columns have the roles `text` (a column of strings) and `label` (a `ClassLabel`, or a column of strings or integers
    with one of the usual names). The processor is the model's tokenizer.
    """

    name: ClassVar[str] = "text-classification"
    inputs: ClassVar[InputKind] = TEXTS
    input_role: ClassVar[str] = "text"
    input_kind: ClassVar[ColumnKind] = TEXT_COLUMN
    usual_columns: ClassVar[tuple[str, ...]] = TEXT_COLUMNS
    inputs_called: ClassVar[str] = "texts"
    refined_pipeline_class = "tsugiki.tasks.text_classification_pipeline:WordsClassificationPipeline"

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """`vocab_size` and `pad_token_id`."""
        return tokenizer_fields(processor)

    def model_inputs(self, processor: Any, inputs: Sequence[Any]) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask`, (N, L).

        Raises:
            DataError: A text holds nothing that the tokenizer reads, such as one without letters.
        """
        if not all(tokenize(processor, inputs)):
            raise DataError(NO_WORD)
        encoded = processor(list(inputs), padding=True, truncation=True, return_tensors="pt")
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}

    def read_rows(
        self, dataset: Dataset, processor: Any, columns: Mapping[str, str], label_names: Sequence[str] = ()
    ) -> TensorTable:
        """Tokenise every text once.

        Returns:
            Rows of `input_ids` and `attention_mask`, padded a batch at a time, and `labels` int64 (N,).

        Raises:
            DataError: A text is missing, a label is missing or unknown to the model, or every text is its own label.
        """
        labels = self.labels(dataset, columns, label_names)
        texts = read_texts(dataset, columns["text"])
        refuse_labels_as_texts(dataset, columns["label"], texts)
        return text_table(tokenize(processor, texts), pad_token_id=processor.pad_token_id or 0, labels=labels)


def tokenize(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token numbers of each text, cut to the tokenizer's own limit where it has one, without padding."""
    return tokenizer(list(texts), padding=False, truncation=True, return_attention_mask=False)["input_ids"]


def tokenizer_fields(tokenizer: Any) -> dict[str, Any]:
    """Config fields that follow from a tokenizer: the size of its vocabulary and the number that fills rows up."""
    return {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
