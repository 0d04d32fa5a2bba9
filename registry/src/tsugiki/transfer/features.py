"""Features of a frozen network, computed once: what the head sees, and what each stage gives.

A frozen network says the same of the same row every time, so its answers are kept: in memory for the next step of the
same run, on disk for the next run. The key of an entry is a hash of everything the numbers depend on: weights and
config of the frozen part, the rows' content, the transform, the augmentation and the stage.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..eval_mode import eval_mode
from ..fingerprint import tensors_fingerprint
from ..tensor_table import TensorTable
from .cache import FeatureCache
from .stages import Stage, head_of, stages_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HEAD = "head"
GRID = 2  # cells a side that a stage's maps are averaged over; one number a map loses where things are
_FORMAT = 2  # since means of texts leave padding out
_NOT_OF_THE_BODY = frozenset(
    {"id2label", "label2id", "num_labels", "classifier", "classifier_hidden_size", "problem_type", "architectures",
     "_name_or_path", "transformers_version", "dtype", "torch_dtype"}
)  # fmt: skip


def head_features(
    model: PreTrainedModel,
    table: TensorTable,
    *,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    cache: FeatureCache | None = None,
) -> Tensor:
    """What the head sees of every row.

    ``head(features)`` equals the network's logits.

    Args:
        model: A task model; its head may be any.
        table: Rows, as they come out of the table's augmentation if it has one.
        batch_size: Rows a forward pass, at most; large rows go fewer at a time on a CPU.
        device: Where to compute; by default where the model is.
        cache: Where to keep the result; the one on disk by default.

    Returns:
        float32 (N, D) on the CPU.
    """
    return stage_features(model, table, [HEAD], batch_size=batch_size, device=device, cache=cache)[HEAD]


def stage_features(
    model: PreTrainedModel,
    table: TensorTable,
    names: Sequence[str] | None = None,
    *,
    grid: int = GRID,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    cache: FeatureCache | None = None,
) -> dict[str, Tensor]:
    """What each stage gives for every row, in one pass over the rows.

    Args:
        model: A task model.
        table: Rows, as they come out of the table's augmentation if it has one.
        names: Stages by name, and ``head`` for what the head sees; all of them by default.
        grid: Maps are averaged over this many cells a side.
        batch_size: Rows a forward pass, at most; large rows go fewer at a time on a CPU.
        device: Where to compute; by default where the model is.
        cache: Where to keep the result; the one on disk by default.

    Returns:
        Stage -> float32 (N, D) on the CPU.
    """
    cache = FeatureCache.default() if cache is None else cache
    stages = {stage.name: stage for stage in stages_of(model)}
    wanted = [*stages, HEAD] if names is None else list(names)
    keys = _keys(model, table, wanted, grid)
    found = {name: cached for name in wanted if (key := keys[name]) and (cached := cache.get(key)) is not None}
    if missing := [name for name in wanted if name not in found]:
        computed = _compute(model, table, {name: stages.get(name) for name in missing}, grid, batch_size, device)
        for name, features in computed.items():
            if (key := keys[name]) is not None:
                cache.put(key, features)
        found |= computed
    return {name: found[name] for name in wanted}


def feature_key(model: PreTrainedModel, table: TensorTable, stage: str = HEAD, *, grid: int = GRID) -> str | None:
    """The cache key of a stage's features: 64 hexadecimal digits, or None if the transform cannot be identified."""
    return _keys(model, table, [stage], grid)[stage]


def _keys(model: PreTrainedModel, table: TensorTable, names: Sequence[str], grid: int) -> dict[str, str | None]:
    transform = _identity_of(table.transform)
    if transform is None:
        return dict.fromkeys(names)
    path, _ = head_of(model)
    body = {name: value for name, value in model.state_dict().items() if not name.startswith(f"{path}.")}
    config = {name: value for name, value in model.config.to_dict().items() if name not in _NOT_OF_THE_BODY}
    columns = {name: column for name, column in table.columns.items() if name != "labels"}
    facts: dict[str, Any] = {
        "format": _FORMAT,
        "model": f"{type(model).__module__}.{type(model).__qualname__}",
        "config": config,
        "weights": tensors_fingerprint(body),
        "rows": tensors_fingerprint(columns),
        "transform": transform,
        "augmentation": None,
        "grid": grid,
    }
    if table.augmentation is not None:
        facts["augmentation"] = [repr(table.augmentation), table.seed, table.epoch]
        facts["row_ids"] = tensors_fingerprint({"row_ids": table.row_ids})
    return {
        name: hashlib.sha256(json.dumps({**facts, "stage": name}, sort_keys=True, default=str).encode()).hexdigest()
        for name in names
    }


def _identity_of(transform: Callable[..., Any] | None) -> str | None:
    """What a transform does, in words that are the same in every process; None if that cannot be told."""
    if transform is None:
        return ""
    if dataclasses.is_dataclass(transform) and not isinstance(transform, type):
        return f"{type(transform).__module__}.{transform!r}"
    return None


def _compute(
    model: PreTrainedModel,
    table: TensorTable,
    stages: Mapping[str, Stage | None],
    grid: int,
    batch_size: int,
    device: torch.device | str | None,
) -> dict[str, Tensor]:
    device = torch.device(device) if device is not None else next(model.parameters()).device
    batch_size = table.rows_of_pass(batch_size, device)
    parts: dict[str, list[Tensor]] = {name: [] for name in stages}
    model.to(device)  # type: ignore[arg-type]
    with eval_mode(model), torch.inference_mode(), _captured(model, stages, grid) as seen:
        for batch in _inputs(table, batch_size, device):
            batch.pop("labels", None)
            answer = model(**batch)
            if HEAD in stages and HEAD not in seen:
                seen[HEAD] = answer.logits
            for name in stages:
                parts[name].append(seen.pop(name).float().cpu())
    # Outside of inference mode, so that the features may take part in a later gradient.
    return {name: torch.cat(pieces) if pieces else torch.empty(0, 0) for name, pieces in parts.items()}


def _inputs(table: TensorTable, batch_size: int, device: torch.device) -> Iterator[dict[str, Tensor]]:
    if table.augmentation is None:
        yield from table.batches(batch_size, device=device)
        return
    for rows in torch.arange(len(table)).split(batch_size):
        yield {name: value.to(device) for name, value in table.batch(rows).items()}


@contextmanager
def _captured(model: PreTrainedModel, stages: Mapping[str, Stage | None], grid: int) -> Iterator[dict[str, Tensor]]:
    """While the block runs, every forward pass leaves the features of the stages in the mapping.

    Padding is left out of them: how far texts are filled up hangs on the longest of their batch, and in data that is
    sorted by class would tell the class.

    A linear head that is put to every token of a row, before the network chooses the token that answers, is left out:
    the network's logits then are what the head would have seen of that token.
    """
    seen: dict[str, Tensor] = {}
    mask: Tensor | None = None
    handles = []

    def before_all(module: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        nonlocal mask
        mask = named.get("attention_mask")

    def before_head(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if not _is_by_token(module, inputs):
            seen[HEAD] = inputs[0].flatten(1).clone()  # the head may work in device

    def at_head(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        return inputs[0] if _is_by_token(module, inputs) else output

    def after(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            seen[name] = pooled(_tensor_of(output), grid, mask).clone()  # the next stage may work in device

        return hook

    def before(name: str) -> Callable[[nn.Module, Any], None]:
        def hook(module: nn.Module, inputs: Any) -> None:
            seen[name] = pooled(_tensor_of(inputs), grid, mask).clone()

        return hook

    try:
        handles.append(model.register_forward_pre_hook(before_all, with_kwargs=True))
        for name, stage in stages.items():
            if stage is None:
                head = head_of(model)[1]
                handles += [head.register_forward_pre_hook(before_head), head.register_forward_hook(at_head)]
            elif stage.before is not None:
                handles.append(stage.before.register_forward_pre_hook(before(name)))
            else:
                handles.append(stage.modules[-1].register_forward_hook(after(name)))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _is_by_token(head: nn.Module, inputs: tuple[Any, ...]) -> bool:
    return isinstance(head, nn.Linear) and inputs[0].ndim == 3


def _tensor_of(output: Any) -> Tensor:
    """The features in what a module returns: a tensor, or the first of a tuple or of a model output."""
    while not isinstance(output, Tensor):
        output = next(iter(output.values())) if isinstance(output, Mapping) else output[0]
    return output


def pooled(features: Tensor, grid: int, mask: Tensor | None = None) -> Tensor:
    """Average maps (N, C, H, W) over `grid` x `grid` cells, clips (N, C, T, H, W) and sequences (N, T, D) over all.

    Args:
        features: What a stage gives.
        grid: Cells a side.
        mask: Which places of sequences count (N, T); all where there is none, or the stage has other places.

    Returns:
        (N, D).
    """
    if features.ndim == 5:
        features = features.mean((2, 3, 4))
    elif features.ndim == 4:
        cells = (min(grid, features.shape[2]), min(grid, features.shape[3]))
        features = F.adaptive_avg_pool2d(features, cells)  # (N, C, grid, grid)
    elif features.ndim == 3 and mask is not None and mask.shape == features.shape[:2]:
        counted = (mask != 0)[..., None]
        features = torch.where(counted, features, 0).sum(1) / counted.sum(1).clamp(min=1)
    elif features.ndim == 3:
        features = features.mean(1)
    return features.flatten(1)
