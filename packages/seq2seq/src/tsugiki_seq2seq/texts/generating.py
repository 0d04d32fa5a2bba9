"""Texts that encoder-decoders write: how long they may get, how likely they are, and the best of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

MAX_NEW_TOKENS = 128  # where the model's generation config says nothing


def length_limit(model: Any, most: int = MAX_NEW_TOKENS) -> dict[str, int]:
    """The generation's length in tokens, where the model's own config names none."""
    return {} if model.generation_config.max_new_tokens is not None else {"max_new_tokens": most}


def log_probabilities(model: Any, written: Tensor, **inputs: Any) -> Tensor:
    """log P(written | source) in nats, the end token included (B,).

    Args:
        model: Any encoder-decoder of transformers.
        written: Decoder tokens (B, 1 + T), the start token first, padded behind the end, as ``generate()`` gives them.
        **inputs: What the model reads, first dimension B, such as ``input_ids`` and ``attention_mask``.
    """
    logits = model(**inputs, decoder_input_ids=written[:, :-1]).logits
    targets = written[:, 1:]
    nats = logits.float().log_softmax(-1).gather(2, targets[..., None])[..., 0]  # (B, T)
    ended = torch.isin(targets, torch.as_tensor(model.generation_config.eos_token_id, device=targets.device))
    real = ended.cumsum(1) - ended.long() == 0  # up to the first end token and with it
    return (nats * real).sum(1)


def best_texts(
    model: Any,
    tokenizer: Any,
    inputs: Mapping[str, Tensor],
    *,
    top_k: int,
    score: Callable[[Tensor], Tensor] | None = None,
    most: int = MAX_NEW_TOKENS,
) -> list[dict[str, Any]]:
    """The texts that a beam search ends with, likeliest first.

    Args:
        model: An encoder-decoder.
        tokenizer: Of what it writes.
        inputs: Of a single source, first dimension 1.
        top_k: How many texts; the search is at least as wide.
        score: From decoder tokens (top_k, 1 + T) to log-probabilities; by default `log_probabilities` of `inputs`.
        most: Tokens of a text, where the model's generation config says nothing.

    Returns:
        `{"label": text, "score": probability}` each.
    """
    with torch.inference_mode():
        written = model.generate(
            **inputs,
            num_beams=max(top_k, model.generation_config.num_beams or 1),
            num_return_sequences=top_k,
            do_sample=False,
            **length_limit(model, most),
        )
        if score is None:
            sources = {name: value.expand(top_k, *value.shape[1:]) for name, value in inputs.items()}
            scores = log_probabilities(model, written, **sources)
        else:
            scores = score(written)
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    return [{"label": texts[n], "score": float(scores[n].exp())} for n in scores.argsort(descending=True).tolist()]
