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

import zlib
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm
from tsugiki.durations import Stopwatch
from tsugiki.errors import DataError, OptionError
from tsugiki.text_table import token_stream
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, number, whole
from tsugiki.training.resumable import STATE, StateFile

from ..vectors.word_vectors_model import WordVectorsModel
from ..words.word_tokenizer import SPECIAL
from .sgns_batches import Corpus, Layout, SkipGramBatches, Step, keep_probabilities

LARGEST_BATCH = 2048  # centre words; more is no faster on a CPU
HITS = 16.0  # how often the commonest word may be expected among the centres of a step
FARTHEST = 1.0  # how far a vector may move in a step; the same word over and over, as in garbage, would send it off


@dataclass(frozen=True)
class SGNSOptions(TrainerOptions):
    """Options of the method ``sgns``.

    Attributes:
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
    """

    owner: ClassVar[str] = "the method 'sgns'"

    epochs: int = whole(5, least=1)
    window: int = whole(5, least=1)
    negatives: int = whole(5, least=1)
    sample: float = number(1e-4, least=0, below=1)
    learning_rate: float = number(0.025, least=0)
    min_learning_rate: float = number(1e-4, least=0)
    noise_exponent: float = number(0.75, least=0)
    block_words: int = whole(32, least=1)
    shared_negatives: int = whole(32, least=1)
    batch_words: int | None = whole(None, least=1)
    workers: int = whole(0, least=0)
    device: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block_words + 2 * self.window > 127:  # places in a block are counted in 8 bits
            raise OptionError(f"block_words + 2 window must be at most 127, not {self.block_words} + 2 * {self.window}")

    def layout(self, counts: NDArray[np.int64]) -> Layout:
        """Sizes of a step over a corpus in which words occur so often (V,)."""
        batch = self.batch_words or largest_batch(counts, self.sample)
        blocks = max(1, batch // self.block_words)
        return Layout(self.window, self.negatives, self.block_words, self.shared_negatives, blocks)


def train_sgns(model: WordVectorsModel, job: TrainingJob) -> FitResult:
    """Train word vectors by skip-gram with negative sampling (Mikolov et al. 2013).

    Runs unchanged under ``accelerate launch``. A run that was killed continues after its last whole epoch.

    Args:
        model: Gets the input vectors; its vocabulary is that of the corpus.
        job: Its rows are the corpus, a `tsugiki.text_table.text_table`, and its arguments those of `SGNSOptions`.

    Returns:
        The history holds the mean loss per pair, its negatives included.

    Raises:
        DataError: The corpus has fewer than two words, or the vectors do not fit into memory.
        OptionError: An option is unknown or out of range, or the folder holds a run with other options.
    """
    options, seed = job.read_options(SGNSOptions), job.seed
    vocab_size, dimension = model.config.vocab_size, model.config.hidden_size
    accelerator = Accelerator(cpu=options.device == "cpu")
    _check_memory(vocab_size, dimension, accelerator.device)
    tokens, offsets = token_stream(job.train)
    corpus = Corpus(tokens, offsets, vocab_size)
    layout = options.layout(corpus.counts)
    batches = SkipGramBatches(
        corpus, layout, sample=options.sample, exponent=options.noise_exponent, seed=seed, epochs=options.epochs
    )
    run = {
        "corpus": zlib.crc32(corpus.words.tobytes()),
        "texts": zlib.crc32(offsets.tobytes()),
        "model": [vocab_size, dimension, seed],
        "options": asdict(replace(options, workers=0, device=None)),
    }
    state = StateFile(job.output_dir / STATE, run)
    if job.resume and (found := state.read()) is not None:
        table, record = found[0]["table"], found[1]
    else:
        table, record = first_vectors(vocab_size, dimension, seed), {}
    table, stopwatch = table.to(accelerator.device), Stopwatch(record.get("seconds", 0.0))
    history, steps = record.get("history", []), record.get("steps", 0)
    bar = tqdm(
        total=options.epochs * len(corpus.words),
        initial=len(history) * len(corpus.words),
        desc=job.title,
        unit="word",
        unit_scale=True,
        dynamic_ncols=True,
        disable=not (job.progress and accelerator.is_main_process),
    )
    with bar:
        for epoch in range(len(history), options.epochs):
            loss, pairs = 0.0, 0
            for part in batches.epoch(epoch, options.workers):
                losses = torch.zeros((), device=accelerator.device)  # read once a part: reading waits for the device
                for step in part:
                    rate = options.learning_rate
                    rate -= (options.learning_rate - options.min_learning_rate) * step.progress
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
            state.write({"table": table}, {"history": history, "steps": steps, "seconds": stopwatch.seconds})
    model.set_vectors(table[:vocab_size].cpu().numpy(), corpus.counts)
    return FitResult(
        seconds=stopwatch.seconds,
        history=history,
        steps=steps,
        processes=accelerator.num_processes,
        precision="bf16" if accelerator.mixed_precision == "bf16" else "fp32",
        device=str(accelerator.device),
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


def _check_memory(vocab_size: int, dimension: int, device: torch.device) -> None:
    """Refuse a table that does not fit, before the machine runs out of memory."""
    needed = 2 * vocab_size * dimension * 4
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"vectors of {vocab_size:,} words in {dimension} dimensions need {needed / 1e9:,.1f} GB, and "
            f"{free / 1e9:,.1f} GB are free on {device}; take a higher min_count, max_words, or a lower dimension"
        )
