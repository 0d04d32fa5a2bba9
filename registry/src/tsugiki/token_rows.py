"""Models in which more than the embeddings and the output matrix has a row for each token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel


class TokenRows(PreTrainedModel):
    """A model whose ``resize_token_embeddings`` resizes all that has a row for each token. Inherit from it in place of
    `PreTrainedModel`, and say in `resize_token_rows` what there is besides.
    """

    def resize_token_rows(self, size: int, mean_resizing: bool) -> None:
        """Give all but the embeddings and the output matrix as many rows as there are tokens; those that stay are kept.

        Args:
            size: Tokens.
            mean_resizing: As ``resize_token_embeddings`` takes it, for `_get_resized_embeddings` and the like.
        """

    def _resize_token_embeddings(
        self, new_num_tokens: int | None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> Any:
        embeddings: Any = super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        for module in self.modules():
            if isinstance(module, TokenRows):
                module.resize_token_rows(len(embeddings.weight), mean_resizing)
        return embeddings


@torch.no_grad()
def resized_rows(values: Tensor, size: int, fill: Tensor | float = 0) -> Tensor:
    """A tensor with another number of rows.

    Args:
        values: (V, …).
        size: Rows to have.
        fill: What stands in rows that are new, a number or (…).

    Returns:
        (size, …), the first rows those of `values`.
    """
    rows = values.new_zeros(size, *values.shape[1:]) + torch.as_tensor(fill, dtype=values.dtype, device=values.device)
    rows[: len(values)] = values[:size]
    return rows
