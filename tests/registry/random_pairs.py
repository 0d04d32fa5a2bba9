"""Random sources and targets for models that write, and what smoothing makes of their loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tsugiki.tensor_table import TensorTable
from tsugiki.training.arguments import training_arguments
from tsugiki.training.table_trainer import TableTrainer

VOCABULARY, ROWS, LENGTH = 20, 16, 6
TOKENS = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def pairs(seed: int = 0, rows: int = ROWS) -> TensorTable:
    """Random sources and targets; targets of different lengths, -100 behind their end."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (rows, LENGTH), generator=draw)
    labels = torch.randint(3, VOCABULARY, (rows, LENGTH), generator=draw)
    lengths = torch.randint(1, LENGTH + 1, (rows, 1), generator=draw)
    labels = labels.masked_fill(torch.arange(LENGTH) >= lengths, -100)
    return TensorTable({"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})


def check_smoothed_loss(model: Any, smoothing: float, folder: Path) -> None:
    """(1 - e) H(label) + e mean over all tokens of -ln P(token): Szegedy et al. 2016, section 7."""
    batch = pairs().batch(range(ROWS))
    arguments = training_arguments(folder, {"label_smoothing_factor": smoothing})
    trainer = TableTrainer(model=model, args=arguments, train_dataset=pairs())
    with torch.no_grad():
        loss, outputs = trainer.compute_loss(model, dict(batch), return_outputs=True)
    labels = batch["labels"]
    start = torch.ones_like(labels[:, :1])
    read = torch.cat([start, labels[:, :-1].clamp(min=0)], dim=1)  # the decoder's tokens: start, then all but the last
    sources = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    with torch.no_grad():
        logits = model(**sources, decoder_input_ids=read).logits
    torch.testing.assert_close(outputs["logits"], logits, rtol=1e-5, atol=1e-6)
    expected = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=smoothing)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    asked = labels != -100
    nats = -logits[asked].log_softmax(-1)
    chosen = nats.gather(1, labels[asked][:, None])[:, 0]
    by_hand = ((1 - smoothing) * chosen + smoothing * nats.mean(-1)).mean()
    assert float(loss) == pytest.approx(float(by_hand), rel=1e-5)
