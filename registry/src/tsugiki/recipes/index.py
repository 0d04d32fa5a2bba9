"""What is generated: cards, copies beside the recipes, the index of all, the table in each plugin's README, the page of
ONNX exports.

`write_generated` writes them, `check_generated` says which no longer are what the cards give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..cards import numbers
from ..cards.render import README, render_card, write_card
from ..cards.results import table
from ..errors import CardError
from ..snapshots.listing import natural_key
from ..snapshots.provenance import FILE as PROVENANCE
from ..snapshots.provenance import Provenance
from . import onnx_page
from .recipe import FILE as RECIPE
from .recipe import Recipe

START = "<!-- checkpoints:start -->"
END = "<!-- checkpoints:end -->"
HUB_CARDS = "hub_cards"
_INTRODUCTION = """\
# Checkpoints

One folder for each: `recipe.yaml` says how it is made, `card.md` is the prose of its card, `README.md` the card. This
page and the cards are generated (`tsugiki card --write`); every figure is measured again by `tsugiki verify NAME`.
"""


@dataclass(frozen=True)
class Entry:
    """A checkpoint of the repository: its recipe, and its snapshot where there is one.

    Attributes:
        folder: Its folder under `hub_cards`.
        recipe: What `recipe.yaml` says.
        snapshot: The snapshot inside the plugin; None for an untrained recipe.
    """

    folder: Path
    recipe: Recipe
    snapshot: Path | None

    @property
    def provenance(self) -> Provenance | None:
        """The snapshot's record; None where there is no snapshot."""
        return None if self.snapshot is None else Provenance.read(self.snapshot)


def entries(repo_root: str | Path) -> list[Entry]:
    """Every recipe of the repository, in natural order.

    Raises:
        CardError: A recipe says that it is trained and has no snapshot, or the other way round.
        RecipeError: A recipe is wrong.
    """
    root = Path(repo_root)
    found = []
    folders = (path.parent for path in (root / HUB_CARDS).glob("*/recipe.yaml"))
    for folder in sorted(folders, key=lambda path: natural_key(path.name)):
        recipe = Recipe.read(folder)
        snapshots = sorted(root.glob(f"packages/*/src/*/pretrained/{recipe.name}/{PROVENANCE}"))
        if (recipe.status == "trained") != bool(snapshots):
            have = "has a snapshot" if snapshots else f"has no snapshot: run `tsugiki train {HUB_CARDS}/{folder.name}`"
            raise CardError(f"{HUB_CARDS}/{folder.name} says status: {recipe.status} and {have}")
        found.append(Entry(folder, recipe, snapshots[0].parent if snapshots else None))
    return found


def render_index(hub_cards: str | Path) -> str:
    """The text of `hub_cards/README.md`: task, data, figure with interval, bytes and licence of every checkpoint."""
    return f"{_INTRODUCTION}\n{_table(entries(Path(hub_cards).parent), link='{name}')}\n"


def render_plugin_readme(readme: str, found: list[Entry], *, link: str) -> str:
    """A plugin's README with the table of its checkpoints set between the markers.

    Args:
        readme: The README as it is.
        found: The plugin's checkpoints.
        link: The folder of a checkpoint's card, with ``{name}``.

    Raises:
        CardError: The markers are missing or in the wrong order.
    """
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise CardError(f"the README has no lines {START!r} and {END!r} for its table of checkpoints")
    return f"{before}{START}\n{_table(found, link=link)}\n{END}{after}"


def check_generated(repo_root: str | Path) -> list[str]:
    """The generated files that are not what recipes, prose and provenance give, as paths from the root."""
    root = Path(repo_root)
    return [
        path.relative_to(root).as_posix()
        for path, content in _generated(root)
        if not path.is_file() or path.read_bytes() != content
    ]


def write_generated(repo_root: str | Path) -> list[str]:
    """Render every card, its copy beside the recipe, the index and the plugins' tables.

    Returns:
        The files that changed, as paths from the root.
    """
    root = Path(repo_root)
    changed = check_generated(root)
    for entry in entries(root):
        if entry.snapshot is not None and f"{entry.snapshot.relative_to(root).as_posix()}/{README}" in changed:
            write_card(entry.snapshot, _prose(entry))
    for path, content in _generated(root):
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
    return changed


def copy_card(snapshot: str | Path, folder: str | Path) -> None:
    """Set a snapshot's card and its pictures beside its recipe."""
    for path, content in _copies(Path(snapshot), Path(folder), (Path(snapshot) / README).read_bytes()):
        path.write_bytes(content)


def _generated(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Every generated file with what it should hold."""
    found = entries(root)
    for entry in found:
        if entry.snapshot is not None:
            card = render_card(entry.snapshot, _prose(entry), Provenance.read(entry.snapshot)).encode()
            yield entry.snapshot / README, card
            yield from _copies(entry.snapshot, entry.folder, card)
    yield root / HUB_CARDS / README, render_index(root / HUB_CARDS).encode()
    if (root / onnx_page.RECORD).is_file():
        yield root / onnx_page.PAGE, onnx_page.render_page(onnx_page.read_record(root / onnx_page.RECORD)).encode()
    for readme in sorted(root.glob(f"packages/*/{README}")):
        own = [entry for entry in found if entry.snapshot is not None and entry.snapshot.is_relative_to(readme.parent)]
        if own:
            text = readme.read_text(encoding="utf-8")
            yield readme, render_plugin_readme(text, own, link=f"../../{HUB_CARDS}/{{name}}").encode()


def _copies(snapshot: Path, folder: Path, card: bytes) -> Iterator[tuple[Path, bytes]]:
    yield folder / README, card
    for picture in Provenance.read(snapshot).pictures:
        yield folder / picture.file, (snapshot / picture.file).read_bytes()


def _prose(entry: Entry) -> str:
    path = entry.folder / "card.md"
    if not path.is_file():
        raise CardError(f"{HUB_CARDS}/{entry.folder.name} has no card.md, the prose of its card")
    return path.read_text(encoding="utf-8")


def _table(found: list[Entry], *, link: str) -> str:
    rows: list[tuple[str, ...]] = []
    for entry in found:
        name, recipe, provenance = entry.recipe.name, entry.recipe, entry.provenance
        file = RECIPE if provenance is None else README
        head = (f"[`{name}`]({link.format(name=name)}/{file})", recipe.task, f"`{recipe.data_id}`")
        if provenance is None:
            rows.append((*head, "untrained", "", "", recipe.license))
            continue
        metric_name, metric = provenance.main_figure
        shown = f"{numbers.metric_name(metric_name)} {numbers.metric_value(metric.kind, metric.value)}"
        rows.append(
            (
                *head,
                f"{shown} ({numbers.metric_interval(metric)})",
                numbers.count(provenance.parameters),
                numbers.count(provenance.weights.bytes),
                provenance.license_name or provenance.license,
            )
        )
    header = ("checkpoint", "task", "data", "figure (95 % interval)", "parameters", "bytes", "licence")
    return table(header, rows, right=("parameters", "bytes"))
