"""Tokenizers that learn tokens for other texts on top of those that they have.

No token loses its number, so that special tokens, configs and rows of embeddings stay as they are: a `tokenizers` model
of the same kind, words or characters (WordLevel), BPE, Unigram or WordPiece, with more tokens behind the old ones.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

FEWEST_SYMBOLS = (
    2  # times that a letter or word must stand in the texts: what stands once teaches what <unk> looks like
)
FEWEST_PIECES = 4  # times that a part of words must: its row starts from rows that are known and costs a place besides
UNKNOWN = 0.005  # share of tokens: in texts of twenty tokens, every tenth would have a hole
LONGER = 1.1  # times the tokens: a tenth of time and of context; for less, new rows do not pay
HELD_OUT = 5  # every fifth text is measured on, the others are learnt from
_FIRST = 0x10000  # no character from here on is white space
_SCORE_DIGITS = 6  # what is behind them differs from run to run


@dataclass(frozen=True)
class Fit:
    """How well a tokenizer serves texts, against the same one grown by four fifths of them, on the last fifth.

    Attributes:
        unknown: Share of the tokens that are unknown.
        unknown_grown: The same of the grown one.
        longer: Tokens, as a multiple of those of the grown one.
    """

    unknown: float
    unknown_grown: float
    longer: float

    @property
    def serves(self) -> bool:
        """Whether the tokenizer may stay as it is."""
        return self.unknown - self.unknown_grown <= UNKNOWN and self.longer <= LONGER


def measure_fit(tokenizer: Any, texts: Sequence[str]) -> Fit:
    """Measure how well a tokenizer serves texts; fewer than five are measured on all that is learnt from.

    Args:
        tokenizer: A fast tokenizer of transformers.
        texts: Of the new data, not empty.
    """
    held = list(texts[HELD_OUT - 1 :: HELD_OUT]) or list(texts)
    learnt = [text for number, text in enumerate(texts) if len(texts) < HELD_OUT or (number + 1) % HELD_OUT]
    (unknown, length), (unknown_grown, length_grown) = (
        _count(one, held) for one in (tokenizer, grown_tokenizer(tokenizer, learnt))
    )
    return Fit(unknown / max(1, length), unknown_grown / max(1, length_grown), length / max(1, length_grown))


def _count(tokenizer: Any, texts: Sequence[str]) -> tuple[int, int]:
    """Unknown tokens, and all."""
    rows = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    unknown = tokenizer.unk_token_id
    return sum(row.count(unknown) for row in rows), sum(map(len, rows))


def can_grow(tokenizer: Any) -> bool:
    """Whether `grown_tokenizer` takes it: a fast tokenizer; of BPE, one whose words have no marks at their parts."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        return False
    model = json.loads(backend.to_str())["model"]
    return not (model.get("continuing_subword_prefix") or model.get("end_of_word_suffix")) or model["type"] != "BPE"


def grown_tokenizer(tokenizer: Any, texts: Sequence[str]) -> Any:
    """A copy of a tokenizer with tokens for other texts behind its own.

    WordLevel gets words (or characters) that stand in the texts twice and were unknown. BPE (Sennrich, Haddow and Birch
    2016) goes on from where it stopped: letters that were unknown, then merges of its own tokens, so that what was one
    token still is. Unigram (Kudo 2018) and WordPiece get the pieces of one that is learnt from these texts alone. At
    most as many tokens are new as there were.

    Args:
        tokenizer: One that `can_grow`.
        texts: Of the new data.

    Returns:
        The grown copy; its first `len(tokenizer)` tokens are those of `tokenizer`.
    """
    plan = json.loads(tokenizer.backend_tokenizer.to_str())
    model, size = plan["model"], len(tokenizer)
    _keep_places(model, plan["added_tokens"])
    match model["type"]:
        case "WordLevel":
            _add(model, _often(Counter(_words(tokenizer, texts)), model["vocab"])[:size])
        case "BPE":
            if not _in_bytes(plan):
                letters = Counter(letter for word in _words(tokenizer, texts) for letter in word)
                _add(model, _often(letters, model["vocab"]))
            _go_on_merging(model, list(_words(tokenizer, texts)), size)
        case "Unigram":
            known = {token for token, _ in model["vocab"]}
            learnt = _learnt(tokenizer, texts, size)
            new = [(token, round(score, _SCORE_DIGITS)) for token, score in learnt if token not in known]
            model["vocab"] += sorted(new, key=lambda pair: (-pair[1], pair[0]))
        case "WordPiece":
            learnt = _learnt(tokenizer, texts, size)
            _add(model, sorted(token for token in learnt if token not in model["vocab"]))
    grown = copy.deepcopy(tokenizer)
    grown.backend_tokenizer.model = Tokenizer.from_str(json.dumps(plan)).model
    return grown


def _in_bytes(plan: dict[str, Any]) -> bool:
    """Whether texts are written in bytes, all of which are tokens already."""
    return "ByteLevel" in json.dumps(plan["pre_tokenizer"]) or plan["model"]["byte_fallback"]


def _keep_places(model: dict[str, Any], added: Sequence[dict[str, Any]]) -> None:
    """Give tokens that were added behind the model's own their places in it, so that new ones come after them."""
    for token in sorted(added, key=lambda token: token["id"]):
        if isinstance(model["vocab"], dict):
            model["vocab"].setdefault(token["content"], token["id"])
        elif token["id"] >= len(model["vocab"]):
            model["vocab"].append((token["content"], min(score for _, score in model["vocab"])))


def _words(tokenizer: Any, texts: Sequence[str]) -> Iterator[str]:
    """What the tokenizer's model gets of texts, piece by piece; a piece begins at every ``▁``."""
    backend = tokenizer.backend_tokenizer
    for text in texts:
        normal = backend.normalizer.normalize_str(text) if backend.normalizer is not None else text
        split = backend.pre_tokenizer
        for piece in [piece for piece, _ in split.pre_tokenize_str(normal)] if split is not None else [normal]:
            yield from re.split(r"(?<=.)(?=▁)", piece)


def _often(counts: Counter[str], known: Any) -> list[str]:
    """What stands in the texts often enough and is no token, most frequent first."""
    found = [symbol for symbol, count in counts.items() if count >= FEWEST_SYMBOLS and symbol not in known]
    return sorted(found, key=lambda symbol: (-counts[symbol], symbol))


def _add(model: dict[str, Any], tokens: Sequence[str]) -> None:
    first = max(model["vocab"].values(), default=-1) + 1
    model["vocab"].update({token: first + number for number, token in enumerate(tokens)})


def _go_on_merging(model: dict[str, Any], words: Sequence[str], most: int) -> None:
    """Learn merges behind those that there are: to the trainer, every token that a word has now is one character."""
    bpe = Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": [], "model": model})).model
    spelt = {word: "".join(chr(_FIRST + token.id) for token in bpe.tokenize(word)) for word in set(words)}
    token_of = {number: token for token, number in model["vocab"].items()}
    unknown = model["vocab"].get(model["unk_token"])
    barrier = re.compile(" " if unknown is None else f"[ {chr(_FIRST + unknown)}]")  # nothing is merged with <unk>
    lines = [barrier.sub(" ", spelt[word]) for word in words]
    symbols = {symbol for line in lines for symbol in line if symbol != " "}
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=len(symbols) + most, min_frequency=FEWEST_PIECES, special_tokens=[], show_progress=False
    )
    trained.train_from_iterator(lines, trainer)
    known = {tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in model["merges"]}
    new: list[list[str]] = []
    for pair in json.loads(trained.to_str())["model"]["merges"]:
        left, right = ("".join(token_of[ord(symbol) - _FIRST] for symbol in part) for part in pair)
        if (left, right) not in known:
            known.add((left, right))
            new.append([left, right])
    model["merges"] = [list(merge) if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]] + new
    _add(model, [token for token in dict.fromkeys(map("".join, new)) if token not in model["vocab"]])


def _learnt(tokenizer: Any, texts: Sequence[str], size: int) -> Any:
    """The vocabulary of a tokenizer of the same kind that is learnt from these texts alone."""
    learnt = tokenizer.train_new_from_iterator([list(texts)], size, show_progress=False)
    return json.loads(learnt.backend_tokenizer.to_str())["model"]["vocab"]
