"""Training of recurrent language models by truncated backpropagation through time.

The text is one stream of tokens, cut into as many parallel streams as a batch has rows. A step reads the next `bptt`
tokens of each; the state goes on from step to step, but gradients do not (Mikolov et al. 2010; Zaremba, Sutskever and
Vinyals 2014, section 4.1). So a token is guessed from all that stands before it, at the cost of a short window.

What dropout draws is a function of seed, step and process: a run that was killed continues with the same result.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedModel, TrainingArguments, get_scheduler
from tsugiki.durations import Stopwatch
from tsugiki.errors import DataError, OptionError, did_you_mean
from tsugiki.tensor_table import IGNORED, TensorTable
from tsugiki.training.arguments import EARLY_STOPPING as PATIENCE
from tsugiki.training.arguments import training_arguments
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions, whole
from tsugiki.training.phases import join_results, run_phase
from tsugiki.training.resumable import STATE, StateFile

from ..recurrent.recurrent_state import RecurrentState
from ..texts.named_texts import named_texts
from .language_model_checkpoint import Progress, read_checkpoint, write_checkpoint
from .language_modelling import token_nats
from .parallel_streams import ParallelStreams
from .token_windows import CONTEXT, window_table

PRETRAIN = "pretrain"
TAKEN = (  # of TrainingArguments; what else it has would be ignored, so it is refused
    *("learning_rate", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm", "bf16", "seed"),
    *("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "num_train_epochs", "use_cpu"),
    *("per_device_train_batch_size", "save_strategy", "save_steps", "save_total_limit"),
)
SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup", "polynomial", "cosine_with_restarts")
VALIDATION_ROWS = 32  # windows a batch
PIECE = 1 << 21  # logits that a piece of the loss is computed from


@dataclass(frozen=True)
class StreamOptions(TrainerOptions):
    """What the training of language models takes besides the fields of `TrainingArguments` in `TAKEN`.

    Attributes:
        bptt: Tokens of a step.
        early_stopping_patience: After how many epochs without a better validation loss to stop, with the best epoch's
            weights.
    """

    bptt: int = whole(128, least=1)
    early_stopping_patience: int | None = whole(None, least=1)


OWN_OPTIONS = tuple(item.name for item in fields(StreamOptions))


def train_language_model(model: PreTrainedModel, job: TrainingJob) -> FitResult:
    """Train a recurrent language model in place, with AdamW.

    Runs unchanged under ``accelerate launch``: several processes share the parallel streams of a step. The argument
    ``per_device_train_batch_size`` is the number of streams of all of them together. With ``save_strategy`` ``steps``
    checkpoints fall within an epoch too.

    Args:
        model: A causal language model whose ``past_key_values`` is a `RecurrentState`.
        job: Its rows are those of `token_windows.window_table`; windows that were taken out are read as context,
            and not asked for. Its arguments are those of `StreamOptions` and `TAKEN`, and ``pretrain``: other texts to
            train on first, as `named_texts` takes them, with the arguments that differ there, for which its processor
            is needed. Of validation rows the mean loss counts, whatever the task.

    Returns:
        The record of the run; its best figure is the lowest validation loss, in nats a token.

    Raises:
        OptionError: An option is unknown or out of range, or the folder holds a run with other options.
        DataError: The table holds no stream of tokens, or the loss is not finite.
    """
    arguments = dict(job.arguments)
    spec = arguments.pop(PRETRAIN, None)
    job = replace(job, arguments=arguments)
    if spec is None:
        return _train_stream(model, job)
    if job.processor is None:
        raise OptionError(f"{PRETRAIN} reads other texts: give the model's tokenizer as processor=")
    if not isinstance(spec, Mapping):
        raise OptionError(f"{PRETRAIN} must name a data set with id and split, not {spec!r}")
    first = {name: value for name, value in arguments.items() if name != PATIENCE}
    first |= {name: value for name, value in spec.items() if name in (*TAKEN, *OWN_OPTIONS)}
    source = {name: value for name, value in spec.items() if name not in (*TAKEN, *OWN_OPTIONS)}

    def pretrain(model: PreTrainedModel, phase: TrainingJob) -> FitResult:
        texts = named_texts(source, where=PRETRAIN)
        return _train_stream(model, replace(phase, train=window_table(texts, job.processor)))

    phase = run_phase(model, job.phase(PRETRAIN, arguments=first), pretrain)
    return join_results([phase, _train_stream(model, job)])


def _train_stream(model: PreTrainedModel, job: TrainingJob) -> FitResult:
    """Train on one stream."""
    own, args = _read_options(job)
    streams = ParallelStreams.of(job.train, args.per_device_train_batch_size, own.bptt)
    run = {
        "stream": zlib.crc32(streams.inputs.numpy().tobytes()),
        "asked": zlib.crc32(streams.targets.numpy().tobytes()),
        "options": {name: value for name, value in job.arguments.items() if not name.startswith("save_")},
    }
    state = StateFile(job.output_dir / STATE, run)
    accelerator = Accelerator(cpu=args.use_cpu, mixed_precision="no")  # whose own bf16 copies all logits to fp32
    if args.per_device_train_batch_size % accelerator.num_processes:
        raise OptionError(
            f"per_device_train_batch_size = {args.per_device_train_batch_size} parallel streams cannot be shared by "
            f"{accelerator.num_processes} processes; take a multiple"
        )
    model.to(accelerator.device)
    loop = _Loop(model, streams, args, accelerator, state, resume=job.resume)
    bar = tqdm(
        total=loop.total,
        initial=loop.progress.step,
        desc=job.title,
        dynamic_ncols=True,
        disable=not (job.progress and accelerator.is_main_process),
    )
    with bar:
        while not loop.finished(own.early_stopping_patience):
            loop.epoch(job.validation, bar)
    if own.early_stopping_patience is not None:
        loop.take_best()
    model.eval()
    return FitResult(
        history=loop.progress.history,
        seconds=loop.progress.seconds,
        steps=loop.progress.step,
        processes=accelerator.num_processes,
        best_metric=loop.progress.best_loss,
        precision="bf16" if args.bf16 else "fp32",
        device=str(accelerator.device),
    )


class _Loop:
    """A training under way: the network, its optimizer, and how far it is."""

    def __init__(
        self,
        model: PreTrainedModel,
        streams: ParallelStreams,
        args: TrainingArguments,
        accelerator: Accelerator,
        state: StateFile,
        *,
        resume: bool,
    ) -> None:
        self.model, self.streams, self.args, self.accelerator, self.state = model, streams, args, accelerator, state
        self.total = math.ceil(args.num_train_epochs * len(streams))
        self.parameters = [one for one in model.parameters() if one.requires_grad]
        self.optimizer = _optimizer(self.parameters, args, accelerator.device)
        self.scheduler = get_scheduler(
            args.lr_scheduler_type,
            self.optimizer,
            num_warmup_steps=args.get_warmup_steps(self.total),
            num_training_steps=self.total,
            scheduler_specific_kwargs=args.lr_scheduler_kwargs or None,  # type: ignore[arg-type]
        )
        share = args.per_device_train_batch_size // accelerator.num_processes
        self.rows = slice(accelerator.process_index * share, (accelerator.process_index + 1) * share)
        found = read_checkpoint(state, model, self.optimizer, self.scheduler) if resume else None
        self.progress = found or Progress()
        self.wrapped = accelerator.prepare_model(model)

    def autocast(self) -> torch.autocast:
        """The number format of a forward pass: bf16 where it is asked for."""
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.args.bf16)

    def finished(self, patience: int | None) -> bool:
        """Whether all steps are taken, or the validation loss has not fallen for so many epochs."""
        stale = patience is not None and self.progress.stale_epochs >= patience
        return self.progress.step >= self.total or stale

    def epoch(self, validation: TensorTable | None, bar: tqdm[Any]) -> None:
        """Read the streams from where the last checkpoint is to their ends, or as far as steps are to be taken."""
        stopwatch = Stopwatch(self.progress.seconds)
        number = self.progress.step // len(self.streams)
        end = min((number + 1) * len(self.streams), self.total)
        state = self._own_rows(self.progress.state)
        nats: list[Tensor] = []  # of this process, since the last checkpoint
        while self.progress.step < end:
            state, lost, asked = self._step(self.progress.step % len(self.streams), state)
            nats.append(lost)
            self.progress.asked += asked
            self.progress.step += 1
            bar.update()
            if self._saves_at(self.progress.step) and self.progress.step < end:
                self._add_up(nats)
                self.progress.state = self._all_rows(state)
                self._save(stopwatch)
        self._add_up(nats)
        self._close_epoch(end / len(self.streams), validation)
        self.progress.seconds = stopwatch.seconds
        last = self.progress.history[-1]
        bar.set_postfix({name: f"{last[name]:.4f}" for name in ("loss", "eval_loss") if name in last})
        if self.args.save_strategy != "no":
            self._save(stopwatch)

    def _step(self, column: int, state: RecurrentState | None) -> tuple[RecurrentState, Tensor, int]:
        """One update; returns the state after it, the nats of this process's rows, and the tokens of all rows."""
        device = self.accelerator.device
        step, process = self.progress.step, self.accelerator.process_index
        torch.manual_seed(((self.args.seed * 1_000_003 + step) * 1_009 + process) % 2**63)
        inputs, targets, asked = self.streams.step(column, self.rows)
        self.wrapped.train()
        with self.autocast():
            output = self.wrapped(input_ids=inputs.to(device), past_key_values=state, use_cache=True)
        nats = summed_cross_entropy(output.logits.flatten(0, 1), targets.to(device).flatten())
        # Processes average their gradients; each gives its share of the mean over the tokens of all.
        self.accelerator.backward(nats * (self.accelerator.num_processes / max(asked, 1)))
        if self.args.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.args.max_grad_norm)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        kept = output.past_key_values
        return RecurrentState(tuple(part.detach() for part in kept.tensors)), nats.detach(), asked

    def _add_up(self, nats: list[Tensor]) -> None:
        """Move the nats of some steps, those of all processes, into the epoch's sum. Reading them waits for a GPU."""
        if nats:
            self.progress.nats += sum_over_processes([float(torch.stack(nats).cpu().double().sum())], self.accelerator)[
                0
            ]
            nats.clear()

    def _close_epoch(self, epochs: float, validation: TensorTable | None) -> None:
        """Write an epoch's figures into the history, and keep its weights where they are the best."""
        progress = self.progress
        loss = progress.nats / max(progress.asked, 1)
        if not math.isfinite(loss):
            raise DataError(f"the loss is {loss} after {epochs:g} epochs; take a lower learning_rate or max_grad_norm")
        entry = {"epoch": epochs, "loss": loss, "learning_rate": float(self.scheduler.get_last_lr()[0])}
        if validation is not None:
            with self.autocast():
                entry["eval_loss"] = validation_loss(self.model, validation, self.accelerator)
            if progress.best_loss is None or entry["eval_loss"] < progress.best_loss:
                progress.best_loss, progress.stale_epochs = entry["eval_loss"], 0
                progress.best = {name: one.detach().cpu().clone() for name, one in self.model.named_parameters()}
            else:
                progress.stale_epochs += 1
        progress.history.append(entry)
        progress.nats, progress.asked, progress.state = 0.0, 0, None

    def take_best(self) -> None:
        """Give the model the weights of its best epoch."""
        with torch.no_grad():
            for name, one in self.model.named_parameters():
                one.copy_(self.progress.best[name])

    def _saves_at(self, step: int) -> bool:
        """Whether a checkpoint within an epoch is due."""
        args = self.args
        return bool(args.save_strategy == "steps") and step % max(1, round(args.save_steps)) == 0

    def _save(self, stopwatch: Stopwatch) -> None:
        self.progress.seconds = stopwatch.seconds
        write_checkpoint(self.state, self.progress, self.model, self.optimizer, self.scheduler)

    def _all_rows(self, state: RecurrentState | None) -> tuple[Tensor, ...] | None:
        """The state of all processes' rows, (B, layers, H) each."""
        if state is None or state.tensors is None:
            return None
        return tuple(self.accelerator.gather(part.float().transpose(0, 1).contiguous()).cpu() for part in state.tensors)

    def _own_rows(self, tensors: tuple[Tensor, ...] | None) -> RecurrentState | None:
        """The state of this process's rows, (layers, B / processes, H) each."""
        if tensors is None:
            return None
        device = self.accelerator.device
        return RecurrentState(tuple(part[self.rows].transpose(0, 1).contiguous().to(device) for part in tensors))


@torch.inference_mode()
def validation_loss(model: PreTrainedModel, table: TensorTable, accelerator: Accelerator) -> float:
    """Mean nats a token of a table of windows; several processes share its rows."""
    model.eval()
    mine = table.select(torch.arange(accelerator.process_index, len(table), accelerator.num_processes))
    total, count = 0.0, 0.0
    for batch in mine.batches(VALIDATION_ROWS, device=accelerator.device):
        asked = batch["labels"][:, CONTEXT:] != IGNORED
        nats = token_nats(model, batch["input_ids"], first=CONTEXT)
        total += float((nats * asked).sum())
        count += float(asked.sum())
    total, count = sum_over_processes([total, count], accelerator)
    return total / count


def summed_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-ln P of the targets (N,), added up in fp32, from logits (N, V); -100 asks for nothing.

    It is computed in pieces that memory is reused for: with a large vocabulary, half of a step on a CPU would go into
    getting fresh pages for the whole.
    """
    rows = max(1, PIECE // logits.shape[1])
    pieces = [
        F.cross_entropy(some.float(), asked, ignore_index=IGNORED, reduction="sum")
        for some, asked in zip(logits.split(rows), targets.split(rows), strict=True)
    ]
    return torch.stack(pieces).sum()


def sum_over_processes(values: list[float], accelerator: Accelerator) -> list[float]:
    """Each number added up over all processes."""
    if accelerator.num_processes == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=accelerator.device)
    return [float(value) for value in accelerator.reduce(tensor, "sum")]


def _optimizer(parameters: list[Any], args: TrainingArguments, device: torch.device) -> torch.optim.AdamW:
    """AdamW that decays matrices alone, not biases and peepholes' or norms' vectors."""
    decayed = [one for one in parameters if one.ndim > 1]
    rest = [one for one in parameters if one.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": args.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=args.learning_rate,
        betas=(args.adam_beta1, args.adam_beta2),
        eps=args.adam_epsilon,
        fused=device.type in ("cpu", "cuda"),
    )


def _read_options(job: TrainingJob) -> tuple[StreamOptions, TrainingArguments]:
    """Our own options, and the library's."""
    own, rest = job.split_options(StreamOptions)
    for name in rest.arguments:
        if name not in TAKEN:
            raise OptionError(
                f"training option {name!r} is unknown to the training of language models."
                f"{did_you_mean(name, (*TAKEN, *OWN_OPTIONS, PRETRAIN))}"
            )
    if own.early_stopping_patience is not None and job.validation is None:
        raise OptionError(f"{PATIENCE} needs validation data")
    args = training_arguments(job.output_dir, rest.arguments)
    if (schedule := str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))) not in SCHEDULES:
        raise OptionError(f"lr_scheduler_type must be one of {', '.join(SCHEDULES)}, not {schedule!r}")
    if args.num_train_epochs <= 0 or args.per_device_train_batch_size < 1:
        raise OptionError(
            f"num_train_epochs must be above 0 and per_device_train_batch_size at least 1, not {args.num_train_epochs} "
            f"and {args.per_device_train_batch_size}"
        )
    return own, args
