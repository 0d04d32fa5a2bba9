"""A small training of a language model, also the job of two processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import TrainingJob
from tsugiki.training.processes import is_main_process
from tsugiki_seq2seq.language_models.language_model_training import train_language_model
from tsugiki_seq2seq.language_models.token_windows import WINDOW, TokenWindows
from tsugiki_seq2seq.recurrent.recurrent import RecurrentConfig, RecurrentForCausalLM

VOCABULARY = 9
OPTIONS: dict[str, Any] = {
    "num_train_epochs": 2,
    "per_device_train_batch_size": 4,
    "bptt": 16,
    "learning_rate": 0.02,
    "max_grad_norm": 1.0,
    "warmup_steps": 3,
    "seed": 3,
    "use_cpu": True,
}


def stream_table(tokens: int = 401, seed: int = 0) -> TensorTable:
    """Windows over a stream in which each token says much about the next."""
    draw = torch.Generator().manual_seed(seed)
    steps = torch.randint(1, 3, (tokens,), generator=draw)
    stream = (steps.cumsum(0) % VOCABULARY).int()
    places = torch.arange(1, tokens, WINDOW)
    return TensorTable({"place": places}, transform=TokenWindows(stream, torch.ones(VOCABULARY)))


def network(**fields: Any) -> RecurrentForCausalLM:
    """A language model with tied embeddings."""
    torch.manual_seed(0)
    sizes = {"vocab_size": VOCABULARY, "hidden_size": 8, "embedding_size": 5, "tie_word_embeddings": True}
    return RecurrentForCausalLM(RecurrentConfig(**{**sizes, **fields}))


def train(folder: Path) -> None:
    """Train and leave weights and figures."""
    model = network()
    validation = stream_table(300, seed=1)
    result = train_language_model(
        model, TrainingJob(stream_table(), folder / "run", OPTIONS, validation=validation, progress=False)
    )
    if is_main_process():
        save_file(
            {name: one.detach().clone() for name, one in model.named_parameters()}, folder / "weights.safetensors"
        )
        record = {"processes": result.processes, "steps": result.steps, "history": result.history}
        (folder / "result.json").write_text(json.dumps(record), encoding="utf-8")
