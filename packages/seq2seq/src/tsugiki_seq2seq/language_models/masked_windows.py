"""Tables of token windows in which some tokens are masked (Devlin et al. 2019, section 3.1 and appendix A.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from tsugiki.augmentation import counter_uniform
from tsugiki.errors import DataError
from tsugiki.tensor_table import IGNORED, Batch, TensorTable

from .token_windows import PLACE, STOP, WINDOW, TokenWindows, window_table

LENGTH = WINDOW  # tokens of a row
CHOSEN = 0.15  # share of the tokens that are asked for
MASKED, REPLACED = 0.8, 0.1  # of those the share that becomes `<mask>`, and another token; the rest stay
DRAWS = "draws"
DRAWS_A_TOKEN = 3  # which tokens, what becomes of each, and which other token it may become
TRAINING_STREAM, EVALUATION_STREAM = 5, 6


class MaskAnew:
    """Draws other masks in every epoch; the augmentation of a `masked_table`.

    What is drawn is a function of (seed, epoch, row), the same for one process or many and after a resume.
    """

    def __call__(self, batch: Batch, *, rows: Tensor, epoch: int, seed: int) -> Batch:
        """Add uniform numbers ``draws`` (B, 3 * LENGTH) to a raw batch."""
        draws = counter_uniform(rows, DRAWS_A_TOKEN * LENGTH, seed=seed, epoch=epoch, stream=TRAINING_STREAM)
        return {**batch, DRAWS: draws}


class MaskedWindows:
    """Turns places in a stream of tokens into windows with masks; the transform of a `masked_table`.

    Without drawn numbers the masks are those of the place, always the same: what evaluation asks for.

    Args:
        stream: All tokens, int32 (T,).
        tokenizer: What the tokens are numbers of; it has a mask token.

    Attributes:
        stream: As given; moved to the device of the batches at first use, as the next two.
        special: Tokens that are never asked for (S,).
        ordinary: All others (V - S,).
    """

    def __init__(self, stream: Tensor, tokenizer: Any) -> None:
        self.stream = stream
        self.mask_token_id: int = tokenizer.mask_token_id
        self.pad_token_id: int = tokenizer.pad_token_id
        self.special = torch.tensor(sorted(set(tokenizer.all_special_ids)))
        everything = torch.arange(len(tokenizer))
        self.ordinary = everything[~torch.isin(everything, self.special)]

    def __call__(self, batch: Batch) -> Batch:
        """``input_ids``, ``attention_mask`` and ``labels`` int64 (B, LENGTH); -100 where nothing is asked.

        Where the column `STOP` says how far a row's group goes, it reads no further.
        """
        place = batch[PLACE]
        if self.stream.device != place.device:
            self.stream, self.special, self.ordinary = (
                tensor.to(place.device) for tensor in (self.stream, self.special, self.ordinary)
            )
        draws = batch.get(DRAWS)
        if draws is None:
            draws = counter_uniform(place, DRAWS_A_TOKEN * LENGTH, seed=0, epoch=0, stream=EVALUATION_STREAM)
        index = place[:, None] + torch.arange(LENGTH, device=place.device)  # (B, LENGTH)
        known = index < (batch[STOP][:, None] if STOP in batch else len(self.stream))
        tokens = self.stream[index.clamp(max=len(self.stream) - 1)].long()
        tokens = torch.where(known, tokens, self.pad_token_id)
        input_ids, labels = self.masked(tokens, draws.unflatten(1, (DRAWS_A_TOKEN, LENGTH)))
        return {"input_ids": input_ids, "attention_mask": known.long(), "labels": labels}

    def masked(self, tokens: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Choose 15 % of each row's ordinary tokens, at least one; mask 80 % of them and replace 10 % by any other.

        Args:
            tokens: int64 (B, L).
            draws: Uniform numbers (B, 3, L).

        Returns:
            What the network reads and what it is asked for, int64 (B, L) each.
        """
        choice, way, other = draws.unbind(1)  # (B, L) each
        ordinary = ~torch.isin(tokens, self.special)
        count = ordinary.sum(1, keepdim=True)
        wanted = (count * CHOSEN).round().clamp(min=1).minimum(count)  # (B, 1)
        rank = choice.masked_fill(~ordinary, 2.0).argsort(dim=1, stable=True).argsort(dim=1)
        asked = rank < wanted
        another = self.ordinary[(other * len(self.ordinary)).long()]
        changed = torch.where(way < MASKED, self.mask_token_id, torch.where(way < MASKED + REPLACED, another, tokens))
        return torch.where(asked, changed, tokens), torch.where(asked, tokens, IGNORED)


def masked_table(texts: Sequence[str], tokenizer: Any, groups: Tensor | None = None) -> TensorTable:
    """A table of windows over some texts, laid out in one stream with an end token between them.

    In training each epoch masks other tokens; evaluation masks the same ones always.

    Args:
        texts: Empty ones are left out.
        tokenizer: Of the model.
        groups: As `token_windows.window_table` takes them.

    Raises:
        DataError: The tokenizer has no mask token, or there is no text.
    """
    if tokenizer.mask_token_id is None:
        raise DataError("the tokenizer has no mask token; learn one with mask_token: true")
    windows = window_table(texts, tokenizer, groups)
    assert isinstance(windows.transform, TokenWindows)
    stream = windows.transform.stream[1:]  # without the end token before the first text
    columns, numbers = {PLACE: torch.arange(0, len(stream), LENGTH)}, None
    if windows.groups is not None:  # windows of the same length, so that only the places move
        columns = {name: windows.columns[name] - 1 for name in (PLACE, STOP)}
        numbers = windows.groups
    return TensorTable(columns, transform=MaskedWindows(stream, tokenizer), augmentation=MaskAnew(), groups=numbers)
