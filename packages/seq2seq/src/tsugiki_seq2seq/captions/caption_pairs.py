"""Pairs of a picture and a caption: the frozen encoder looks at every picture once, and its features are kept on disk
like those of transfer, keyed by the encoder's weights and the pictures.

With the augmentation ``flip`` it looks at the mirrored pictures too, and every epoch draws which of the two a caption
goes with.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tsugiki.augmentation import Augmentation, counter_uniform
from tsugiki.errors import OptionError
from tsugiki.fingerprint import tensors_fingerprint
from tsugiki.tensor_table import IGNORED, Batch, TensorTable
from tsugiki.text_table import PaddedTexts, text_table
from tsugiki.transfer.cache import FeatureCache

from .captioned_pictures import PICTURE, caption_tokens, captioned
from .image_captioner import ImageCaptionerForConditionalGeneration

BATCH = 64  # pictures that are encoded at once


class CaptionPairs:
    """Turns places in the features and in the stream of captions into batches; the transform of a `pair_table`.

    Args:
        features: Of each picture, and behind them of its mirror image where there is one, float32 (P, S, D).
        captions: All tokens.
    """

    def __init__(self, features: Tensor, captions: PaddedTexts) -> None:
        self.features = features
        self.captions = captions

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """``encoder_outputs``, a tuple of (B, S, D), and ``labels`` int64 (B, T), -100 behind a caption's end."""
        given = dict(batch)
        picture = given.pop(PICTURE)
        if self.features.device != picture.device:
            self.features = self.features.to(picture.device)
        return {"encoder_outputs": (self.features[picture],), "labels": self.captions(given)["input_ids"]}


@dataclass(frozen=True)
class MirroredFeatures:
    """Takes the mirror image of a picture with probability one half.

    Attributes:
        pictures: How many there are; the mirror image of number n is number n + pictures.
    """

    pictures: int

    def __call__(self, batch: Batch, *, rows: Tensor, epoch: int, seed: int) -> Batch:
        """Draw for rows of a `pair_table`."""
        mirrored = counter_uniform(rows, 1, seed=seed, epoch=epoch)[:, 0] < 0.5
        return {**batch, PICTURE: batch[PICTURE] + mirrored.long() * self.pictures}


def pair_table(
    model: ImageCaptionerForConditionalGeneration, table: TensorTable, *, cache: FeatureCache | None = None
) -> TensorTable:
    """A table with a row for each picture and caption of a table of captioned pictures.

    Args:
        model: Its encoder looks at the pictures now.
        table: Of `tsugiki_seq2seq.captions.image_captioning.ImageCaptioning`; a flip in its augmentation is kept.
        cache: Where to keep the features; the one on disk by default.

    Returns:
        Batches of ``encoder_outputs`` and ``labels``.

    Raises:
        OptionError: The augmentation is more than a flip.
    """
    flip = _flips(table.augmentation)
    transform, numbers = captioned(table), table.columns[PICTURE].tolist()
    tokens = [caption_tokens(transform.references[number], transform.tokenizer) for number in numbers]
    captions = text_table([row for rows in tokens for row in rows], pad_token_id=IGNORED)
    assert isinstance(captions.transform, PaddedTexts)
    features = encoder_features(model, table, cache=cache)
    if flip:
        features = torch.cat([features, encoder_features(model, table, mirrored=True, cache=cache)])
    pictures = np.repeat(np.arange(len(table)), [len(rows) for rows in tokens])
    pairs = TensorTable(
        {**captions.columns, PICTURE: torch.from_numpy(pictures)}, transform=CaptionPairs(features, captions.transform)
    )
    return pairs.with_augmentation(MirroredFeatures(len(table)) if flip else None, seed=table.seed)


def _flips(augmentation: Any) -> bool:
    """Whether an augmentation flips pictures; it may do nothing else."""
    if augmentation is None:
        return False
    if not isinstance(augmentation, Augmentation) or augmentation not in (Augmentation(), Augmentation(flip=True)):
        raise OptionError(
            "a captioner's encoder looks at every picture once, so its augmentation may be flip and nothing else"
        )
    return augmentation.flip


def encoder_features(
    model: ImageCaptionerForConditionalGeneration,
    table: TensorTable,
    *,
    mirrored: bool = False,
    cache: FeatureCache | None = None,
) -> Tensor:
    """What the encoder sees of every picture.

    Args:
        model: A captioner.
        table: Captioned pictures.
        mirrored: Look at them with left and right exchanged.
        cache: Where to keep the result; the one on disk by default.

    Returns:
        float32 (N, S, D) on the CPU.
    """
    cache = FeatureCache.default() if cache is None else cache
    encoder, transform = model.encoder, captioned(table)
    facts = {
        "weights": tensors_fingerprint(dict(encoder.state_dict())),
        "config": encoder.backbone.config.to_dict(),
        "grid": encoder.grid_size,
        "pictures": tensors_fingerprint({"pixel_values": table.columns["pixel_values"]}),
        "normalize": asdict(transform.normalize),
        "mirrored": mirrored,
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    if (found := cache.get(key)) is not None:
        return found
    parts = []
    with torch.inference_mode():
        for pixels in table.columns["pixel_values"].split(BATCH):
            pixels = pixels.flip(-1) if mirrored else pixels
            batch = transform.normalize({"pixel_values": pixels.to(model.device)})
            parts.append(encoder(batch["pixel_values"])[0].float().cpu())
    features = torch.cat(parts).clone()  # (N, S, D)
    cache.put(key, features)
    return features
