"""Interpolated Kneser-Ney n-gram models, the yardstick of language models, counted in NumPy.

P_k(w | h) = (max(c(h w) - D_k, 0) + D_k N(h) P_{k-1}(w | h')) / sum over v of c(h v), where h' is h without its first
token and N(h) is the number of different tokens seen after h (Kneser and Ney 1995; Chen and Goodman 1999, section 2.7).
At the highest order c counts n-grams; at lower ones it counts the different tokens that an n-gram was seen after. The
lowest order is interpolated with 1 / V. A context that was never seen hands over to the one without its first token.

NLTK's `KneserNeyInterpolated` is the same but for three things: its discount is one given number, 0.1 by default; its
lowest order is neither discounted nor interpolated, which `fit` does too with a discount of 0 for it; and where a
stream's first n-gram occurs nowhere else, which has no token before it, NLTK counts it in N(h) of the lower orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tsugiki.errors import DataError, OptionError

BLOCK = 1 << 20  # tokens scored at once
UNDEFINED_DISCOUNT = 0.5  # of an order without n-grams of count 1 or of count 2


@dataclass(frozen=True)
class Order:
    """All n-grams of one order that were seen.

    Attributes:
        keys: Number of the context times V plus the last token, ascending, int64 (n,). An n-gram's number is its place
            here, and the context is an n-gram of the order below.
        counts: c of each n-gram (n,).
        totals: Sum of c after each context, float64 (contexts,).
        types: Different tokens after each context, float64 (contexts,).
        discount: D.
    """

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]
    totals: NDArray[np.float64]
    types: NDArray[np.float64]
    discount: float


@dataclass(frozen=True)
class KneserNey:
    """An interpolated Kneser-Ney model of a stream of tokens; made by `fit`.

    Attributes:
        vocab_size: V.
        orders: From unigrams to the highest order.
    """

    vocab_size: int
    orders: tuple[Order, ...]

    @property
    def discounts(self) -> list[float]:
        """D of each order, from unigrams on."""
        return [order.discount for order in self.orders]

    def nats(self, stream: ArrayLike) -> NDArray[np.float64]:
        """-ln P of every token given the `order - 1` tokens before it in the stream, or as many as there are.

        Args:
            stream: Tokens (T,).

        Returns:
            (T,), infinite only where discounts of 0 were given.

        Raises:
            DataError: A token is outside the vocabulary.
        """
        tokens = _checked_tokens(stream, self.vocab_size)
        scores = np.empty(len(tokens))
        for start in range(0, len(tokens), BLOCK):
            lead = min(start, len(self.orders) - 1)
            block = tokens[start - lead : start + BLOCK]
            with np.errstate(divide="ignore"):
                scores[start : start + BLOCK] = -np.log(self._probabilities(block)[lead:])
        return scores

    def _probabilities(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """P of each of some tokens (L,) given those before it, float64 (L,)."""
        chance = np.full(len(tokens), 1 / self.vocab_size)
        context = np.zeros(len(tokens), np.int64)  # the number of what stands before each token; -1 for unseen
        for order in self.orders:
            keys = context * self.vocab_size + tokens
            place = np.searchsorted(order.keys, keys).clip(max=len(order.keys) - 1)
            found = (context >= 0) & (order.keys[place] == keys)
            total = np.where(context >= 0, order.totals[context], 0)
            kept = np.where(found, np.maximum(order.counts[place] - order.discount, 0), 0)
            spread = order.discount * order.types[context]
            chance = np.where(total > 0, (kept + spread * chance) / np.maximum(total, 1), chance)
            context = np.concatenate([[-1], np.where(found, place, -1)[:-1]])
        return chance


def fit(
    stream: ArrayLike, order: int, vocab_size: int, *, discount: float | Sequence[float] | None = None
) -> KneserNey:
    """Count the n-grams of a stream.

    A stream has no padding: its first n-grams simply have no token before them. Numbers of n-grams are packed into
    64 bits with the token that follows, so memory grows with the tokens (about 150 bytes each at order 5).

    Args:
        stream: Tokens (T,), all texts with their ends in one row, at least `order`.
        order: Tokens of the longest n-gram, at least 1.
        vocab_size: V; tokens are below it.
        discount: D, from 0 to 1, for all orders or one for each from unigrams on. By default n1 / (n1 + 2 n2) of each
            order, with n1 and n2 the n-grams of count 1 and 2, and 0.5 where there is none of one of them.

    Raises:
        OptionError: `order`, `vocab_size` or `discount` is out of range.
        DataError: The stream is too short, or holds a token outside the vocabulary.
    """
    if order < 1 or vocab_size < 1:
        raise OptionError(f"order and vocab_size must be at least 1, not {order} and {vocab_size}")
    given = _given_discounts(discount, order)
    tokens = _checked_tokens(stream, vocab_size)
    if len(tokens) < order:
        raise DataError(f"a stream of {len(tokens)} tokens has no n-gram of order {order}; give a longer text")
    keys: list[NDArray[np.int64]] = []
    counts: list[NDArray[np.int64]] = []
    before = np.zeros(len(tokens), np.int32)  # number of the context of each n-gram, in the order of the stream
    numbers = before
    for length in range(1, order + 1):
        found = _distinct(before * np.int64(vocab_size) + tokens[length - 1 :])
        if length > 1:  # the order below counts what its n-grams were seen after
            suffixes = numbers[found.places + 1]
            counts[-1] = np.bincount(suffixes, minlength=len(keys[-1]))
        keys.append(found.values)
        counts.append(found.counts)
        numbers = found.numbers
        before = numbers[:-1]
    contexts = [1, *(len(values) for values in keys)]
    orders = []
    for number in range(order):
        parents = keys[number] // vocab_size
        size = contexts[number]
        orders.append(
            Order(
                keys[number],
                counts[number],
                totals=np.bincount(parents, weights=counts[number], minlength=size).astype(np.float64),
                types=np.bincount(parents, weights=counts[number] > 0, minlength=size).astype(np.float64),
                discount=estimated_discount(counts[number]) if given is None else given[number],
            )
        )
    return KneserNey(vocab_size, tuple(orders))


def estimated_discount(counts: NDArray[np.int64]) -> float:
    """D = n1 / (n1 + 2 n2) of one order's counts (n,) (Ney, Essen and Kneser 1994)."""
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else UNDEFINED_DISCOUNT


@dataclass(frozen=True)
class _Distinct:
    """The different values of an array (n,) and what is needed of them.

    Attributes:
        values: Ascending (u,).
        counts: How often each occurs (u,).
        places: A place where each occurs (u,).
        numbers: Which of `values` stands at each place, int32 (n,).
    """

    values: NDArray[np.int64]
    counts: NDArray[np.int64]
    places: NDArray[np.int64]
    numbers: NDArray[np.int32]


def _distinct(array: NDArray[np.int64]) -> _Distinct:
    """As `np.unique` with all it returns, in half of its memory."""
    sorting = np.argsort(array)
    ordered = array[sorting]
    is_new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    begins = np.flatnonzero(is_new)
    numbers = np.empty(len(array), np.int32)
    numbers[sorting] = is_new.cumsum(dtype=np.int32) - 1
    return _Distinct(ordered[begins], np.diff(begins, append=len(array)), sorting[begins], numbers)


def _given_discounts(discount: float | Sequence[float] | None, order: int) -> list[float] | None:
    """One number for each order, or None where they are estimated."""
    if discount is None:
        return None
    values = [float(discount)] * order if isinstance(discount, int | float) else [float(one) for one in discount]
    if len(values) != order or not all(0 <= value <= 1 for value in values):
        raise OptionError(f"discount must be one number from 0 to 1, or {order} of them, not {discount}")
    return values


def _checked_tokens(stream: ArrayLike, vocab_size: int) -> NDArray[np.int64]:
    """The tokens as int64 (T,)."""
    tokens = np.asarray(stream).astype(np.int64)
    if tokens.ndim != 1 or (len(tokens) and not 0 <= tokens.min() <= tokens.max() < vocab_size):
        raise DataError(f"a stream must be one row of tokens from 0 to {vocab_size - 1}; is it of another tokenizer?")
    return tokens
