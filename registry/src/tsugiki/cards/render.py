"""Rendering: `card.md` and `provenance.json` become the card, `README.md`.

The prose says what the model is for and where it fails; every figure comes from provenance. Rendering the same two
again gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import yaml

from ..durations import duration
from ..errors import CardError
from ..metrics import Metric
from ..output import write_text
from ..records import plain
from ..snapshots.provenance import DataRecord, Evaluation, Provenance, SeedFigures
from ..snapshots.transformers_families import TRANSFORMERS
from . import numbers
from .front_matter import render_front_matter, short_name, split_card
from .metadata import split_prose
from .prose import Prose, read_prose
from .results import render_results, table
from .seal import seal
from .transfer_prose import transfer_prose

README = "README.md"


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
    provenance = Provenance.read(snapshot)
    prose = card_md if card_md is not None else stored_prose(provenance)
    readme = render_card(snapshot, prose, provenance)
    seal(provenance, prose, *split_card(readme)).write(snapshot)
    write_text(snapshot / README, readme)
    return snapshot / README


def stored_prose(provenance: Provenance) -> str:
    """The prose of the last rendering, or the one that follows from a fine-tuning report.

    Raises:
        CardError: There is neither.
    """
    if provenance.card is not None:
        return provenance.card.prose
    if provenance.transfer is not None:
        return transfer_prose(provenance, provenance.transfer)
    raise CardError(f"{provenance.name!r} has no prose; write a card.md with its intended use and its limits")


def render_card(folder: str | Path, card_md: str, provenance: Provenance) -> str:
    """Render a card.

    Args:
        folder: The snapshot, to see that every picture is there.
        card_md: The prose, with slots.
        provenance: The record that all figures come from.

    Returns:
        The text of `README.md`, front matter included.

    Raises:
        CardError: A figure, a slot, a required section or a picture is missing.
    """
    if not provenance.metrics:
        raise CardError(f"provenance.json of {provenance.name!r} has no evaluation; a card needs a measured figure")
    metadata, written = split_prose(card_md)
    prose = read_prose(written, provenance)
    parts = [f"# {provenance.name}", prose.introduction]
    parts += [f"## {heading}\n\n{text}" for heading, text in _sections(Path(folder), prose, provenance) if text]
    return f"---\n{render_front_matter(provenance, metadata)}\n---\n\n" + "\n\n".join(parts) + "\n"


def _sections(folder: Path, prose: Prose, provenance: Provenance) -> list[tuple[str, str]]:
    own = dict(prose.sections)
    usage = own.pop("How to use it", None) or _usage(provenance)
    data = "\n\n".join(part for part in (own.pop("Data", None), _data(provenance)) if part)
    citation = own.pop("Citation", None) or provenance.citation
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


def _results(provenance: Provenance) -> str:
    parts = [render_results(provenance)]
    signatures = {
        metric: line for evaluation in provenance.evaluations for metric, line in evaluation.signatures.items()
    }
    if signatures:
        parts.append("\n".join(f"- {numbers.metric_name(metric)}: `{line}`" for metric, line in signatures.items()))
    if provenance.seeds:
        parts.append(_seeds(provenance.seeds, provenance.metrics, provenance.seed))
    return "\n\n".join(parts)


def _seeds(seeds: Mapping[str, SeedFigures], metrics: Mapping[str, Metric], kept: int | None) -> str:
    """Mean and deviation of every metric over the seeds: a sentence for one, a list for several."""
    lines = {}
    for metric, summary in seeds.items():
        kind = metrics[metric].kind
        values = ", ".join(numbers.metric_value(kind, value) for value in summary.values)
        lines[metric] = (
            numbers.metric_spread(kind, summary.mean, summary.sd),
            values,
            len(summary.values),
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


def _usage(provenance: Provenance) -> str:
    name = provenance.name
    if provenance.task == "image-classification":
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
    if provenance.transfer is not None and "/" not in name:
        parts.append("Run it in the folder that holds this snapshot, or give the path to it.")
    else:
        plugin = "" if provenance.plugin == TRANSFORMERS else f" and its plugin `{provenance.plugin}`"
        parts.append(f"It needs `tsugiki`{plugin}.")
    return "\n\n".join(parts)


def _data(provenance: Provenance) -> str:
    learned = provenance.learned
    rows = [(use, *_data_cells(data, data.id), _licence(data)) for use, data in learned.items()]
    licences = {data.id: _licence(data) for data in learned.values()}
    for evaluation in provenance.evaluations:
        name = evaluation.dataset
        rows.append(("evaluation", *_data_cells(evaluation, name), licences.get(name) or _licence(evaluation)))
    header = ("used for", "data set", "split", "rows", "revision", "content fingerprint", "licence")
    return table(header, list(dict.fromkeys(rows)), right=("rows",))


def _data_cells(data: DataRecord | Evaluation, name: str) -> tuple[str, ...]:
    return (
        f"`{short_name(name)}`",
        data.split or "",
        numbers.count(data.rows),
        f"`{data.revision}`" if data.revision else "",
        f"`{data.fingerprint}`",
    )


def _licence(data: DataRecord | Evaluation) -> str:
    return data.license or "unknown"


def _making(provenance: Provenance) -> str:
    weights = provenance.weights
    lines = [
        *_training(provenance),
        f"- Parameters: {numbers.count(provenance.parameters)}",
        f"- Weights: `{weights.file}`, {numbers.count(weights.bytes)} bytes, sha256 `{weights.sha256}`",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in provenance.versions.items())}",
    ]
    if provenance.base_model:
        lines.insert(0, f"- Made from: `{short_name(provenance.base_model)}`")
    if provenance.commit:
        lines.append(f"- Commit: `{provenance.commit}`")
    parts = ["\n".join(["```", provenance.command, "```"]), "\n".join(lines)]
    if choices := {key: value for key, value in plain(provenance.recipe or {}).items() if value}:
        recipe = yaml.safe_dump(choices, sort_keys=False, allow_unicode=True, width=120).strip()
        parts.append(f"The choices of its recipe:\n\n```yaml\n{recipe}\n```")
    return "\n\n".join(parts)


def _training(provenance: Provenance) -> list[str]:
    """Seed, hardware and time of a training; of weights that others trained, where they come from."""
    if (source := provenance.distributed) is not None:
        return [
            f"- Read out of `{source.file}` of the distribution `{source.name}` {source.version} "
            f"(sha256 `{source.sha256}`, licence {source.license}); not trained here",
            f"- Converted: {provenance.date}",
        ]
    lines = [] if provenance.seed is None else [f"- Seed: {provenance.seed}"]
    if (hardware := provenance.hardware) is not None:
        processes = f"{hardware.processes} process{'es' if hardware.processes != 1 else ''}"
        threads = f"{hardware.threads} thread{'s' if hardware.threads != 1 else ''}"
        lines.append(f"- Hardware: {hardware.name} ({hardware.device}), {processes}, {threads}, {hardware.precision}")
    if provenance.seconds is not None:
        lines.append(f"- Wall time: {duration(provenance.seconds)} ({provenance.date})")
    return lines


def _samples(provenance: Provenance) -> str:
    """What the model wrote, in fences that no text closes."""
    parts = []
    for text in provenance.samples:
        longest = max((len(run) for run in re.findall("`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        parts.append(f"{fence}text\n{text}\n{fence}")
    if not parts:
        return ""
    return "\n\n".join(["Drawn from nothing, with the seeds 0, 1, … and none left out:", *parts])


def _pictures(folder: Path, provenance: Provenance) -> str:
    parts = []
    for picture in provenance.pictures:
        file, caption = picture.file, " ".join(picture.caption.split())
        if file != PurePosixPath(file).name or file == "..":
            raise CardError(f"picture {file!r} of {provenance.name!r} does not lie in the snapshot itself")
        if not (folder / file).is_file():
            raise CardError(f"picture {file!r} of {provenance.name!r} is missing in {folder}")
        if not caption:
            raise CardError(f"picture {file!r} of {provenance.name!r} has no caption")
        parts.append(f"![{caption.replace('[', '(').replace(']', ')')}]({file})\n\n*{caption}*")
    return "\n\n".join(parts)


def _verification(provenance: Provenance) -> str:
    name = provenance.name
    sums = any(evaluation.fast.sum is not None for evaluation in provenance.evaluations)
    fast = "sums the losses" if sums else "counts the right answers"
    return (
        f"```\ntsugiki verify {name}\ntsugiki verify {name} --fast\n```\n\n"
        f"The first measures every figure of the results again, in fp32 on the CPU. The second {fast} "
        "on a fixed subset of at most 1,000 rows. Both also find a digit of this card, or of `provenance.json`, that "
        "was changed by hand."
    )


def _license(provenance: Provenance) -> str:
    identifier = provenance.license
    if identifier == "unknown":
        text = "No licence is stated for these weights: ask the owners of the data before you pass them on."
    elif identifier == "other":
        text = f"{provenance.license_name}."
    else:
        text = f"`{identifier}`."
    unknown = [data.id for data in provenance.learned.values() if _licence(data) == "unknown"]
    names = ", ".join(f"`{short_name(name)}`" for name in dict.fromkeys(unknown))
    return f"{text} Of the data it learned from, {names} states no licence." if names else text
