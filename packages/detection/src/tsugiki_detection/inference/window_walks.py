"""Where a window's values lie in maps of the whole picture, and how kernels walk along them; see `window_maps`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

Taps = tuple[int | None, ...]  # by tap of a kernel, the kind of the place that it sees; None beyond the border


@dataclass(frozen=True)
class Axis:
    """The places of a window's map along one side, and where their values lie in maps of the picture.

    The value at place i of the window that begins at pixel o stands in the map of the place's kind at o + i * `step`.

    Attributes:
        kinds: By place, which map holds it.
        step: Pixels from one place to the next.
        stride: Pixels from one window to the next.
        last: First pixel of the last window.
    """

    kinds: tuple[int, ...]
    step: int
    stride: int
    last: int

    @property
    def grid(self) -> int:
        """Pixels between two values of a map."""
        return self.stride if len(self.kinds) == 1 else math.gcd(self.stride, self.step)

    def span(self, kind: int) -> tuple[int, int]:
        """The first and the last pixel that the map of a kind has values for."""
        places = [place for place, one in enumerate(self.kinds) if one == kind]
        return places[0] * self.step, places[-1] * self.step + self.last


@dataclass(frozen=True)
class Walk:
    """A kernel that walks along an axis.

    Attributes:
        source: Where it walks.
        result: The places that it makes.
        taps: By kind of these.
        padding: Places beyond the border that it begins at.
        dilation: Places between two taps.
    """

    source: Axis
    result: Axis
    taps: list[Taps]
    padding: int
    dilation: int

    @classmethod
    def along(cls, axis: Axis, kernel: int, stride: int, padding: int, dilation: int, count: int) -> Walk:
        """A kernel with so many taps that stops at `count` places."""
        found: dict[Taps, int] = {}
        kinds = []
        for place in range(count):
            seen = [place * stride - padding + tap * dilation for tap in range(kernel)]
            taps = tuple(axis.kinds[one] if 0 <= one < len(axis.kinds) else None for one in seen)
            kinds.append(found.setdefault(taps, len(found)))
        return cls(axis, Axis(tuple(kinds), axis.step * stride, axis.stride, axis.last), list(found), padding, dilation)

    @property
    def stride(self) -> int:
        """Values of the source's maps from one value of the result's to the next."""
        return self.result.grid // self.source.grid

    @property
    def spread(self) -> int:
        """Values of the source's maps from one tap to the next."""
        return max(1, self.dilation * self.source.step // self.source.grid)  # of a single place one tap alone is seen

    def runs(self, kind: int) -> Iterator[tuple[int, int, int]]:
        """Taps that see one map, by the map: its kind, the first of the taps, and the one after the last."""
        tap = 0
        for seen, run in itertools.groupby(self.taps[kind]):
            begin, tap = tap, tap + len(list(run))
            if seen is not None:
                yield seen, begin, tap

    def slice(self, kind: int, seen: int, begin: int, end: int) -> slice:
        """The part of a map that some taps see as the kernel makes the places of a kind."""
        low, high = self.result.span(kind)
        start = self.source.span(seen)[0]
        first, last = (
            (pixel + (tap * self.dilation - self.padding) * self.source.step - start) // self.source.grid
            for pixel, tap in ((low, begin), (high, end - 1))
        )
        return slice(first, last + 1)
