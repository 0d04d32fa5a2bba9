"""The task of image captioning: a sentence for a picture, judged by several that people wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tsugiki.adaptation import Adaptation
from tsugiki.answers import Answers
from tsugiki.errors import DataError
from tsugiki.images import Normalize, decode_image_column
from tsugiki.inputs import PICTURES, InputKind
from tsugiki.metrics import Metric, mean_metric, score_metric
from tsugiki.predictions import Predictions
from tsugiki.progress import track
from tsugiki.task import Task
from tsugiki.tensor_table import TensorTable
from tsugiki.transfer.vocabulary import adapted_vocabulary

from ..texts.generating import best_texts, length_limit, log_probabilities
from ..texts.special_tokens import special_token_fields
from .caption_columns import IMAGE, caption_lists, find_columns
from .caption_pairs import pair_table
from .caption_scores import ORDER, CiderD, bleu_counts, bleu_of, plain_caption
from .captioned_pictures import PICTURE, CaptionedPictures, captioned

if TYPE_CHECKING:
    from datasets import Dataset

MAX_NEW_TOKENS = 30  # where the model's generation config says nothing


class ImageCaptioning(Task):
    """Write a caption for a picture; scored by `cider`, CIDEr-D (Vedantam et al. 2015) from 0 to 10, and `bleu_1` to
    `bleu_4` (Papineni et al. 2002, sacrebleu's) of the corpus from 0 to 100, all against every caption of a picture.

    Case and punctuation are ignored. Columns have the roles `image` and `caption`, or `caption_0`, `caption_1`, …. How
    the model searches stands in its generation config.
    """

    name: ClassVar[str] = "image-captioning"
    inputs: ClassVar[InputKind] = PICTURES
    main_metric: ClassVar[str] = "cider"
    pipeline_tag: ClassVar[str | None] = "image-to-text"
    validates_by_loss: ClassVar[bool] = True
    pipeline_class = "tsugiki_seq2seq.captions.image_captioning_pipeline:ImageCaptioningPipeline"

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """Find the picture and its captions; see `Task.columns`."""
        return find_columns(dataset, given, task=self.name)

    def processor_fields(self, processor: Any) -> dict[str, Any]:
        """The vocabulary's size and the special tokens' numbers."""
        return special_token_fields(processor.tokenizer)

    def adapted(self, base: Any, processor: Any, dataset: Dataset, columns: Mapping[str, str]) -> Adaptation:
        """Rows for new words of the captions; see `Task.adapted`."""
        texts = [plain_caption(text) for texts in caption_lists(dataset, columns) for text in texts]
        return adapted_vocabulary(processor, texts)

    def read_rows(self, dataset: Dataset, processor: Any, columns: Mapping[str, str]) -> TensorTable:
        """Decode every picture once. A row is a picture, so that a part held out shares none with the rest.

        Returns:
            Batches of ``pixel_values``; the captions stand in the table's `CaptionedPictures`.

        Raises:
            DataError: A picture does not decode or has no caption.
        """
        references = list(caption_lists(dataset, columns))
        if [] in references:
            raise DataError(f"row {references.index([])} has no caption; remove it")
        pixels = decode_image_column(dataset, columns[IMAGE], processor.image_processor)
        return TensorTable(
            {"pixel_values": pixels, PICTURE: torch.arange(len(pixels))},
            transform=CaptionedPictures(
                Normalize.from_processor(processor.image_processor), references, processor.tokenizer
            ),
        )

    def learning_rows(self, model: Any, table: TensorTable) -> TensorTable:
        """A row for each picture and caption, of pictures that the frozen encoder looks at once."""
        return pair_table(model, table)

    def predictions(self, model: Any, table: TensorTable, *, batch_size: int) -> Predictions:
        """Caption every picture, and count what the scores are made of.

        Returns:
            As `outputs` what `caption_counts` gives (N, 11); no labels.
        """
        transform = captioned(table)
        written = write_captions(model, table, batch_size=batch_size)
        references = [transform.references[number] for number in table.columns[PICTURE].tolist()]
        counts = caption_counts(written, references, CiderD(transform.references))
        return Predictions(counts)

    def row_scores(self, predictions: Predictions) -> NDArray[np.float64]:
        """The CIDEr-D of each row (N,)."""
        return predictions.outputs[:, -1].astype(np.float64)

    def metrics(self, predictions: Predictions, *, seed: int = 0) -> dict[str, Metric]:
        """`cider`, and `bleu_1` to `bleu_4`, with bootstrap 95 % intervals over the pictures.

        The document frequencies of CIDEr-D stay those of all pictures in every draw.
        """
        counts = predictions.outputs.astype(np.float64)
        figures = {"cider": mean_metric(counts[:, -1], seed=seed)}
        for order in range(1, ORDER + 1):

            def of_rows(drawn: NDArray[np.int64], order: int = order) -> float:
                return bleu_of(counts[drawn, :-1].sum(0), order)

            figures[f"bleu_{order}"] = score_metric(of_rows, len(counts), seed=seed)
        return figures

    def answer(self, model: Any, processor: Any, inputs: Sequence[Any], *, top_k: int) -> list[Answers]:
        """The best captions of each picture.

        Args:
            inputs: Pillow images.
            top_k: How many captions; more than one are those that a beam search of so many ends with.

        Returns:
            For each picture the captions as `{"label": caption, "score": P(caption | picture)}`, best first.
        """
        answers = []
        for picture in inputs:
            pixels = processor.image_processor(images=[picture], return_tensors="pt")["pixel_values"].to(model.device)

            def score(written: Tensor, pixels: Tensor = pixels) -> Tensor:
                """The picture is encoded once for all captions."""
                features = model.get_encoder()(pixels)[0].expand(len(written), -1, -1)
                return log_probabilities(model, written, encoder_outputs=(features,))

            found = {"pixel_values": pixels}
            answers.append(best_texts(model, processor.tokenizer, found, top_k=top_k, score=score, most=MAX_NEW_TOKENS))
        return answers


def write_captions(model: Any, table: TensorTable, *, batch_size: int) -> list[str]:
    """What a model writes for each row of a caption table, searched as its generation config says."""
    tokenizer = captioned(table).tokenizer
    texts: list[str] = []
    batches = table.batches(batch_size, device=model.device)
    for batch in track(batches, "evaluate", total=-(-len(table) // batch_size), unit="batch"):
        with torch.inference_mode():
            written = model.generate(**batch, do_sample=False, **length_limit(model, MAX_NEW_TOKENS))
        texts += tokenizer.batch_decode(written, skip_special_tokens=True)
    return texts


def caption_counts(written: Sequence[str], references: Sequence[Sequence[str]], cider: CiderD) -> NDArray[np.float32]:
    """What the scores of each caption are made of, float32 (N, 11): `bleu_counts`, and its CIDEr-D."""
    rows = [
        [*bleu_counts(text, texts), cider.score(text, texts)] for text, texts in zip(written, references, strict=True)
    ]
    return np.array(rows, np.float32).reshape(len(rows), 2 * ORDER + 3)
