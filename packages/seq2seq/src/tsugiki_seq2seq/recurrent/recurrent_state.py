"""What a recurrent network carries from step to step, in the form that ``generate()`` takes for its cache."""

from __future__ import annotations

from torch import Tensor

from .recurrent_layers import State


class RecurrentState:
    """The state of a decoder, one per row, that a beam search can reorder.

    Args:
        tensors: Tensors (layers, B, H).
        seen: Tokens read so far, padding included.
        keys: What attention has computed from the source once, (B, S, A). All beams of a source share it, so it is
            never reordered.

    Attributes:
        tensors: As given.
        seen: As given.
        keys: As given.
        is_compileable: Read by ``generate()``; no static cache.
    """

    is_compileable = False

    def __init__(self, tensors: State | None = None, seen: int = 0, keys: Tensor | None = None) -> None:
        self.tensors = tensors
        self.seen = seen
        self.keys = keys

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens read so far."""
        return self.seen

    def advance(self, tensors: State, tokens: int) -> None:
        """Take the state after some more tokens."""
        self.tensors = tensors
        self.seen += tokens

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Give every row the state of another (B,)."""
        if self.tensors is not None:
            self.tensors = tuple(part.index_select(1, beam_idx.to(part.device)) for part in self.tensors)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every row."""
        if self.tensors is not None:
            self.tensors = tuple(part.repeat_interleave(repeats, dim=1) for part in self.tensors)
        if self.keys is not None:
            self.keys = self.keys.repeat_interleave(repeats, dim=0)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only some rows."""
        self.reorder_cache(indices)
        if self.keys is not None:
            self.keys = self.keys.index_select(0, indices.to(self.keys.device))
