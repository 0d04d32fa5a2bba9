"""Attention of a recurrent decoder over its source (Bahdanau, Cho and Bengio 2015; Luong, Pham and Manning 2015).

The weight of source place t' for target step t is a softmax over t' of a score of the decoder's state s_t and the
encoder's h_t':

- ``bahdanau`` (additive): v . tanh(W s + U h)
- ``luong-dot``: s . h
- ``luong-general``: s . W h
- ``luong-concat``: v . tanh(W [s; h]), which is the additive score again
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

AttentionType = Literal["none", "bahdanau", "luong-dot", "luong-general", "luong-concat"]
STEPPED_ATTENTION = "what a step attends to hangs on the step before, and a graph has the steps of one length"
ATTENTION_TYPES: tuple[str, ...] = get_args(AttentionType)


class Attention(nn.Module):
    """Scores, weights and the weighted mean of the source.

    Args:
        kind: One of `ATTENTION_TYPES`, ``none`` aside.
        query_size: Q of a decoder's state.
        source_size: S of an encoder's output; equal to Q for ``luong-dot``.
        size: A of the hidden layer of an additive score.
    """

    def __init__(self, kind: str, query_size: int, source_size: int, size: int) -> None:
        super().__init__()
        self.kind = kind
        self.additive = kind in ("bahdanau", "luong-concat")
        self.query = nn.Linear(query_size, size, bias=False) if self.additive else None
        self.source: nn.Linear | None = None
        if kind != "luong-dot":
            self.source = nn.Linear(source_size, size if self.additive else query_size, bias=False)
        self.score = nn.Linear(size, 1, bias=False) if self.additive else None

    def keys(self, source: Tensor) -> Tensor:
        """What is computed from the source (B, S, D) once (B, S, A)."""
        return source if self.source is None else self.source(source)

    def forward(self, queries: Tensor, keys: Tensor, source: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            queries: States of the decoder (B, T, Q).
            keys: What `keys` gave (B, S, A).
            source: Outputs of the encoder (B, S, D).
            mask: True for source tokens (B, S). A source without any is looked at evenly.

        Returns:
            Contexts (B, T, D) and weights (B, T, S), which sum to 1 over S.
        """
        if self.query is not None and self.score is not None:
            hidden = torch.tanh(self.query(queries)[:, :, None] + keys[:, None])  # (B, T, S, A)
            scores = self.score(hidden)[..., 0]  # (B, T, S)
        else:
            scores = queries @ keys.transpose(1, 2)
        scores = scores.float().masked_fill(~mask[:, None], torch.finfo(torch.float32).min)
        weights = scores.softmax(-1).to(source.dtype)
        return weights @ source, weights
