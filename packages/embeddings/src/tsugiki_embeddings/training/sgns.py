"""word2vec: skip-gram with negative sampling by matrix products, on one or many processes, CPU or GPU.

The published C code and gensim take one pair of words at a time, a product of two vectors. Here a step works on blocks
of consecutive words (`sgns_batches`): every word of a block is multiplied with every centre of it and with negatives
that the block shares, and all but the window is masked away. Sharing negatives so that vector products become matrix
products is the idea of Ji et al. 2016, Parallelizing word2vec in shared and distributed memory; a block of running text
in place of one window makes the matrices large enough for a GPU. The gradient of a step is the sum over its pairs, as
in a pass of plain SGD over them.

The same seed gives the same bits, however many threads prepare the steps. Several processes share the blocks of a step
and give what one gives, to rounding.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm
from tsugiki.errors import DataError, OptionError
from tsugiki.output import write_bytes

from ..words.word_tokenizer import SPECIAL
from .sgns_batches import Corpus, Layout, SkipGramBatches, Step, keep_probabilities
from .trained_vectors import TrainedVectors

CHECKPOINT = "sgns.safetensors"
LARGEST_BATCH = 2048  # centre words; more is no faster on a CPU
HITS = 16.0  # how often the commonest word may be expected among the centres of a step
FARTHEST = 1.0  # how far a vector may move in a step; the same word over and over, as in garbage, would send it off


def train_sgns(
    tokens: NDArray[np.int32],
    offsets: NDArray[np.int64],
    *,
    vocab_size: int,
    dimension: int,
    seed: int,
    output_dir: str | Path,
    progress: bool = True,
    title: str = "training",
    epochs: int = 5,
    window: int = 5,
    negatives: int = 5,
    sample: float = 1e-4,
    learning_rate: float = 0.025,
    min_learning_rate: float = 1e-4,
    noise_exponent: float = 0.75,
    block_words: int = 32,
    shared_negatives: int = 32,
    batch_words: int | None = None,
    workers: int = 0,
    device: str | None = None,
) -> TrainedVectors:
    """Train word vectors by skip-gram with negative sampling (Mikolov et al. 2013).

    Runs unchanged under ``accelerate launch``. A run that was killed continues after its last whole epoch when it is
    started again with the same options, and ends with the same vectors.

    Args:
        tokens: Numbers of words of the whole corpus, int32 (T,); 0 and 1 (padding, unknown) are left out.
        offsets: Where each text begins, and the end, int64 (N + 1,).
        vocab_size: V, with the two special tokens.
        dimension: D.
        seed: At least 0; the same seed gives the same bits on the same device.
        output_dir: Folder of the run, for checkpoints.
        progress: Show a progress bar.
        title: What the bar calls the run.
        epochs: Passes over the corpus.
        window: Words to each side at most; every centre draws its own from 1 to this.
        negatives: Weight of the negatives of a pair, k of the paper.
        sample: Threshold of subsampling; 0 keeps every word.
        learning_rate: At the start; it falls linearly.
        min_learning_rate: At the end.
        noise_exponent: Power of the counts that negatives are drawn by.
        block_words: Centre words of a block.
        shared_negatives: Negatives drawn for a block; each counts ``negatives / shared_negatives`` for every pair.
        batch_words: Centre words of a step, over all processes; by default as many as the commonest word allows,
            `LARGEST_BATCH` at most.
        workers: Threads that prepare the steps ahead; the result is the same for any number.
        device: ``cpu`` to leave a GPU alone; by default what accelerate chooses.

    Returns:
        The input vectors; the history holds the mean loss per pair, its negatives included.

    Raises:
        DataError: The corpus has fewer than two words, or the vectors do not fit into memory.
        OptionError: An option is out of range, or `output_dir` holds a run with other options.
    """
    _check(locals())
    accelerator = Accelerator(cpu=device == "cpu")
    _check_memory(vocab_size, dimension, accelerator.device)
    corpus = Corpus(tokens, offsets, vocab_size)
    batch_words = batch_words or largest_batch(corpus.counts, sample)
    layout = Layout(window, negatives, block_words, shared_negatives, max(1, batch_words // block_words))
    batches = SkipGramBatches(corpus, layout, sample=sample, exponent=noise_exponent, seed=seed, epochs=epochs)
    run = {
        "corpus": zlib.crc32(corpus.words.tobytes()),
        "texts": zlib.crc32(np.ascontiguousarray(offsets).tobytes()),
        "vectors": [vocab_size, dimension, seed, epochs, window, negatives, sample, noise_exponent],
        "batches": [learning_rate, min_learning_rate, block_words, shared_negatives, layout.blocks],
    }
    file = Path(output_dir) / CHECKPOINT
    table, history, steps = _resume(file, run) or (first_vectors(vocab_size, dimension, seed), [], 0)
    table = table.to(accelerator.device)
    bar = tqdm(
        total=epochs * len(corpus.words),
        initial=len(history) * len(corpus.words),
        desc=title,
        unit="word",
        unit_scale=True,
        dynamic_ncols=True,
        disable=not (progress and accelerator.is_main_process),
    )
    with bar:
        for epoch in range(len(history), epochs):
            loss, pairs = 0.0, 0
            for part in batches.epoch(epoch, workers):
                losses = torch.zeros((), device=accelerator.device)  # read once a part: reading waits for the device
                for step in part:
                    rate = learning_rate - (learning_rate - min_learning_rate) * step.progress
                    losses += train_step(table, step, layout, rate, accelerator)
                    pairs += step.pairs
                loss += float(losses)
                steps += len(part)
                bar.update(len(corpus.words) / corpus.parts)
            if pairs == 0:
                raise DataError("no two words of the corpus are left beside each other; take more text or sample=0")
            mean = float(accelerator.reduce(torch.tensor(loss / pairs, device=accelerator.device), "sum"))
            if not np.isfinite(mean):
                raise DataError(f"the loss is {mean} in epoch {epoch + 1}; take a lower learning_rate or batch_words")
            history.append({"epoch": float(epoch + 1), "loss": mean})
            bar.set_postfix(loss=f"{mean:.4f}")
            if accelerator.is_main_process:
                _save(file, table, run | {"history": history, "steps": steps})
            accelerator.wait_for_everyone()
    return TrainedVectors(
        matrix=table[:vocab_size].cpu().numpy().copy(),
        history=history,
        steps=steps,
        device=str(accelerator.device),
        processes=accelerator.num_processes,
        precision="bf16" if accelerator.mixed_precision == "bf16" else "fp32",
    )


def largest_batch(counts: NDArray[np.int64], sample: float) -> int:
    """Centre words of a step that let the commonest word occur about `HITS` times in it.

    The updates of a step are computed at one point and added. A word that occurs often in a step moves by the sum, and
    with too many it overshoots.

    Args:
        counts: How often each word occurs, (V,).
        sample: Threshold of subsampling.
    """
    kept = counts * keep_probabilities(counts, sample)
    return int(min(LARGEST_BATCH, max(1.0, HITS * kept.sum() / kept.max())))


def first_vectors(vocab_size: int, dimension: int, seed: int) -> Tensor:
    """The table before training, (2V, D): vectors uniform within 1 / 2D, output vectors zero, as in word2vec."""
    table = torch.zeros(2 * vocab_size, dimension)
    table[SPECIAL:vocab_size].uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(seed)).div_(dimension)
    return table


@torch.no_grad()
def train_step(table: Tensor, step: Step, layout: Layout, learning_rate: float, accelerator: Accelerator) -> Tensor:
    """Update the table in place by one step, of which each process computes its share.

    Returns:
        The loss summed over this process's pairs, ().
    """
    device, processes = table.device, accelerator.num_processes
    share = -(-len(step.rows) // processes)
    mine = slice(accelerator.process_index * share, (accelerator.process_index + 1) * share)
    rows = torch.from_numpy(step.rows[mine]).to(device, non_blocking=True)
    left = torch.from_numpy(step.left[mine]).to(device, non_blocking=True)
    right = torch.from_numpy(step.right[mine]).to(device, non_blocking=True)
    found = table.index_select(0, rows.view(-1)).view(*rows.shape, -1)  # (g, I + B + K, D)
    if accelerator.mixed_precision == "bf16":
        found = found.bfloat16()
    gradient, loss = block_gradient(found, left, right, layout)
    if processes > 1:
        if len(gradient) < share:  # the last processes may have fewer blocks, and what is gathered has one shape
            gradient = torch.cat([gradient, gradient.new_zeros(share - len(gradient), *gradient.shape[1:])])
        gradient = accelerator.gather(gradient)[: len(step.rows)]
    order, starts, unique = (torch.from_numpy(item).to(device) for item in (step.order, step.starts, step.unique))
    # one sum for each row of the table, in the order of the blocks: no atomic additions, so the same bits every time
    sums = F.embedding_bag(order, gradient.float().view(-1, table.shape[1]), starts, mode="sum")  # (U, D)
    lengths = torch.linalg.vector_norm(sums, dim=1, keepdim=True)  # (U, 1)
    sums *= (FARTHEST / (learning_rate * lengths)).clamp_(max=1)
    table.index_add_(0, unique, sums, alpha=-learning_rate)
    return loss


def block_gradient(rows: Tensor, left: Tensor, right: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Loss of some blocks, and its gradient with respect to each of their rows.

    A pair of an input vector v and the output vector u of a centre within the window costs
    -log s(u v) - (k / K) sum over the block's K negatives n of log s(-n v), with s the logistic function: in
    expectation over the negatives, equation 4 of Mikolov et al. 2013.

    Args:
        rows: Input vectors, output vectors of the centres, output vectors of the negatives, (G, I + B + K, D).
        left: Words to the left of each centre that are paired with it, int8 (G, B).
        right: The same to the right.
        layout: The sizes.

    Returns:
        The gradient (G, I + B + K, D), and the loss summed over all pairs, ().
    """
    inputs, outputs = rows[:, : layout.inputs], rows[:, layout.inputs :]
    places = torch.arange(layout.inputs, dtype=torch.int8, device=rows.device)
    beside = places[:, None] - places[None, : layout.block] - layout.window  # (I, B), place of an input from a centre
    paired = (beside >= -left[:, None]) & (beside <= right[:, None]) & (beside != 0)  # (G, I, B)
    weights = torch.empty(len(rows), layout.inputs, layout.block + layout.shared, dtype=rows.dtype, device=rows.device)
    weights[..., : layout.block] = paired
    times = paired.sum(2, keepdim=True, dtype=rows.dtype)  # (G, I, 1), pairs that an input is in
    weights[..., layout.block :] = times * (layout.negatives / layout.shared)
    errors = torch.bmm(inputs, outputs.mT).sigmoid_()  # (G, I, B + K)
    errors[..., : layout.block] -= 1
    loss = errors.abs().clamp_(max=1 - 2**-24).neg_().log1p_().mul_(weights).sum().neg_()
    errors *= weights
    gradient = torch.empty_like(rows)
    torch.bmm(errors, outputs, out=gradient[:, : layout.inputs])
    torch.bmm(errors.mT, inputs, out=gradient[:, layout.inputs :])
    return gradient, loss


def _check(options: dict[str, Any]) -> None:
    """Refuse options that are out of range."""
    least = {"dimension": 1, "seed": 0, "epochs": 1, "window": 1, "negatives": 1, "sample": 0, "min_learning_rate": 0}
    least |= {"learning_rate": 0, "noise_exponent": 0, "block_words": 1, "shared_negatives": 1, "workers": 0}
    for name, bound in least.items():
        if not options[name] >= bound:
            raise OptionError(f"{name} must be at least {bound}, not {options[name]}")
    if options["batch_words"] is not None and options["batch_words"] < 1:
        raise OptionError(f"batch_words must be at least 1, not {options['batch_words']}")
    if options["block_words"] + 2 * options["window"] > 127:  # places in a block are counted in 8 bits
        raise OptionError(
            f"block_words + 2 window must be at most 127, not {options['block_words']} + 2 * {options['window']}"
        )
    if options["sample"] >= 1:
        raise OptionError(f"sample is a share of the corpus, below 1, not {options['sample']}")


def _check_memory(vocab_size: int, dimension: int, device: torch.device) -> None:
    """Refuse a table that does not fit, before the machine runs out of memory."""
    needed = 2 * vocab_size * dimension * 4
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"vectors of {vocab_size:,} words in {dimension} dimensions need {needed / 1e9:,.1f} GB, and "
            f"{free / 1e9:,.1f} GB are free on {device}; take a higher min_count, max_words, or a lower dimension"
        )


def _save(file: Path, table: Tensor, run: dict[str, Any]) -> None:
    """One file, so that table and record are of one moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, safetensors.torch.save({"table": table.cpu()}, metadata={"run": json.dumps(run)}))


def _resume(file: Path, run: dict[str, Any]) -> tuple[Tensor, list[dict[str, float]], int] | None:
    """Table, history and steps of an unfinished run, if there is one.

    Raises:
        OptionError: It has other options or another corpus.
    """
    if not file.is_file():
        return None
    with safetensors.safe_open(file, framework="pt") as opened:
        found = json.loads(opened.metadata()["run"])
        history, steps = found.pop("history"), found.pop("steps")
        if found != run:
            raise OptionError(f"{file} is of a training with other options or another corpus; remove it to start anew")
        return opened.get_tensor("table"), history, steps
