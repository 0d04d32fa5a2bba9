"""The adding problem: which cells keep a dependency over 200 steps.

    python benchmarks/adding_problem.py [--cells lstm rnn] [--length 200] [--steps 3000] [--plot adding_problem.png]

Hochreiter and Schmidhuber 1997, Long short-term memory, section 5.4, in the form that later papers use: a sequence of
pairs, a number drawn from 0 to 1 and a mark. Two numbers are marked, one in the first half and one in the second; at
the end the network says their sum. Whoever always answers 1 has a mean squared error of 1/6, the variance of a sum of
two such numbers; less takes a memory of the marked numbers. Every batch is fresh, so nothing can be learnt by heart.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from tsugiki_seq2seq.recurrent.recurrent_cells import Cell, initialize_cell
from tsugiki_seq2seq.recurrent.recurrent_layers import CELL_TYPES, RecurrentStack

BASELINE = 1 / 6
CALLED = {"lstm": "LSTM", "rnn": "Elman RNN", "gru": "GRU", "lstm-peephole": "LSTM with peepholes"}


class Adder(nn.Module):
    """A recurrent layer over pairs, and a linear one over its last state.

    Args:
        cell_type: Of `CELL_TYPES`.
        hidden: Units.
    """

    def __init__(self, cell_type: str, hidden: int) -> None:
        super().__init__()
        self.layers = RecurrentStack(cell_type, 2, hidden)
        self.output = nn.Linear(hidden, 1)
        for module in self.layers.modules():
            if isinstance(module, Cell):
                initialize_cell(module)

    def forward(self, values: Tensor) -> Tensor:
        """Sequences (B, L, 2) to sums (B,)."""
        outputs, _ = self.layers(values)
        return self.output(outputs[:, -1])[:, 0]


@dataclass
class Run:
    """What a cell learnt: error on fresh sequences by step."""

    cell_type: str
    steps: list[int] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    seconds: float = 0.0


def draw(rows: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences (B, L, 2) of numbers and marks, and the sums of the marked numbers (B,)."""
    numbers = torch.rand(rows, length, generator=generator)
    marks = torch.zeros(rows, length)
    half = length // 2
    places = torch.stack(
        [
            torch.randint(0, half, (rows,), generator=generator),
            torch.randint(half, length, (rows,), generator=generator),
        ],
        dim=1,
    )  # (B, 2)
    marks.scatter_(1, places, 1.0)
    return torch.stack([numbers, marks], dim=2), (numbers * marks).sum(1)


def learn(cell_type: str, options: argparse.Namespace) -> Run:
    """Train one cell and measure it now and then on the same 1,000 sequences."""
    torch.manual_seed(options.seed)
    device = torch.device(options.device)
    model = Adder(cell_type, options.hidden).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    generator = torch.Generator().manual_seed(options.seed)
    held, sums = (part.to(device) for part in draw(1000, options.length, torch.Generator().manual_seed(10_000)))
    run, started = Run(cell_type), time.perf_counter()
    for step in range(options.steps + 1):
        if step % options.every == 0 or step == options.steps:
            with torch.inference_mode():
                error = (model(held) - sums).square().mean().item()
            run.steps.append(step)
            run.errors.append(error)
            print(f"{CALLED[cell_type]:20} step {step:5}  error {error:.4f}", flush=True)
            if error < options.enough:
                break
        values, wanted = (part.to(device) for part in draw(options.batch, options.length, generator))
        loss = (model(values) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    run.seconds = time.perf_counter() - started
    return run


def plot(runs: list[Run], length: int, file: Path) -> None:
    """Draw error against step, one line a cell."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for run in runs:
        axes.plot(run.steps, run.errors, label=CALLED[run.cell_type])
    axes.axhline(BASELINE, color="gray", linestyle="--", label="always 1: variance 1/6")
    axes.set(xlabel="step", ylabel="mean squared error", yscale="log", title=f"Adding problem over {length} steps")
    axes.legend()
    figure.savefig(file, dpi=120)


def main() -> None:
    """Train, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", choices=CELL_TYPES, default=["lstm", "rnn"])
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--every", type=int, default=100, help="steps between measurements")
    parser.add_argument("--enough", type=float, default=0.001, help="end where the error is below")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--plot", type=Path, help="PNG file to write")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    runs = [learn(cell_type, options) for cell_type in options.cells]
    print(f"\nadding problem over {options.length} steps; always answering 1 has an error of {BASELINE:.4f}")
    for run in runs:
        ratio = run.errors[-1] / BASELINE
        print(
            f"{CALLED[run.cell_type]:20} error {run.errors[-1]:.4f} ({100 * ratio:5.1f} % of that) "
            f"after {run.steps[-1]:,} steps, {run.seconds:.0f} s"
        )
    if options.plot:
        plot(runs, options.length, options.plot)
        print(options.plot)


if __name__ == "__main__":
    main()
