"""What a network computes of one window, computed for all windows of a picture at once.

Sermanet et al. 2013 (OverFeat, section 3.3) run a trained classifier over a larger picture, its fully connected layers
as convolutions, so that windows share what they have in common. Here the network's own ``forward`` runs on a tensor
that has the shape of one window and stands for all of them; each operation is carried out on maps of the whole picture.

Three things keep the result equal to cropping. A layer with a stride sees every other place of one window, and the
places between in the next window; so behind it, places of a window lie two pixels apart in maps that skip none: kernels
are dilated. A layer that pads sees zeros around a window where the picture has pixels; so the places along a window's
border have maps of their own, in which the taps beyond the border are missing, and all places inside share one. A fully
connected layer is a convolution as large as the map that it sees.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn import functional as F
from tsugiki.errors import OptionError

from .window_walks import Axis, Walk

MOST_MAPS = 36  # of places that differ along a window's border; with more, windows share too little to be quicker
WINDOWS_AT_ONCE = 1024  # whose maps a fully connected layer gathers
Maps = dict[tuple[int, int], Tensor]  # by kind of row and of column, (1, C, H, W)


class WindowMaps(Tensor):
    """A tensor with the shape that one window has at some place in a network; its values are those of all windows.

    Attributes:
        maps: Maps of the picture.
        rows: The places from top to bottom; of a vector (1, D) those that it was flattened from.
        columns: Those from left to right.
    """

    maps: Maps
    rows: Axis
    columns: Axis

    @classmethod
    def of(cls, maps: Maps, rows: Axis, columns: Axis, shape: Sequence[int]) -> WindowMaps:
        """One with the shape (1, C, H, W) or (1, D)."""
        dtype = next(iter(maps.values())).dtype
        window = torch.empty(tuple(shape), dtype=dtype, device="meta").as_subclass(cls)
        window.maps, window.rows, window.columns = maps, rows, columns
        return window

    @classmethod
    def of_picture(cls, picture: Tensor, size: tuple[int, int], stride: int) -> WindowMaps:
        """The windows of a picture (1, C, H, W) that is at least as large as one of them."""
        sides = []
        for length, window in zip(picture.shape[2:], size, strict=True):
            last = (length - window) // stride * stride
            sides.append(Axis((0,) * window, 1, stride, last))
        rows, columns = sides
        heights, widths = rows.last + size[0], columns.last + size[1]
        # A window of one pixel is needed at its own place alone.
        pixels = picture[:, :, : heights : rows.grid, : widths : columns.grid]
        return cls.of({(0, 0): pixels}, rows, columns, (1, picture.shape[1], *size))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if (rule := RULES.get(func)) is not None:
            return rule(*args, **kwargs)
        if func in POINTWISE:
            return _pointwise(func, *args, **kwargs)
        if getattr(func, "__name__", "") == "__get__" or func in FACTS:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        return refuse(
            f"it computes {getattr(func, '__name__', func)!r}, for which there is no form over whole pictures"
        )

    def values(self) -> Tensor:
        """Of a vector (1, D) those of all windows, (rows, columns, D)."""
        if len(self.rows.kinds) != 1 or len(self.columns.kinds) != 1:
            refuse("its answer is not one vector a window")
        return self.maps[0, 0][0].permute(1, 2, 0)


def refuse(reason: str) -> NoReturn:
    """Raise an `OptionError` that a network cannot slide, and why."""
    raise OptionError(f"this network cannot slide over a picture: {reason}")


def all_windows(network: Callable[[Tensor], Tensor], picture: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """What a network says of every window, as if each were cropped.

    Args:
        network: From windows (N, C, *size) to vectors (N, D), in evaluation mode.
        picture: (1, C, H, W), at least as large as a window.
        size: Height and width of a window.
        stride: Pixels from one window to the next.

    Returns:
        (rows, columns, D).

    Raises:
        OptionError: The network computes something that has no form over whole pictures, or pads so often that
            windows share nothing.
    """
    answer = network(WindowMaps.of_picture(picture, size, stride))
    if not isinstance(answer, WindowMaps):
        refuse("its answer does not hang on the picture")
    return answer.values()


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return int(first), int(rest[0] if rest else first)


def _check_maps(walks: Sequence[Walk]) -> None:
    if math.prod(len(walk.taps) for walk in walks) > MOST_MAPS:
        refuse("it pads its maps so often that windows have too little in common; crop them one by one")


def _conv2d(
    window: WindowMaps,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> WindowMaps:
    kernel, stride, dilation = tuple(weight.shape[2:]), _pair(stride), _pair(dilation)
    reach = [spread * (taps - 1) for taps, spread in zip(kernel, dilation, strict=True)]
    if padding == "same":
        before, counts = [length // 2 for length in reach], list(window.shape[2:])
    else:
        before = [0, 0] if padding == "valid" else list(_pair(padding))
        counts = [
            (length + 2 * zeros - room - 1) // step + 1
            for length, zeros, room, step in zip(window.shape[2:], before, reach, stride, strict=True)
        ]
    walks = [
        Walk.along(axis, kernel[side], stride[side], before[side], dilation[side], counts[side])
        for side, axis in enumerate((window.rows, window.columns))
    ]
    _check_maps(walks)
    shape = (1, weight.shape[0], *counts)
    return WindowMaps.of(_convolved(window.maps, weight, bias, walks, groups), walks[0].result, walks[1].result, shape)


def _convolved(maps: Maps, weight: Tensor, bias: Tensor | None, walks: Sequence[Walk], groups: int) -> Maps:
    """Maps by kind of row and column, each the sum over the maps that parts of the kernel see."""
    rows, columns = walks
    found: Maps = {}
    for row, column in itertools.product(range(len(rows.taps)), range(len(columns.taps))):
        total = None
        for (above, top, bottom), (beside, left, right) in itertools.product(rows.runs(row), columns.runs(column)):
            part = F.conv2d(
                maps[above, beside][
                    :, :, rows.slice(row, above, top, bottom), columns.slice(column, beside, left, right)
                ],
                weight[:, :, top:bottom, left:right],
                bias if total is None else None,
                stride=(rows.stride, columns.stride),
                dilation=(rows.spread, columns.spread),
                groups=groups,
            )
            total = part if total is None else total.add_(part)
        assert total is not None
        found[row, column] = total
    return found


def _linear(window: WindowMaps, weight: Tensor, bias: Tensor | None = None) -> WindowMaps:
    if window.ndim != 2:
        refuse("it has a linear layer on maps")
    rows, columns = (Walk.along(axis, len(axis.kinds), 1, 0, 1, 1) for axis in (window.rows, window.columns))
    places = [
        window.maps[above, beside][0, :, rows.slice(0, above, top, top + 1), columns.slice(0, beside, left, left + 1)][
            :, :: rows.stride or 1, :: columns.stride or 1
        ]
        for top, above in enumerate(window.rows.kinds)
        for left, beside in enumerate(window.columns.kinds)
    ]
    channels, high, wide = places[0].shape
    matrix = weight.reshape(len(weight), channels, -1).transpose(1, 2).reshape(len(weight), -1)  # place by place
    found = weight.new_empty(len(weight), high * wide)
    band = max(1, WINDOWS_AT_ONCE // wide)
    for first in range(0, high, band):
        rows_seen = [place[:, first : first + band] for place in places]
        seen = (rows_seen[0] if len(places) == 1 else torch.cat(rows_seen)).flatten(1)  # (places * C, windows)
        answer = found[:, first * wide : first * wide + seen.shape[1]]
        if bias is None:
            torch.mm(matrix, seen, out=answer)
        else:
            torch.addmm(bias[:, None], matrix, seen, out=answer)
    maps = {(0, 0): found.view(1, len(weight), high, wide)}
    return WindowMaps.of(maps, rows.result, columns.result, (1, len(weight)))


def _pooled(
    window: WindowMaps,
    walks: Sequence[Walk],
    combine: Callable[[Tensor, Tensor], Tensor],
    *,
    mean_of: str | None = None,
) -> WindowMaps:
    """Pooling, first of rows, then of columns.

    Args:
        window: Maps.
        walks: Of the kernel along either.
        combine: Of two tensors makes one.
        mean_of: What a sum is divided by: ``all`` taps, or those ``inside`` the border.
    """
    _check_maps(walks)
    maps = window.maps
    for side, walk in enumerate(walks):
        found: Maps = {}
        for kind, taps in enumerate(walk.taps):
            for other in {key[1 - side] for key in maps}:
                total = None
                for tap, seen in enumerate(taps):
                    if seen is None:
                        continue
                    cut = walk.slice(kind, seen, tap, tap + 1)
                    part = maps[(seen, other) if side == 0 else (other, seen)]
                    cut = slice(cut.start, cut.stop, walk.stride)
                    part = part[:, :, cut] if side == 0 else part[..., cut]
                    total = part if total is None else combine(total, part)
                assert total is not None
                if mean_of is not None:
                    total = total / (len(taps) if mean_of == "all" else sum(tap is not None for tap in taps))
                found[(kind, other) if side == 0 else (other, kind)] = total
        maps = found
    rows, columns = (walk.result for walk in walks)
    return WindowMaps.of(maps, rows, columns, (1, window.shape[1], len(rows.kinds), len(columns.kinds)))


def _pooling_walks(window: WindowMaps, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> list[Walk]:
    sizes = _pair(kernel), _pair(kernel if stride in (None, []) else stride), _pair(padding), _pair(dilation)
    walks = []
    for side, axis in enumerate((window.rows, window.columns)):
        taps, step, zeros, spread = (pair[side] for pair in sizes)
        room = len(axis.kinds) + 2 * zeros - spread * (taps - 1) - 1
        count = (-(-room // step) if ceil else room // step) + 1
        if ceil and (count - 1) * step >= len(axis.kinds) + zeros:  # a last place that would begin beyond the border
            count -= 1
        walks.append(Walk.along(axis, taps, step, zeros, spread, count))
    return walks


def _max_pool2d(
    window: WindowMaps,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> WindowMaps:
    if return_indices:
        refuse("it asks where maxima lie")
    walks = _pooling_walks(window, kernel_size, stride, padding, dilation, ceil_mode)
    return _pooled(window, walks, torch.maximum)


def _avg_pool2d(
    window: WindowMaps,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> WindowMaps:
    if ceil_mode or divisor_override is not None:
        refuse("it averages over places beyond the border")
    walks = _pooling_walks(window, kernel_size, stride, padding, 1, False)
    return _pooled(window, walks, torch.add, mean_of="all" if count_include_pad else "inside")


def _mean_of_all(window: WindowMaps) -> WindowMaps:
    walks = [Walk.along(axis, len(axis.kinds), 1, 0, 1, 1) for axis in (window.rows, window.columns)]
    return _pooled(window, walks, torch.add, mean_of="all")


def _adaptive_avg_pool2d(window: WindowMaps, output_size: Any) -> WindowMaps:
    if _pair(output_size) != (1, 1):
        refuse("it pools to a grid of places")
    return _mean_of_all(window)


def _mean(window: WindowMaps, dim: Any = None, keepdim: bool = False) -> WindowMaps:
    if window.ndim != 4 or dim is None or {one % 4 for one in ([dim] if isinstance(dim, int) else dim)} != {2, 3}:
        refuse("it averages over something else than places")
    mean = _mean_of_all(window)
    return mean if keepdim else _flatten(mean, 1)


def _flatten(window: WindowMaps, start_dim: int = 0, end_dim: int = -1) -> WindowMaps:
    if window.ndim == 2:
        return window
    if start_dim != 1 or end_dim not in (-1, 3):
        refuse("it flattens windows into each other")
    return WindowMaps.of(window.maps, window.rows, window.columns, (1, math.prod(window.shape)))


def _reshape(window: WindowMaps, *shape: Any) -> WindowMaps:
    asked = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    if asked not in {(1, -1), (1, math.prod(window.shape)), (-1, math.prod(window.shape))}:
        refuse("it gives its maps another shape")
    return _flatten(window, 1)


def _by_channel(func: Callable[..., Tensor]) -> Callable[..., WindowMaps]:
    """The rule of what treats every channel of maps as its own, whatever the place."""

    def rule(window: WindowMaps, *args: Any, **kwargs: Any) -> WindowMaps:
        if window.ndim == 2 and len(window.rows.kinds) * len(window.columns.kinds) > 1:
            refuse(f"it computes {func.__name__!r} of flattened maps")
        return _pointwise(func, window, *args, **kwargs)

    return rule


def _pointwise(func: Callable[..., Tensor], window: WindowMaps, *args: Any, **kwargs: Any) -> WindowMaps:
    if kwargs.get("training") or not isinstance(window, WindowMaps) or any(isinstance(one, WindowMaps) for one in args):
        refuse(f"it computes {func.__name__!r} of several maps, or in training mode")
    if "inplace" in kwargs:
        kwargs["inplace"] = False
    maps = {kind: func(one, *args, **kwargs) for kind, one in window.maps.items()}
    return WindowMaps.of(maps, window.rows, window.columns, window.shape)


def _same(window: WindowMaps, *_: Any, **__: Any) -> WindowMaps:
    return window


POINTWISE = frozenset(
    {
        *(F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.gelu, F.silu, F.mish, F.hardtanh, F.hardswish, F.hardsigmoid),
        *(F.softplus, F.logsigmoid, F.tanh, F.sigmoid, F.dropout, F.dropout2d, torch.relu, torch.tanh, torch.sigmoid),
        *(Tensor.relu, Tensor.tanh, Tensor.sigmoid),
    }
)
FACTS = frozenset({Tensor.size, Tensor.dim, Tensor.numel, Tensor.is_floating_point, torch.is_floating_point})
RULES: dict[Any, Callable[..., WindowMaps]] = {
    torch.conv2d: _conv2d,
    F.linear: _linear,
    F.max_pool2d: _max_pool2d,
    torch.max_pool2d: _max_pool2d,
    F.avg_pool2d: _avg_pool2d,
    F.adaptive_avg_pool2d: _adaptive_avg_pool2d,
    Tensor.mean: _mean,
    torch.mean: _mean,
    Tensor.flatten: _flatten,
    torch.flatten: _flatten,
    Tensor.reshape: _reshape,
    Tensor.view: _reshape,
    torch.reshape: _reshape,
    F.batch_norm: _by_channel(F.batch_norm),
    F.local_response_norm: _by_channel(F.local_response_norm),
    Tensor.contiguous: _same,
}
