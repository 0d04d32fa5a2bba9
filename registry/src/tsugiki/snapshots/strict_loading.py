"""Reading a snapshot with nothing taken on trust: what does not fit is one error that names the file.

transformers alone loads random weights for missing tensors, NaN, foreign keys, pickles and files outside the folder
without a word. Here the config is checked before a class sees it, the header of the weights against a skeleton without
memory, the bytes against the recorded hash, and every value for being finite.
"""

from __future__ import annotations

import copy
import hashlib
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, SnapshotError
from .provenance import FILE as PROVENANCE
from .public_weights import OPTIONAL_TENSORS, PublicWeights
from .resolve import CONFIG
from .strict_config import DTYPES, cause_line, fail, one_line, read_json

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel

WEIGHTS = "model.safetensors"

MAX_BUFFER_BYTES = 2**28  # of tables that a model computes and does not store

# What some classes of an architecture have in their trunk and others have not.
_SPARE_OF_TRUNKS = ("pooler.", "embeddings.mask_token")

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.npy")


def load_strictly(
    folder: Path,
    model_class: type[PreTrainedModel],
    config: PreTrainedConfig,
    *,
    sha256: str | None = None,
    dtype: str | torch.dtype | None = None,
    replaceable: str | Callable[[PreTrainedModel], str] | None = None,
    on_trunk: bool = False,
    public: PublicWeights | None = None,
) -> PreTrainedModel:
    """Build a model and set every weight from the snapshot's ``model.safetensors``.

    A snapshot of a task model also loads as the family's base model or backbone: its head is left out. Nothing is read
    outside of the folder, no network is asked, no pickle opened. Torch's random state is left as it was, unless a fresh
    head is drawn.

    Args:
        folder: The snapshot.
        model_class: What to build.
        config: Its config, checked.
        sha256: What the weights file must hash to, as ``provenance.json`` records it; None where nothing does.
        dtype: Of the model's weights, whatever the file's; ``float32`` by default, ``"auto"`` for the file's own.
        replaceable: Path of a module, the head, or what finds it in the model; it keeps fresh weights where the config
            asks for another one than the file holds. By default everything must fit.
        on_trunk: Whether a file of another class of the architecture may give its trunk alone, so that all that stands
            on it is fresh.
        public: How the file's names and shapes are read where another library published it.

    Returns:
        The model, in eval mode.

    Raises:
        SnapshotError: The weights are missing, damaged, not finite, or not those of this config.
        OptionError: `dtype` is none.
    """
    import torch
    from transformers.initialization import no_init_weights

    path = weights_file(folder)
    stored = read_header(path)
    _check_hash(path, sha256)
    origin: dict[str, str] = {}
    if public is not None:
        stored, origin = public.translate(stored, path)
    skeleton = _skeleton(model_class, config, Path(folder, CONFIG), len(stored))
    if public is None:
        stored, origin = _renamed(skeleton, stored, path)
    fresh = _fresh_names(skeleton, stored, replaceable, on_trunk)
    names = _stored_names(skeleton, stored, path, fresh, OPTIONAL_TENSORS if public else ())
    _check_shapes(skeleton, names, stored, path)

    as_dtype = model_dtype(dtype, stored)
    if not fresh:
        # Layers draw numbers while they are built, all of them replaced below; the caller's sequence must not move.
        with torch.random.fork_rng(devices=[]), no_init_weights():
            model = model_class._from_config(config, dtype=as_dtype)
    else:
        model = model_class._from_config(config, dtype=as_dtype)
    _set_weights(model, {name: origin.get(stored_name, stored_name) for name, stored_name in names.items()}, path)
    if tied := getattr(model, "all_tied_weights_keys", None):
        model.tie_weights(missing_keys={name for pair in tied.items() for name in pair} - names.keys())
    if not fresh:
        _compute_unstored(model, names)
    if model.can_generate() and (generation := Path(folder, "generation_config.json")).is_file():
        from transformers import GenerationConfig

        model.generation_config = GenerationConfig.from_dict(read_json(generation))
    return model.eval()


def weights_file(folder: Path) -> Path:
    """The one file that holds a snapshot's weights.

    Raises:
        SnapshotError: It is missing, a pickle stands in its place, or the weights are split over several files.
    """
    path = Path(folder, WEIGHTS)
    if path.is_file():
        return path
    if Path(folder, f"{WEIGHTS}.index.json").exists():
        fail(path, f"missing; weights that an index splits over several files are not read, save them as one {WEIGHTS}")
    for pattern in _PICKLES:
        for other in sorted(Path(folder).glob(pattern)):
            fail(path, f"missing, and {other.name} is not read in its place: it may hold a pickle, which runs code")
    raise SnapshotError(f"{path} is missing")


def read_header(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Names, shapes and dtypes (``F32``, ``I64``, …) of the tensors in a safetensors file, without their values.

    Raises:
        SnapshotError: The file is damaged or something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise SnapshotError(f"{path}: {_what_else(path)}: {one_line(error)}") from error


def _what_else(path: Path) -> str:
    """What a file that is no safetensors file seems to be."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "the file is empty"
    if start.startswith(b"PK\x03\x04") or re.match(rb"\x80[\x02-\x05][^\x00]", start):
        return "a pickle with the name of a safetensors file, which is not opened"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer and not the weights, fetch them with `git lfs pull`"
    if start.lstrip().startswith(b"<"):
        return "a web page and not the weights"
    return "truncated or damaged"


def _check_hash(path: Path, expected: str | None) -> None:
    if expected is None:
        return
    with path.open("rb") as file:
        measured = hashlib.file_digest(file, "sha256").hexdigest()
    if measured != expected.lower():
        fail(path, f"damaged or replaced: its sha256 is {measured[:12]}…, and {PROVENANCE} records {expected[:12]}…")


def _skeleton(
    model_class: type[PreTrainedModel], config: PreTrainedConfig, config_path: Path, stored_tensors: int
) -> PreTrainedModel:
    """The model on the meta device: all names and shapes, no memory."""
    import torch
    from transformers.initialization import no_init_weights

    limit = 5_000 + 50 * stored_tensors
    with torch.random.fork_rng(devices=[]), torch.device("meta"), no_init_weights():
        try:
            with _at_most(limit):
                skeleton = model_class._from_config(copy.deepcopy(config), dtype=torch.float32)
        except _TooManyError:
            fail(config_path, f"describes a far larger network than the {stored_tensors} tensors of {WEIGHTS}")
        except Exception as error:  # the constructor is the family's own code and raises what it likes
            raise SnapshotError(
                f"{config_path}: does not describe a {model_class.__name__}: {cause_line(error)}"
            ) from error
    saved = skeleton.state_dict().keys()
    computed = sum(buffer.nbytes for name, buffer in skeleton.named_buffers() if name not in saved)
    if computed > MAX_BUFFER_BYTES:
        fail(config_path, f"asks for tables of {computed} bytes besides the weights (at most {MAX_BUFFER_BYTES})")
    return skeleton


class _TooManyError(Exception):
    """A network under construction has more parts than its weights file can explain."""


@contextmanager
def _at_most(limit: int) -> Iterator[None]:
    """Stop the construction of a network, in this thread, after so many modules and parameters."""
    from torch.nn.modules.module import (
        register_module_module_registration_hook,
        register_module_parameter_registration_hook,
    )

    thread, parts = threading.get_ident(), 0

    def count(module: Any, name: str, part: Any) -> None:
        nonlocal parts
        if threading.get_ident() == thread:
            parts += 1
            if parts > limit:
                raise _TooManyError

    hooks = [register_module_module_registration_hook(count), register_module_parameter_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


Header = Mapping[str, tuple[tuple[int, ...], str]]


def _renamed(skeleton: PreTrainedModel, stored: Header, path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The header with the names that this version of transformers has for the tensors, and each one's name in the file.

    transformers renames the modules of its own architectures now and then, and goes on writing the old names.
    """
    if type(skeleton).__module__.partition(".")[0] != "transformers":
        return dict(stored), {}
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightRenaming

    transforms = get_model_conversion_mapping(skeleton)
    origin: dict[str, str] = {}
    for stored_name in stored:
        name = stored_name
        for transform in transforms:
            renamed, pattern = transform.rename_source_key(name)
            if pattern is not None and not isinstance(transform, WeightRenaming):
                fail(
                    path, f"{stored_name} is stored in a form that only transformers reads; save the model with it anew"
                )
            name = renamed
        if name in origin:
            fail(path, f"{origin[name]} and {stored_name} are two names of one tensor")
        origin[name] = stored_name
    return {name: stored[stored_name] for name, stored_name in origin.items()}, origin


def _fresh_names(
    skeleton: PreTrainedModel,
    stored: Header,
    replaceable: str | Callable[[PreTrainedModel], str] | None,
    on_trunk: bool,
) -> frozenset[str]:
    """The tensors of the model that keep fresh weights; see `load_strictly`."""
    if replaceable is None:
        return frozenset()
    head = replaceable(skeleton) if callable(replaceable) else replaceable
    wanted = {name: tuple(tensor.shape) for name, tensor in skeleton.state_dict().items()}
    have = {name: shape for name, (shape, _) in stored.items()}
    prefix = f"{head}."
    of_head = {name for name in wanted.keys() | have.keys() if name.startswith(prefix)}
    fresh = set() if all(wanted.get(name) == have.get(name) for name in of_head) else of_head
    if on_trunk and not _is_own(skeleton):
        trunk = f"{skeleton.base_model_prefix}."
        fresh |= {name for name in wanted if not name.startswith(trunk)}
        spare = {name for name in wanted if name.startswith(tuple(trunk + part for part in _SPARE_OF_TRUNKS))}
        fresh |= {name for name in spare if not {name, name.removeprefix(trunk)} & have.keys()}
    return frozenset(fresh)


def _is_own(skeleton: PreTrainedModel) -> bool:
    """Whether the file is of the very class that is built."""
    architectures = skeleton.config.architectures
    return not architectures or type(skeleton).__name__ in architectures


def _stored_names(
    skeleton: PreTrainedModel,
    stored: Collection[str],
    path: Path,
    fresh: Collection[str],
    optional: Collection[str] = (),
) -> dict[str, str]:
    """Which stored tensor fills which of the model's; all that must be there is, and nothing foreign.

    Args:
        skeleton: The model.
        stored: Names in the file.
        path: The file.
        fresh: Names of tensors that are not filled.
        optional: Patterns of names that may be missing.
    """
    stored = {name for name in stored if name not in fresh}
    wanted = [name for name in skeleton.state_dict() if name not in fresh]
    is_own = _is_own(skeleton)
    trunk = f"{skeleton.base_model_prefix}." if skeleton.base_model_prefix else ""
    names = {name: name for name in wanted if name in stored}
    from_base = False
    if not is_own and trunk:  # a base model's names lack the prefix that they have inside of a task model
        of_task = {name: trunk + name for name in wanted if trunk + name in stored}
        of_base = {
            name: name[len(trunk) :] for name in wanted if name.startswith(trunk) and name[len(trunk) :] in stored
        }
        names = max(names, of_task, of_base, key=len)
        from_base = names is of_base
    unused = stored - set(names.values())
    foreign = [name for name in unused if is_own or from_base or (trunk and name.startswith(trunk))]
    if fresh and not is_own:
        foreign = [name for name in foreign if not name.removeprefix(trunk).startswith(_SPARE_OF_TRUNKS)]
    tied = getattr(skeleton, "all_tied_weights_keys", None) or {}
    filled = names.keys() | {a for a, b in tied.items() if b in names} | {b for a, b in tied.items() if a in names}
    missing = _not_matching(
        [name for name in wanted if name not in filled],
        [*(getattr(skeleton, "_keys_to_ignore_on_load_missing", None) or ()), *optional],
    )
    foreign = _not_matching(sorted(foreign), getattr(skeleton, "_keys_to_ignore_on_load_unexpected", None))
    problems = [f"lacks {_some(missing)}"] if missing else []
    if foreign:
        problems.append(f"holds {_some(foreign)} too many")
    if problems:
        fail(path, f"{' and '.join(problems)} for a {type(skeleton).__name__} of this {CONFIG}")
    return names


def _not_matching(names: list[str], patterns: Collection[str] | None) -> list[str]:
    return [name for name in names if not any(re.search(pattern, name) for pattern in patterns or ())]


def _check_shapes(
    skeleton: PreTrainedModel,
    names: Mapping[str, str],
    stored: Mapping[str, tuple[tuple[int, ...], str]],
    path: Path,
) -> None:
    for name, tensor in skeleton.state_dict().items():
        if name not in names:
            continue
        shape, dtype = stored[names[name]]
        if shape != tuple(tensor.shape):
            fail(path, f"{names[name]} has shape {list(shape)}, and {CONFIG} asks for {list(tensor.shape)}")
        if dtype not in _stored_dtypes(tensor.dtype):
            fail(path, f"{names[name]} has dtype {dtype}, and {' or '.join(_stored_dtypes(tensor.dtype))} is read")


def _stored_dtypes(dtype: torch.dtype) -> tuple[str, ...]:
    """The dtypes, in safetensors' names, from which a tensor of a model may be filled."""
    import torch

    exact = {
        torch.float64: "F64",
        torch.int64: "I64",
        torch.int32: "I32",
        torch.int16: "I16",
        torch.int8: "I8",
        torch.uint8: "U8",
        torch.bool: "BOOL",
    }
    return (exact[dtype],) if dtype in exact else ("F32", "F16", "BF16")


def model_dtype(
    dtype: str | torch.dtype | None, stored: Mapping[str, tuple[tuple[int, ...], str]] | None = None
) -> torch.dtype:
    """The dtype that a caller names for a model's weights.

    Args:
        dtype: A name, a `torch.dtype`, None for float32, or ``"auto"``.
        stored: What `read_header` returned; ``"auto"`` is the dtype of the file's floating tensors.

    Raises:
        OptionError: It is none.
    """
    import torch

    if dtype is None:
        return torch.float32
    if dtype == "auto" and stored is not None:
        kinds = {kind for _, kind in stored.values()} & {"F32", "F16", "BF16"}
        halves = {"F16": torch.float16, "BF16": torch.bfloat16}
        return halves.get(next(iter(kinds)), torch.float32) if len(kinds) == 1 else torch.float32
    resolved = getattr(torch, dtype) if isinstance(dtype, str) and dtype in DTYPES else dtype
    if not isinstance(resolved, torch.dtype) or not resolved.is_floating_point:
        raise OptionError(f"dtype={dtype!r} is none of {', '.join(DTYPES)}{' and auto' if stored else ''}")
    return resolved


def _set_weights(model: PreTrainedModel, names: Mapping[str, str], path: Path) -> None:
    import torch
    from safetensors import safe_open

    tensors = model.state_dict()
    with torch.no_grad(), safe_open(path, framework="pt") as file:
        for name, stored_name in names.items():
            tensor = tensors[name]
            tensor.copy_(file.get_tensor(stored_name).reshape(tensor.shape))  # reshaped where public weights flatten
            # The extremes tell as much as every value does, NaN among them, at a tenth of the time of `isfinite`.
            if (
                tensor.is_floating_point()
                and tensor.numel()
                and not torch.stack(torch.aminmax(tensor)).isfinite().all()
            ):
                fail(path, f"{stored_name} holds NaN or infinity (as {str(tensor.dtype).removeprefix('torch.')})")


def _compute_unstored(model: PreTrainedModel, filled: Collection[str]) -> None:
    """Set the tables that a network computes and its snapshots leave out, such as sinusoidal positions.

    Args:
        model: Built without initialisation, its other tensors set.
        filled: Names of the tensors that the file held.
    """
    import torch
    from transformers import PreTrainedModel

    patterns = model._keys_to_ignore_on_load_missing
    tensors = model.state_dict(keep_vars=True)
    tied = getattr(model, "all_tied_weights_keys", None) or {}
    left = {name for name in tensors if name not in filled and name not in tied and name not in tied.values()}
    for name in sorted(left - set(_not_matching(sorted(left), patterns))):
        parts = name.split(".")[:-1]
        for key, tensor in model.get_submodule(".".join(parts)).state_dict(keep_vars=True).items():
            tensor._is_hf_initialized = ".".join([*parts, key]) not in left  # the library sets none that is marked
        owners = [model.get_submodule(".".join(parts[:depth])) for depth in range(len(parts) + 1)]
        owner = next(module for module in reversed(owners) if isinstance(module, PreTrainedModel))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            owner._init_weights(owners[-1])


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    count = f"{len(names)} tensors" if len(names) > 1 else "1 tensor"
    return f"{count} ({shown}{', …' if len(names) > 3 else ''})"
