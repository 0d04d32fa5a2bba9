"""Small trainings of several families, the job of one process and of two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tsugiki.evaluation import task_named
from tsugiki.registry import registry
from tsugiki.snapshots.loading import create_model
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki.training.processes import is_main_process
from tsugiki_seq2seq.language_models.token_windows import window_table
from tsugiki_seq2seq.texts.sentence_pairs import pair_table
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

ROWS, BATCH, STEPS = 48, 8, 8
SIZES: dict[str, dict[str, Any]] = {  # none has dropout, whose draws two processes do not share
    "recurrent-seq2seq": {"hidden_size": 12, "attention": "luong-general", "initializer_range": 0.3},
    "marian": {"dropout": 0.0, "init_std": 0.3},
    "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
}
SMOOTHING = {"marian": 0.1}
TASKS = {"recurrent-seq2seq": "text-translation", "marian": "text-translation", "gpt2": "text-generation"}


def counting(rows: int = ROWS) -> tuple[list[str], list[str]]:
    """Sources that count up and targets that count down; their lengths differ a good deal."""
    numbers = [[str((3 * row + place) % 11) for place in range(1 + row * 5 % 9)] for row in range(rows)]
    return [" ".join(row) for row in numbers], [" ".join(reversed(row)) for row in numbers]


def train_all(folder: Path) -> None:
    """Train every family."""
    for family in SIZES:
        train(family, folder)


def train(family: str, folder: Path) -> None:
    """Train one family, and write ``<family>.json`` (losses, processes) and ``<family>.safetensors``."""
    sources, targets = counting()
    tokenizer = learn_tokenizer(sources, kind="word")
    task = task_named(TASKS[family])
    table = window_table(sources * 8, tokenizer) if family == "gpt2" else pair_table(sources, targets, tokenizer)
    table = table.select(range(len(table) // BATCH * BATCH))  # a batch that is not full would be filled up differently
    torch.manual_seed(0)
    example = registry().family(family).declaration.example
    model = create_model(family, TASKS[family], **{**example, **SIZES[family], **task.processor_fields(tokenizer)})
    result = fit(
        model,
        TrainingJob(
            table,
            folder / f"{family}-run",
            {
                "max_steps": STEPS,
                "per_device_train_batch_size": BATCH,
                "learning_rate": 0.05,
                "optim": "sgd",
                "lr_scheduler_type": "constant",
                "label_smoothing_factor": SMOOTHING.get(family, 0.0),
                "logging_strategy": "steps",
                "logging_steps": 1,
                "seed": 3,
            },
            progress=False,
        ),
    )
    if is_main_process():
        losses = [entry["loss"] for entry in result.history if "loss" in entry]
        record = {"processes": result.processes, "steps": result.steps, "losses": losses}
        weights = {name: value.clone() for name, value in model.state_dict().items()}
        save_file(weights, folder / f"{family}.safetensors")
        (folder / f"{family}.json").write_text(json.dumps(record))
