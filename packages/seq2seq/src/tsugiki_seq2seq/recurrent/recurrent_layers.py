"""The recurrent core: stacked layers of Elman, GRU or LSTM cells, in one direction or both, whatever is padded.

u_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh holds for every cell; what the cell does with u_t tells them apart (Elman
1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014). Cells that PyTorch has run in its fused kernels. An LSTM with
peepholes (Gers and Schmidhuber 2000) and every cell with layer normalisation (Ba, Kiros and Hinton 2016, section 3.1)
run step by step, in `recurrent_cells.py`.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from .recurrent_cells import MODES, Cell, FusedCell, State, SteppedCell

CellType = Literal["rnn", "gru", "lstm", "lstm-peephole"]
CELL_TYPES: tuple[str, ...] = get_args(CellType)


def state_tensors(cell_type: str) -> int:
    """How many tensors a cell carries from step to step: h alone, or h and c."""
    return 2 if cell_type.startswith("lstm") else 1


def tokens_first(mask: Tensor) -> Tensor:
    """The order (B, L) that moves the true places of each row of a mask (B, L) to its front and keeps their order."""
    places = torch.arange(mask.shape[1], device=mask.device)
    return (places + (~mask).long() * mask.shape[1]).argsort(1)


def take(values: Tensor, order: Tensor) -> Tensor:
    """The rows' vectors (B, L, D) in another order (B, L)."""
    return values.gather(1, order[..., None].expand(-1, -1, values.shape[-1]))


def turn_round(values: Tensor, lengths: Tensor) -> Tensor:
    """The first `lengths` (B,) vectors of each row (B, L, D) from last to first; what follows stays."""
    places = torch.arange(values.shape[1], device=values.device)[None]  # (1, L)
    return take(values, torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places))


class VariationalDropout(nn.Module):
    """Dropout with one mask for all steps of a sequence (Gal and Ghahramani 2016).

    Args:
        rate: Share of the units that are dropped in training.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, values: Tensor) -> Tensor:
        """(B, L, D) to (B, L, D)."""
        if not self.training or self.rate == 0:
            return values
        kept = torch.empty_like(values[:, :1]).bernoulli_(1 - self.rate)  # (B, 1, D)
        return values * kept / (1 - self.rate)

    def extra_repr(self) -> str:
        """The rate."""
        return f"rate={self.rate}"


def recurrent_cell(
    cell_type: str, input_size: int, hidden_size: int, *, layer_norm: bool = False, weight_dropout: float = 0.0
) -> Cell:
    """One layer of cells that reads in one direction: fused where PyTorch has a kernel.

    Args:
        cell_type: One of `CELL_TYPES`.
        input_size: D.
        hidden_size: H.
        layer_norm: Normalise W_ih x, W_hh h and an LSTM's memory.
        weight_dropout: Share of W_hh that is dropped in training.
    """
    if cell_type in MODES and not layer_norm:
        return FusedCell(cell_type, input_size, hidden_size, weight_dropout=weight_dropout)
    return SteppedCell(cell_type, input_size, hidden_size, layer_norm=layer_norm, weight_dropout=weight_dropout)


def join_steps(steps: list[list[Tensor]]) -> list[Tensor]:
    """The hidden states (B, T, H) of whole sequences from those of their steps (B, 1, H), layer by layer."""
    return [torch.cat(parts, dim=1) for parts in zip(*steps, strict=True)]


class RecurrentStack(nn.Module):
    """Layers of cells on top of each other. Padding never changes a result, wherever in a row it stands.

    Args:
        cell_type: One of `CELL_TYPES`.
        input_size: D.
        hidden_size: H of each direction.
        num_layers: How many.
        bidirectional: Read backwards too; the outputs of both directions stand side by side.
        dropout: Rate between the layers.
        variational_dropout: Drop the same units at every step.
        layer_norm: As in `recurrent_cell`.
        weight_dropout: As in `recurrent_cell`.

    Attributes:
        output_size: H, twice where bidirectional.
    """

    def __init__(
        self,
        cell_type: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        variational_dropout: bool = False,
        layer_norm: bool = False,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.cell_type = cell_type
        self.hidden_size = hidden_size
        self.output_size = hidden_size * (2 if bidirectional else 1)
        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.forwards, self.backwards = (
            nn.ModuleList(
                recurrent_cell(cell_type, size, hidden_size, layer_norm=layer_norm, weight_dropout=weight_dropout)
                for size in some
            )
            for some in (sizes, sizes if bidirectional else [])
        )
        self.dropout: nn.Module = VariationalDropout(dropout) if variational_dropout else nn.Dropout(dropout)

    def initial_state(self, like: Tensor) -> State:
        """Zeros (layers, B, H) for each tensor of the state; of the device and type of `like` (B, ...)."""
        shape = (len(self.forwards), like.shape[0], self.hidden_size)
        return tuple(like.new_zeros(shape) for _ in range(state_tensors(self.cell_type)))

    def forward(
        self,
        inputs: Tensor,
        attention_mask: Tensor | None = None,
        state: State | None = None,
        hidden_states: list[Tensor] | None = None,
    ) -> tuple[Tensor, State]:
        """Read sequences.

        Args:
            inputs: (B, L, D).
            attention_mask: 1 for tokens and 0 for padding (B, L), which may stand anywhere.
            state: What the forward cells begin with, (layers, B, H) each; zeros by default.
            hidden_states: Where the outputs of each layer are put, as they are returned of the last.

        Returns:
            Outputs (B, L, `output_size`), 0 at padding; and the state of the forward cells after each row's last token,
            (layers, B, H) each.
        """
        begin = self.initial_state(inputs) if state is None else state
        order = lengths = back = mask = None
        in_graph = torch.compiler.is_compiling() or torch.jit.is_tracing()  # what the mask holds must not shape it
        if attention_mask is not None and (in_graph or not bool(attention_mask.all())):
            mask = attention_mask.bool()
            lengths = mask.sum(1)  # (B,)
            order = tokens_first(mask)
            back = order.argsort(1)
            inputs = take(inputs, order)
        ends: list[State] = []
        values = inputs
        for number, layer in enumerate(self.forwards):
            if number:
                values = self.dropout(values)
            outputs, end = layer(values, lengths, tuple(part[number] for part in begin))
            ends.append(end)
            if len(self.backwards):
                outputs = torch.cat([outputs, self._read_backwards(number, values, lengths)], dim=-1)
            values = outputs  # (B, L, output_size)
            if hidden_states is not None or number == len(self.forwards) - 1:
                placed = values if back is None or mask is None else take(values, back) * mask[..., None]
            if hidden_states is not None:
                hidden_states.append(placed)
        return placed, tuple(torch.stack(parts) for parts in zip(*ends, strict=True))

    def _read_backwards(self, number: int, values: Tensor, lengths: Tensor | None) -> Tensor:
        """A layer's outputs from the right (B, L, H), each where its token stands."""
        zero = tuple(part[0] for part in self.initial_state(values))
        turned = values.flip(1) if lengths is None else turn_round(values, lengths)
        outputs, _ = self.backwards[number](turned, lengths, zero)
        return outputs.flip(1) if lengths is None else turn_round(outputs, lengths)
