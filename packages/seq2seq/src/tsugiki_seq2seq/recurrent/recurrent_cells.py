"""Recurrent cells: PyTorch's kernels, and step by step from their formulas those that it has no kernel for.

With u = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh, split into the gates of the cell:

- Elman: h_t = tanh(u).
- GRU (Cho et al. 2014, as cuDNN computes it): r, z = sigmoid(u_r), sigmoid(u_z);
  n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn)); h_t = (1 - z) n + z h_{t-1}.
- LSTM: i, f, o = sigmoid(u_i), sigmoid(u_f), sigmoid(u_o); c_t = f c_{t-1} + i tanh(u_g); h_t = o tanh(c_t).
- LSTM with peepholes (Gers and Schmidhuber 2000): i and f see c_{t-1} too, and o sees c_t, each unit its own memory.
- Layer normalisation (Ba, Kiros and Hinton 2016): W_ih x_t and W_hh h_{t-1} are normalised apart, and an LSTM's c_t
  before its tanh.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import PreTrainedModel
from transformers import initialization as init
from tsugiki.onnx_refusal import refuse_onnx

State = tuple[Tensor, ...]  # h, and c of an LSTM

GATES = {"rnn": 1, "gru": 3, "lstm": 4, "lstm-peephole": 4}
SATURATED = 1e4  # at which a gate is 0 or 1, in any number format
MODES = {"rnn": "RNN_TANH", "gru": "GRU", "lstm": "LSTM"}  # that PyTorch has kernels for
STEPPED = "peepholes and layer normalisation are computed step by step, and a graph has the steps of one length"
_LSTM_FORMATS = {  # of the kernel on this CPU
    torch.float32: True,
    torch.float64: True,
    torch.bfloat16: torch.ops.mkldnn._is_mkldnn_bf16_supported(),
    torch.float16: torch.ops.mkldnn._is_mkldnn_fp16_supported(),
}


class Cell(nn.Module):
    """What fused and stepped cells share: weights named and ordered as in `torch.nn.LSTM`, and a step by its formula.

    Attributes:
        cell_type: ``rnn``, ``gru``, ``lstm`` or ``lstm-peephole``.
        hidden_size: H.
        weight_dropout: Share of W_hh that is dropped in training, the same weights for all rows and steps of a call.
        weight_ih_l0: (gates H, D).
        weight_hh_l0: (gates H, H).
        bias_ih_l0: (gates H,).
        bias_hh_l0: (gates H,).
        peephole: Of the gates i, f, o (3, H), or None.
        input_norm: Of W_ih x, or None.
        hidden_norm: Of W_hh h, or None.
        memory_norm: Of c, or None.
    """

    cell_type: str
    hidden_size: int
    weight_dropout: float
    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor
    peephole: Tensor | None
    input_norm: nn.Module | None
    hidden_norm: nn.Module | None
    memory_norm: nn.Module | None

    def hidden_weight(self) -> Tensor:
        """W_hh (gates H, H) as one call uses it (DropConnect: Merity, Keskar and Socher 2018, section 2)."""
        return nn.functional.dropout(self.weight_hh_l0, self.weight_dropout, self.training)

    def read_by_steps(self, inputs: Tensor, lengths: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Read sequences.

        Args:
            inputs: (B, L, D), the tokens of each row first.
            lengths: Their number (B,); None where every row is full.
            state: h, and c of an LSTM, (B, H) each.

        Returns:
            The h of each step (B, L, H), of no meaning after a row's last token, and the state after it.
        """
        hidden_weight = self.hidden_weight()
        driven = nn.functional.linear(inputs, self.weight_ih_l0)  # (B, L, gates H)
        if self.input_norm is not None:
            driven = self.input_norm(driven)
        driven = driven + self.bias_ih_l0
        outputs = []
        for step, drive in enumerate(driven.unbind(1)):
            new = self.step(drive, state, hidden_weight)
            if lengths is not None:
                going = (step < lengths)[:, None]
                new = tuple(torch.where(going, after, before) for after, before in zip(new, state, strict=True))
            state = new
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state

    def step(self, drive: Tensor, state: State, hidden_weight: Tensor) -> State:
        """One step.

        Args:
            drive: W_ih x_t + b_ih (B, gates H).
            state: Before it.
            hidden_weight: W_hh (gates H, H).

        Returns:
            The state after it.
        """
        hidden = state[0]
        recurrent = nn.functional.linear(hidden, hidden_weight)  # (B, gates H)
        if self.hidden_norm is not None:
            recurrent = self.hidden_norm(recurrent)
        recurrent = recurrent + self.bias_hh_l0
        match self.cell_type:
            case "rnn":
                return (torch.tanh(drive + recurrent),)
            case "gru":
                reset_in, update_in, new_in = drive.chunk(3, dim=1)
                reset_hidden, update_hidden, new_hidden = recurrent.chunk(3, dim=1)
                reset = torch.sigmoid(reset_in + reset_hidden)
                update = torch.sigmoid(update_in + update_hidden)
                new = torch.tanh(new_in + reset * new_hidden)
                return ((1 - update) * new + update * hidden,)
        memory = state[1]
        into, forget, candidate, out = (drive + recurrent).chunk(4, dim=1)
        if self.peephole is not None:
            into = into + self.peephole[0] * memory
            forget = forget + self.peephole[1] * memory
        memory = torch.sigmoid(forget) * memory + torch.sigmoid(into) * torch.tanh(candidate)
        if self.peephole is not None:
            out = out + self.peephole[2] * memory
        shown = memory if self.memory_norm is None else self.memory_norm(memory)
        return torch.sigmoid(out) * torch.tanh(shown), memory


class SteppedCell(Cell):
    """One layer of cells, a Python loop over the steps.

    Args:
        cell_type: Any.
        input_size: D.
        hidden_size: H.
        layer_norm: Normalise W_ih x, W_hh h and an LSTM's c.
        weight_dropout: As in `Cell`.
    """

    def __init__(
        self,
        cell_type: str,
        input_size: int,
        hidden_size: int,
        *,
        layer_norm: bool = False,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.cell_type = cell_type
        self.hidden_size = hidden_size
        self.weight_dropout = weight_dropout
        width = GATES[cell_type] * hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(width, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(width, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(width))
        self.bias_hh_l0 = nn.Parameter(torch.empty(width))
        self.peephole = nn.Parameter(torch.empty(3, hidden_size)) if cell_type == "lstm-peephole" else None
        self.input_norm = nn.LayerNorm(width) if layer_norm else None
        self.hidden_norm = nn.LayerNorm(width) if layer_norm else None
        self.memory_norm = nn.LayerNorm(hidden_size) if layer_norm and cell_type.startswith("lstm") else None

    def forward(self, inputs: Tensor, lengths: Tensor | None, state: State) -> tuple[Tensor, State]:
        """As `Cell.read_by_steps`."""
        refuse_onnx(STEPPED)
        return self.read_by_steps(inputs, lengths, state)

    def extra_repr(self) -> str:
        """Kind and sizes."""
        return f"{self.cell_type}, {self.weight_ih_l0.shape[1]}, {self.hidden_size}"


class FusedCell(Cell, nn.RNNBase):
    """One layer of cells in PyTorch's kernel. It is no `torch.nn.LSTM` itself, which ``torch.compile`` refuses.

    Args:
        cell_type: ``rnn``, ``gru`` or ``lstm``.
        input_size: D.
        hidden_size: H.
        weight_dropout: As in `Cell`.
    """

    def __init__(self, cell_type: str, input_size: int, hidden_size: int, *, weight_dropout: float = 0.0) -> None:
        nn.RNNBase.__init__(self, MODES[cell_type], input_size, hidden_size, batch_first=True)
        self.cell_type = cell_type
        self.weight_dropout = weight_dropout
        self.peephole = self.input_norm = self.hidden_norm = self.memory_norm = None

    def forward(self, inputs: Tensor, lengths: Tensor | None, state: State) -> tuple[Tensor, State]:
        """As `Cell.read_by_steps`."""
        if inputs.shape[-1] != self.input_size:  # the LSTM's kernel for CPUs reads past the end instead
            raise ValueError(f"the cell takes vectors of {self.input_size} numbers, not {inputs.shape[-1]}")
        if self.cell_type == "lstm" and lengths is not None:
            # The memory after a row's last token is in none of the outputs: rows are packed, or read step by step, or
            # padding is kept out of the memory.
            if torch.jit.is_tracing():
                return self._read_guarded(inputs, lengths, state)
            if torch.compiler.is_compiling():
                return self.read_by_steps(inputs, lengths, state)
            return self._read_packed(inputs, lengths, state)
        outputs, end = self._kernel(inputs, state)
        if lengths is not None:
            end = (_state_at(outputs, lengths, state[0]),)
        return outputs, end

    def _kernel(
        self,
        inputs: Tensor,
        state: State,
        batch_sizes: Tensor | None = None,
        input_weight: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Run the kernel, on packed rows where their sizes are given, and with another W_ih than its own."""
        if inputs.device.type == "cpu" and not _kernel_takes(self.cell_type, inputs.dtype):
            with torch.autocast("cpu", enabled=False):
                states = tuple(part.float() for part in state)
                outputs, end = self._kernel(inputs.float(), states, batch_sizes, input_weight)
            return outputs.to(inputs.dtype), tuple(part.to(inputs.dtype) for part in end)
        kernel: Any = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}[self.cell_type]
        driving = self.weight_ih_l0 if input_weight is None else input_weight
        parameters = (driving, self.hidden_weight(), self.bias_ih_l0, self.bias_hh_l0)
        weights = [parameter.to(inputs.dtype) for parameter in parameters]
        begin: Any = tuple(part[None].to(inputs.dtype) for part in state)  # (1, B, H)
        begin = begin if len(begin) > 1 else begin[0]
        has_biases, layers, dropout, bidirectional, batch_first = True, 1, 0.0, False, True
        options = (weights, has_biases, layers, dropout, self.training, bidirectional)
        if batch_sizes is not None:
            outputs, *end = kernel(inputs, batch_sizes, begin, *options)
        else:
            outputs, *end = kernel(inputs, begin, *options, batch_first)
        return outputs, tuple(part[0] for part in end)

    def _read_guarded(self, inputs: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State]:
        """The LSTM in one kernel for whatever lengths: padding shuts its input gates and holds its forget gates open.

        It does so as one more number of each input, 1 for padding, whose weights are far beyond what a gate can see.
        """
        gates = inputs.new_tensor([-SATURATED, SATURATED, 0, 0])  # torch's order: input, forget, cell, output
        guarded = torch.cat([self.weight_ih_l0, gates.repeat_interleave(self.hidden_size)[:, None]], dim=1)
        padding = torch.arange(inputs.shape[1], device=inputs.device)[None] >= lengths[:, None]  # (B, L)
        seen = torch.cat([inputs, padding[..., None].to(inputs.dtype)], dim=2)
        outputs, (_, memory) = self._kernel(seen, state, input_weight=guarded)
        return outputs, (_state_at(outputs, lengths, state[0]), memory)

    def _read_packed(self, inputs: Tensor, lengths: Tensor, state: State) -> tuple[Tensor, State]:
        some = lengths.clamp(min=1)  # packing refuses empty rows; their state is put back below
        packed = pack_padded_sequence(inputs, some.cpu(), batch_first=True, enforce_sorted=False)
        begin = tuple(part[packed.sorted_indices] for part in state)
        outputs, end = self._kernel(packed.data, begin, packed.batch_sizes)
        padded, _ = pad_packed_sequence(packed._replace(data=outputs), batch_first=True, total_length=inputs.shape[1])
        empty = (lengths == 0)[:, None]
        pairs = zip(state, (part[packed.unsorted_indices] for part in end), strict=True)
        return padded, tuple(torch.where(empty, old, new) for old, new in pairs)


def _kernel_takes(cell_type: str, dtype: torch.dtype) -> bool:
    """Whether the CPU's kernel computes in the number format of the inputs, or of autocast where that is on.

    PyTorch hands an LSTM in bfloat16 or float16 to oneDNN, which refuses it on processors without such instructions.
    """
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
    return cell_type != "lstm" or _LSTM_FORMATS[dtype]


def _state_at(outputs: Tensor, lengths: Tensor, start: Tensor) -> Tensor:
    """The state (B, H) after `lengths` (B,) of the outputs (B, L, H); `start` (B, H) where that is none."""
    last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, outputs.shape[2])
    return torch.where((lengths > 0)[:, None], outputs.gather(1, last)[:, 0], start.to(outputs.dtype))


@torch.no_grad()
def initialize_cell(cell: Cell) -> None:
    """Fresh weights as in `torch.nn.LSTM`, uniform within 1 / sqrt(H); an LSTM's forget gates begin open (Gers et al.
    2000), peepholes at zero."""
    bound = 1 / math.sqrt(cell.hidden_size)
    for weight in (cell.weight_ih_l0, cell.weight_hh_l0):
        init.uniform_(weight, -bound, bound)
    init.zeros_(cell.bias_hh_l0)
    bias = torch.zeros(len(cell.bias_ih_l0) // cell.hidden_size, cell.hidden_size, device=cell.bias_ih_l0.device)
    if len(bias) == 4:
        bias[1] = 1.0  # torch's order: input, forget, cell, output
    init.copy_(cell.bias_ih_l0, bias.flatten())
    if cell.peephole is not None:
        init.zeros_(cell.peephole)


@torch.no_grad()
def initialize_layer(layer: nn.Module, std: float) -> None:
    """Fresh weights of whatever a recurrent network is made of, by kind; other modules stay as they are.

    Args:
        layer: Cells as `initialize_cell` says, embeddings normal, linear layers by Glorot, normalisations the identity.
        std: Deviation of the embeddings.
    """
    if isinstance(layer, Cell):
        initialize_cell(layer)
    elif isinstance(layer, nn.Embedding):
        init.normal_(layer.weight, std=std)
    elif isinstance(layer, nn.Linear):
        init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            init.zeros_(layer.bias)
    elif isinstance(layer, nn.LayerNorm):
        init.ones_(layer.weight)
        init.zeros_(layer.bias)


class RecurrentNetwork(PreTrainedModel):
    """A model of recurrent layers that reads tokens; its weights begin as `initialize_layer` says."""

    main_input_name = "input_ids"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        initialize_layer(module, float(self.config.initializer_range))
