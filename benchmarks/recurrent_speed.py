"""The recurrent language model against a plain loop around `nn.GRU`: steps of training, and greedy generation.

    python benchmarks/recurrent_speed.py [--hidden 512] [--vocabulary 4000] [--batch 32] [--length 64] [--cpu-time]

Both networks have the same sizes, the same weights and the same optimiser, read the same batches and take turns. The
plain one is written here as one would write it without a library: embedding, `nn.GRU`, linear layer, and for generation
a loop that feeds the likeliest token and the state back. Ratios are its median time over ours, so above 1 ours is
faster; both losses and both texts are compared too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tsugiki_seq2seq.recurrent.recurrent import RecurrentConfig, RecurrentForCausalLM


class PlainModel(nn.Module):
    """Embedding, `nn.GRU` and a linear layer."""

    def __init__(self, vocabulary: int, hidden: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(vocabulary, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, ids: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Token numbers (B, L) to logits (B, L, V) and the state after them."""
        outputs, state = self.gru(self.embeddings(ids), state)
        return self.output(outputs), state

    @torch.inference_mode()
    def write(self, ids: Tensor, new: int) -> Tensor:
        """Go on from a beginning (B, L) with the likeliest tokens (B, L + new)."""
        written = [ids]
        logits, state = self(ids)
        for _ in range(new):
            token = logits[:, -1].argmax(-1, keepdim=True)  # (B, 1)
            written.append(token)
            logits, state = self(token, state)
        return torch.cat(written, dim=1)


def same_weights(model: RecurrentForCausalLM, plain: PlainModel) -> None:
    """Copy the weights of ours into the plain one."""
    plain.embeddings.load_state_dict(model.recurrent.embeddings.state_dict())
    plain.gru.load_state_dict(model.recurrent.layers.forwards[0].state_dict())
    plain.output.load_state_dict(model.lm_head.state_dict())


def ours_step(model: RecurrentForCausalLM, ids: Tensor) -> Tensor:
    """The loss of a batch."""
    return model(input_ids=ids, labels=ids).loss


def plain_step(model: PlainModel, ids: Tensor) -> Tensor:
    """The loss of a batch."""
    logits, _ = model(ids[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def in_turns(
    runs: dict[str, Callable[[int], object]], repeats: int, device: torch.device, clock: Callable[[], float]
) -> tuple[dict[str, float], dict[str, list[object]]]:
    """The median time of each run and what it gave every time; the first turn warms up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    given: dict[str, list[object]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            started = clock()
            result = run(turn)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if turn:
                times[name].append(clock() - started)
            given[name].append(result)
    return {name: statistics.median(found) for name, found in times.items()}, given


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=64, help="tokens a row in training")
    parser.add_argument("--prompt", type=int, default=8, help="tokens that generation begins with")
    parser.add_argument("--new", type=int, default=64, help="tokens that generation writes")
    parser.add_argument("--steps", type=int, default=15, help="steps of training, and half as many generations")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cpu-time", action="store_true", help="count the processor's time: others use it too")
    options = parser.parse_args()

    clock = time.process_time if options.cpu_time else time.perf_counter
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)
    config = RecurrentConfig(
        vocab_size=options.vocabulary, hidden_size=options.hidden, cell_type="gru", eos_token_id=None, pad_token_id=0
    )
    model, plain = RecurrentForCausalLM(config), PlainModel(options.vocabulary, options.hidden)
    same_weights(model, plain)
    model.to(device)  # type: ignore[arg-type]
    plain.to(device)
    generator = torch.Generator().manual_seed(1)
    shape = (options.steps + 1, options.batch, options.length)
    batches = torch.randint(1, options.vocabulary, shape, generator=generator).to(device)
    print(f"GRU of {options.hidden}, vocabulary {options.vocabulary:,}, batch {options.batch}, {device}")

    prompt = batches[0, :, : options.prompt]
    model.eval()
    text_runs: dict[str, Callable[[int], object]] = {
        "plain loop": lambda turn: plain.write(prompt, options.new),
        "generate()": lambda turn: model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=options.new
        ),
    }
    medians, texts = in_turns(text_runs, max(1, options.steps // 2), device, clock)
    first, second = (found[0] for found in texts.values())
    same = float((torch.as_tensor(first) == torch.as_tensor(second)).float().mean())
    report(f"generation of {options.new} tokens, {100 * same:.1f} % of them the same", medians)

    model.train()
    optimizers = {
        name: torch.optim.AdamW(net.parameters(), lr=1e-3) for name, net in (("ours", model), ("plain", plain))
    }

    def learn(name: str, loss: Tensor) -> float:
        optimizers[name].zero_grad()
        loss.backward()
        optimizers[name].step()
        return loss.item()

    step_runs: dict[str, Callable[[int], object]] = {
        "nn.GRU": lambda turn: learn("plain", plain_step(plain, batches[turn])),
        "RecurrentForCausalLM": lambda turn: learn("ours", ours_step(model, batches[turn])),
    }
    medians, losses = in_turns(step_runs, options.steps, device, clock)
    last = [found[-1] for found in losses.values()]
    report(f"training on {options.length} tokens a row, last losses {last[0]:.4f} and {last[1]:.4f}", medians)


def report(title: str, medians: dict[str, float]) -> None:
    """Both times and the first over the second."""
    print(f"\n{title}")
    for name, median in medians.items():
        print(f"  {name:22} {1000 * median:9.1f} ms")
    first, second = medians.values()
    print(f"  {'ratio':22} {first / second:9.2f}")


if __name__ == "__main__":
    main()
