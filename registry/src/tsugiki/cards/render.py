"""Rendering: `card.md` and `provenance.json` become the card, `README.md`.

The prose says what the model is for and where it fails; every figure comes from provenance. Rendering the same two
again gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from ..errors import CardError
from ..metrics import Kind
from ..output import write_text
from ..snapshots.provenance import read_provenance, write_provenance
from . import numbers
from .front_matter import render_front_matter, short_name, split_card
from .prose import Prose, metric_kinds, read_prose
from .results import render_results, table
from .seal import seal
from .transfer_prose import transfer_prose

README = "README.md"
_FIELDS = (
    "command", "data", "date", "evaluations", "family", "hardware", "license", "name", "parameters", "plugin",
    "seconds", "seed", "task", "versions", "weights",
)  # fmt: skip
_ROLES = {"train": "training", "validation": "validation", "evaluation": "evaluation", "test": "evaluation"}


def write_card(folder: str | Path, card_md: str | None = None) -> Path:
    """Render the card of a snapshot into its `README.md` and seal it in its `provenance.json`.

    Args:
        folder: A snapshot with weights, pictures and provenance.
        card_md: The prose. By default that of the last rendering; for a fine-tuned model that was never rendered,
            it is written from the report of the fine-tuning.

    Returns:
        The README.

    Raises:
        CardError: Provenance, prose or a picture is missing or incomplete.
    """
    snapshot = Path(folder)
    provenance = read_provenance(snapshot)
    prose = card_md if card_md is not None else stored_prose(provenance)
    readme = render_card(snapshot, prose, provenance)
    write_provenance(snapshot, seal(provenance, prose, *split_card(readme)))
    write_text(snapshot / README, readme)
    return snapshot / README


def stored_prose(provenance: Mapping[str, Any]) -> str:
    """The prose of the last rendering, or the one that follows from a fine-tuning report.

    Raises:
        CardError: There is neither.
    """
    card = provenance.get("card") or {}
    if card.get("prose"):
        return card["prose"]
    if provenance.get("transfer"):
        return transfer_prose(provenance)
    raise CardError(f"{provenance.get('name')!r} has no prose; write a card.md with its intended use and its limits")


def render_card(folder: str | Path, card_md: str, provenance: Mapping[str, Any]) -> str:
    """Render a card.

    Args:
        folder: The snapshot, to see that every picture is there.
        card_md: The prose, with slots.
        provenance: The record that all figures come from.

    Returns:
        The text of `README.md`, front matter included.

    Raises:
        CardError: A field of provenance, a slot, a required section or a picture is missing.
    """
    for field in _FIELDS:
        if provenance.get(field) is None:
            raise CardError(f"provenance.json of {provenance.get('name')!r} has no {field!r}; a card cannot do without")
    if not provenance["evaluations"]:
        raise CardError(f"provenance.json of {provenance['name']!r} has no evaluation; a card needs a measured figure")
    prose = read_prose(card_md, provenance)
    parts = [f"# {provenance['name']}", prose.introduction]
    parts += [f"## {heading}\n\n{text}" for heading, text in _sections(Path(folder), prose, provenance) if text]
    return f"---\n{render_front_matter(provenance)}\n---\n\n" + "\n\n".join(parts) + "\n"


def _sections(folder: Path, prose: Prose, provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    own = dict(prose.sections)
    usage = own.pop("How to use it", None) or _usage(provenance)
    data = "\n\n".join(part for part in (own.pop("Data", None), _data(provenance)) if part)
    citation = own.pop("Citation", None) or provenance.get("citation") or ""
    return [
        ("Results", _results(provenance)),
        ("How to use it", usage),
        ("Samples", _samples(provenance)),
        *own.items(),
        ("Data", data),
        ("How it was made", _making(provenance)),
        ("Curves and pictures", _pictures(folder, provenance)),
        ("How to verify", _verification(provenance)),
        ("License of the weights", _license(provenance)),
        ("Citation", citation),
    ]


def _results(provenance: Mapping[str, Any]) -> str:
    parts = [render_results(provenance)]
    signatures = {
        metric: line
        for evaluation in provenance["evaluations"]
        for metric, line in (evaluation.get("signatures") or {}).items()
    }
    if signatures:
        parts.append("\n".join(f"- {numbers.metric_name(metric)}: `{line}`" for metric, line in signatures.items()))
    if seeds := provenance.get("seeds"):
        parts.append(_seeds(seeds, metric_kinds(provenance), provenance["seed"]))
    return "\n\n".join(parts)


def _seeds(seeds: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, Kind], kept: int) -> str:
    """Mean and deviation of every metric over the seeds: a sentence for one, a list for several."""
    lines = {}
    for metric, summary in seeds.items():
        values = ", ".join(numbers.metric_value(kinds[metric], value) for value in summary["values"])
        lines[metric] = (
            numbers.metric_spread(kinds[metric], summary["mean"], summary["sd"]),
            values,
            len(summary["values"]),
        )
    weights = f"The weights here are those of seed {kept}."
    if len(lines) == 1:
        ((metric, (spread, values, count)),) = lines.items()
        return (
            f"Over {count} seeds the {numbers.metric_name(metric)} is {spread} (mean and standard deviation; one by "
            f"one {values}). {weights}"
        )
    listed = [f"- {numbers.metric_name(metric)} {spread} ({values})" for metric, (spread, values, _) in lines.items()]
    count = next(iter(lines.values()))[2]
    return "\n\n".join([f"Over {count} seeds, mean and standard deviation (one by one):", "\n".join(listed), weights])


def _usage(provenance: Mapping[str, Any]) -> str:
    name, task = provenance["name"], provenance["task"]
    if task == "image-classification":
        code = [
            "import tsugiki",
            "from PIL import Image",
            "",
            f'classify = tsugiki.pipeline("{name}")',
            'picture = Image.new("RGB", (64, 64))  # or Image.open("your_picture.png")',
            "print(classify(picture))",
        ]
    else:
        code = ["import tsugiki", "", f'model = tsugiki.load("{name}")', "print(model.config)"]
    parts = ["\n".join(["```python", *code, "```"])]
    if provenance.get("transfer") and "/" not in name:
        parts.append("Run it in the folder that holds this snapshot, or give the path to it.")
    else:
        parts.append(f"It needs `tsugiki` and its plugin `{provenance['plugin']}`.")
    return "\n\n".join(parts)


def _data(provenance: Mapping[str, Any]) -> str:
    rows = []
    for role, data in provenance["data"].items():
        if data:
            rows.append((_ROLES.get(role, role), *_data_cells(data, data["id"]), _licence_cell(data)))
    licences = {data["id"]: _licence_cell(data) for data in provenance["data"].values() if data}
    for evaluation in provenance["evaluations"]:
        name = evaluation["dataset"]
        rows.append(("evaluation", *_data_cells(evaluation, name), licences.get(name) or _licence_cell(evaluation)))
    header = ("used for", "data set", "split", "rows", "revision", "content fingerprint", "licence")
    return table(header, list(dict.fromkeys(rows)), right=("rows",))


def _data_cells(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return (
        f"`{short_name(name)}`",
        data.get("split") or "",
        numbers.count(data["rows"]),
        f"`{data['revision']}`" if data.get("revision") else "",
        f"`{data['fingerprint']}`",
    )


def _licence_cell(data: Mapping[str, Any]) -> str:
    return data.get("license") or "unknown"


def _making(provenance: Mapping[str, Any]) -> str:
    hardware, weights = provenance["hardware"], provenance["weights"]
    processes = f"{hardware['processes']} process{'es' if hardware['processes'] != 1 else ''}"
    threads = f"{hardware['threads']} thread{'s' if hardware['threads'] != 1 else ''}"
    lines = [
        f"- Seed: {provenance['seed']}",
        f"- Hardware: {hardware['name']} ({hardware['device']}), {processes}, {threads}, {hardware['precision']}",
        f"- Wall time: {numbers.duration(provenance['seconds'])} ({provenance['date']})",
        f"- Parameters: {numbers.count(provenance['parameters'])}",
        f"- Weights: `{weights['file']}`, {numbers.count(weights['bytes'])} bytes, sha256 `{weights['sha256']}`",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in provenance['versions'].items())}",
    ]
    if provenance.get("base_model"):
        lines.insert(0, f"- Made from: `{short_name(provenance['base_model'])}`")
    if provenance.get("commit"):
        lines.append(f"- Commit: `{provenance['commit']}`")
    parts = ["\n".join(["```", provenance["command"], "```"]), "\n".join(lines)]
    if choices := {key: value for key, value in (provenance.get("recipe") or {}).items() if value}:
        recipe = yaml.safe_dump(choices, sort_keys=False, allow_unicode=True, width=120).strip()
        parts.append(f"The choices of its recipe:\n\n```yaml\n{recipe}\n```")
    return "\n\n".join(parts)


def _samples(provenance: Mapping[str, Any]) -> str:
    """What the model wrote, in fences that no text closes."""
    parts = []
    for text in provenance.get("samples") or ():
        longest = max((len(run) for run in re.findall("`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        parts.append(f"{fence}text\n{text}\n{fence}")
    if not parts:
        return ""
    return "\n\n".join(["Drawn from nothing, with the seeds 0, 1, … and none left out:", *parts])


def _pictures(folder: Path, provenance: Mapping[str, Any]) -> str:
    parts = []
    for picture in provenance.get("pictures") or ():
        file, caption = picture["file"], " ".join(str(picture.get("caption") or "").split())
        if file != PurePosixPath(file).name or file == "..":
            raise CardError(f"picture {file!r} of {provenance['name']!r} does not lie in the snapshot itself")
        if not (folder / file).is_file():
            raise CardError(f"picture {file!r} of {provenance['name']!r} is missing in {folder}")
        if not caption:
            raise CardError(f"picture {file!r} of {provenance['name']!r} has no caption")
        parts.append(f"![{caption.replace('[', '(').replace(']', ')')}]({file})\n\n*{caption}*")
    return "\n\n".join(parts)


def _verification(provenance: Mapping[str, Any]) -> str:
    name = provenance["name"]
    sums = any("sum" in (evaluation.get("fast") or {}) for evaluation in provenance["evaluations"])
    fast = "sums the losses" if sums else "counts the right answers"
    return (
        f"```\ntsugiki verify {name}\ntsugiki verify {name} --fast\n```\n\n"
        f"The first measures every figure of the results again, in fp32 on the CPU. The second {fast} "
        "on a fixed subset of at most 1,000 rows. Both also find a digit of this card, or of `provenance.json`, that "
        "was changed by hand."
    )


def _license(provenance: Mapping[str, Any]) -> str:
    identifier = provenance["license"]
    if identifier == "unknown":
        text = "No licence is stated for these weights: ask the owners of the data before you pass them on."
    elif identifier == "other":
        link = provenance.get("license_link")
        text = f"{provenance['license_name']}" + (f" ({link})." if link else ".")
    else:
        text = f"`{identifier}`."
    unknown = [data["id"] for data in provenance["data"].values() if data and _licence_cell(data) == "unknown"]
    names = ", ".join(f"`{short_name(name)}`" for name in dict.fromkeys(unknown))
    return f"{text} Of the data it learned from, {names} states no licence." if names else text
