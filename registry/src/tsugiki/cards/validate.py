"""Offline validation of a snapshot's card: complete, valid for the Hub, and the same in all three places.

Nothing here loads weights or needs the network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ..errors import TsugikiError
from ..snapshots.hub import FILE_PATTERNS
from ..snapshots.provenance import FILE as PROVENANCE
from ..snapshots.provenance import WEIGHTS, Provenance, SeedFigures, Weights
from ..training.event_logs import are_event_logs
from .agreement import disagreements
from .front_matter import split_card
from .licenses import check_license
from .metadata import LICENSE_FILE, check_metadata
from .prose import REQUIRED, unfilled
from .render import README
from .snapshot_files import LICENSES, REQUIRED_FILES
from .yaml_block import parse_front_matter

_SECTIONS = ("Results", "How to use it", *REQUIRED, "How it was made", "How to verify", "License of the weights")


def validate_card(folder: str | Path) -> list[str]:
    """Everything that is wrong with the card of a snapshot.

    Args:
        folder: The snapshot.

    Returns:
        One sentence for each problem; where the parts of a card disagree, it names the front matter, the text or
        `provenance.json`. Empty when the card is complete.
    """
    snapshot = Path(folder)
    if not snapshot.is_dir():
        return [f"{folder} is not a folder"]
    problems = [f"{name} is missing" for name in REQUIRED_FILES if not (snapshot / name).is_file() and name != WEIGHTS]
    problems += _foreign_files(snapshot)
    if any(not (snapshot / name).is_file() for name in (README, PROVENANCE)):
        return problems + ([] if (snapshot / WEIGHTS).is_file() else [f"{WEIGHTS} is missing"])
    try:
        provenance = Provenance.read(snapshot)
        if provenance.distributed is None and not (snapshot / WEIGHTS).is_file():
            problems.append(f"{WEIGHTS} is missing")
        front_matter, text = split_card((snapshot / README).read_bytes().decode())
        data = parse_front_matter(front_matter)
        problems += disagreements(snapshot, provenance, front_matter, text, data)
        problems += _front_matter(data, provenance, snapshot)
        problems += _text(text, provenance, snapshot)
        problems += _figures(provenance)
        problems += _weights(snapshot, provenance)
    except (TsugikiError, UnicodeDecodeError) as error:
        problems.append(f"{error}")
    return list(dict.fromkeys(problems))


def _foreign_files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or are_event_logs(path):
            continue
        if path.is_dir():
            yield f"the folder {path.name} does not belong in a snapshot, which is flat"
        elif path.name not in LICENSES and not any(fnmatch(path.name, kind) for kind in FILE_PATTERNS):
            yield f"{path.name} does not belong in a snapshot: weights are safetensors, and pickles are not passed on"


def _front_matter(data: Mapping[str, Any], provenance: Provenance, folder: Path) -> Iterator[str]:
    if data.get("library_name") != "tsugiki":
        yield f"front matter: library_name is {data.get('library_name')!r} and must be 'tsugiki'"
    for key, value in {"pipeline_tag": provenance.hub_task, "license": provenance.license}.items():
        if data.get(key) != value:
            yield f"front matter and {PROVENANCE} disagree on {key}: {data.get(key)!r} and {value!r}"
    try:
        check_license(data.get("license"), data.get("license_name"), data.get("license_link"))
        language, link = data.get("language", []), data.get("license_link")
        check_metadata(language if isinstance(language, list) else [language], link)
        if link == LICENSE_FILE and not (folder / LICENSE_FILE).is_file():
            yield f"front matter: license_link leads to {LICENSE_FILE}, which is missing"
    except TsugikiError as error:
        yield f"front matter: {error}"
    if not data.get("model-index"):
        yield "front matter: it has no model-index, so the Hub shows no result"


def _text(text: str, provenance: Provenance, folder: Path) -> Iterator[str]:
    headings = {line[3:].strip() for line in text.splitlines() if line.startswith("## ")}
    for heading in _SECTIONS:
        if heading not in headings:
            yield f"text: the section {heading!r} is missing"
    if provenance.card is not None and (left := unfilled(provenance.card.prose)) is not None:
        yield f"text: in the prose that it was rendered from, {left}"
    for picture in provenance.pictures:
        if not (folder / picture.file).is_file():
            yield f"picture {picture.file} is missing"
        if f"]({picture.file})" not in text:
            yield f"picture {picture.file} of {PROVENANCE} is not shown in the text"


def _figures(provenance: Provenance) -> Iterator[str]:
    """Figures of provenance that cannot be, whatever was measured."""
    if not provenance.evaluations:
        yield f"{PROVENANCE}: there is no evaluation"
    for evaluation in provenance.evaluations:
        dataset, fast = evaluation.dataset, evaluation.fast
        rows = evaluation.rows if evaluation.examples is None else evaluation.examples
        for name, metric in evaluation.metrics.items():
            ends = (metric.low, metric.value, metric.high)
            if not all(map(math.isfinite, ends)) or ends[0] > ends[2]:
                yield f"{PROVENANCE}: {name} on {dataset} is {ends[1]} with the interval {ends[0]} to {ends[2]}"
            # More than the rows where each holds several answers, as a tree its phrases; none where nothing was found
            # and a share of it is 0, as the precision of a tagger that tags nothing.
            if metric.n < 0 or (metric.n == 0 and metric.value != 0):
                yield f"{PROVENANCE}: {name} on {dataset} counts {metric.n} answers"
            if metric.kind == "share" and not 0 <= metric.value <= 1:
                yield f"{PROVENANCE}: {name} on {dataset} is a share of {metric.value}"
        if fast.correct is not None and not 0 <= fast.correct <= fast.rows <= rows:
            yield f"{PROVENANCE}: {fast.correct} of {fast.rows} right on the fast subset of {dataset}, of {rows}"
    for name, summary in (provenance.seeds or {}).items():
        again = SeedFigures.of(summary.values)
        for key, given, figure in (("mean", summary.mean, again.mean), ("sd", summary.sd, again.sd)):
            if not math.isclose(given, figure, rel_tol=1e-6, abs_tol=1e-9):
                yield f"{PROVENANCE}: {key} of {name} over the seeds is {given}; its values give {figure}"


def _weights(folder: Path, provenance: Provenance) -> Iterator[str]:
    record = provenance.weights
    path = folder / WEIGHTS
    if record.file != path.name:
        yield f"{PROVENANCE}: weights are in {WEIGHTS}, not in {record.file!r}"
    elif path.is_file():
        measured = Weights.of(folder)
        if measured.bytes != record.bytes:
            yield f"{PROVENANCE}: {path.name} has {measured.bytes} bytes, not {record.bytes}"
        if measured.sha256 != record.sha256:
            yield f"{path.name} is not the file that {PROVENANCE} describes: its sha256 differs"
