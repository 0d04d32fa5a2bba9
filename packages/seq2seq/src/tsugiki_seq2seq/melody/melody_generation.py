"""Generation of a melody from its start note, by a language model of melodies."""

from __future__ import annotations

from typing import Any

import torch
from tsugiki.errors import DataError, OptionError

from .melody_data import KEYS, METRES, Melody, pitch_number, read_bars

MOST_TOKENS = 240  # of a melody; those of `tsugiki/melodies` have about 100


def grow_melody(
    model: Any,
    tokenizer: Any,
    start: str,
    *,
    key: str | None = None,
    metre: str | None = None,
    temperature: float = 0.8,
    seed: int = 0,
) -> tuple[str, Melody]:
    """Draw a melody that begins with a pitch.

    Key, metre and the length of the first note, where they are not given, are drawn from their probability given the
    pitch, P(key, metre, first note) over all that begin so; the rest is sampled note by note.

    Args:
        model: A causal language model of the texts of `tsugiki/melodies`.
        tokenizer: Its tokenizer, of words.
        start: The first pitch, such as ``C4``.
        key: One of `melody_data.KEYS`.
        metre: One of `melody_data.METRES`.
        temperature: Of the sampling, above 0; below 1 keeps to what is likely.
        seed: Of all draws.

    Returns:
        The text as the model wrote it, and the melody.

    Raises:
        OptionError: Start, key or metre is none that the model knows, or the temperature is out of range.
        DataError: The model is none of melodies, or wrote no note.
    """
    if not temperature > 0:
        raise OptionError(f"temperature must be above 0, not {temperature}")
    keys, metres = _choices(key, KEYS, "key"), _choices(metre, METRES, "metre")
    vocabulary = tokenizer.get_vocab()
    try:
        pitch = pitch_number(start)
    except ValueError as error:
        raise OptionError(str(error)) from error
    headers = [[f"key={one}", f"time={other}"] for one in keys for other in metres]
    if not all(word in vocabulary for header in headers for word in header):
        raise DataError("the model's vocabulary has no keys and metres; it is no model of tsugiki/melodies")
    first = sorted(number for word, number in vocabulary.items() if _pitch_of(word) == pitch)  # the dict has no order
    if not first:
        known = sorted({(_pitch_of(word) or 0, word.partition(":")[0]) for word in vocabulary if _pitch_of(word)})
        raise OptionError(f"the model knows no note {start}; its notes go from {known[0][1]} to {known[-1][1]}")
    generator = torch.Generator().manual_seed(seed)
    rows = [[tokenizer.eos_token_id, *(vocabulary[word] for word in header)] for header in headers]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor(rows, device=model.device)).logits.float().log_softmax(-1).cpu()
    written = torch.tensor(rows)[:, 1:, None]
    chance = logits[:, :-1].gather(2, written)[..., 0].sum(1, keepdim=True) + logits[:, -1, first]  # (headers, first)
    drawn = int(torch.multinomial(chance.flatten().softmax(0), 1, generator=generator))
    begin = torch.tensor([[*rows[drawn // len(first)], first[drawn % len(first)]]], device=model.device)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        out = model.generate(
            input_ids=begin,
            attention_mask=torch.ones_like(begin),
            do_sample=True,
            num_beams=1,
            temperature=temperature,
            top_k=0,
            max_new_tokens=MOST_TOKENS,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    special = set(tokenizer.all_special_ids)
    words = tokenizer.convert_ids_to_tokens([number for number in out[0, 1:].tolist() if number not in special])
    header = headers[drawn // len(first)]
    bars = read_bars(" ".join(words))
    if not bars:
        raise DataError("the model wrote no note; is it trained on tsugiki/melodies?")
    return " ".join(words), Melody(header[0].partition("=")[2], header[1].partition("=")[2], bars)


def _choices(given: str | None, known: Any, what: str) -> list[str]:
    """What is given, or all that there is."""
    if given is not None and given not in known:
        raise OptionError(f"{what} must be one of {', '.join(known)}, not {given!r}")
    return list(known) if given is None else [given]


def _pitch_of(word: str) -> int | None:
    """The MIDI pitch of a note's word, None for another word."""
    name, colon, length = word.partition(":")
    if not colon or not length.isdecimal():
        return None
    try:
        return pitch_number(name)
    except ValueError:
        return None
