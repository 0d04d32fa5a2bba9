"""Which files of a folder are the snapshot's own: those that its model, processor and card write, and no others."""

from __future__ import annotations

import stat
from pathlib import Path

from ..errors import CardError, TsugikiError
from ..ownership import foreign_part_of_run
from ..registry import registry
from ..snapshots.provenance import FILE as PROVENANCE
from ..snapshots.provenance import WEIGHTS, Provenance
from ..snapshots.resolve import CONFIG
from ..training.event_logs import are_event_logs
from .render import README

REQUIRED_FILES = (README, CONFIG, WEIGHTS, PROVENANCE)
LICENSES = ("LICENSE", "NOTICE")
_OF_MODELS = ("generation_config.json",)
_OF_PROCESSORS = (
    "added_tokens.json",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "video_preprocessor_config.json",
    "vocab.json",
    "vocab.txt",
)


def snapshot_files(folder: Path) -> tuple[list[Path], list[str]]:
    """The files of a snapshot, and the names of what else lies in its folder; both sorted.

    Args:
        folder: A snapshot with its provenance.

    Raises:
        CardError: One of its own files is a link, or no file at all.
    """
    provenance = Provenance.read(folder)
    pictures = [picture.file for picture in provenance.pictures]
    names = {*REQUIRED_FILES, *LICENSES, *_OF_MODELS, *_OF_PROCESSORS, *pictures}
    there = sorted(folder.iterdir())
    if any(path.name not in names for path in there):
        names |= _names_of_processor(provenance.model_type)
    own = [path for path in there if path.name in names]
    for path in own:
        if not _is_plain(path):
            raise CardError(f"{path.name} is no file of its own but a link or a folder; put the file itself there")
    return own, [path.name for path in there if path.name not in names]


def foreign_part(folder: Path) -> str:
    """Why a folder is not a snapshot or an unfinished run of this program and nothing else; empty where it is.

    `tsugiki.output.check_output` asks before anything is replaced.
    """
    found = foreign_part_of_run(folder)
    if found is None:
        try:
            own, others = snapshot_files(folder)
        except TsugikiError as error:
            return f"tsugiki cannot tell that it wrote it ({error})"
        others = [name for name in others if not are_event_logs(folder / name)]
        found = next(iter([*others, *(path.name for path in own if path.name in LICENSES)]), "")
    return f"tsugiki did not write {found}, which is in it" if found else ""


def _names_of_processor(model_type: str) -> set[str]:
    """What the family's tokenizer class says that it writes besides, as transformers has tokenizers say it."""
    family = registry().family_of_model_type(model_type)
    declared = getattr(family.processor_class(), "vocab_files_names", None) if family is not None else None
    return set(declared.values()) if isinstance(declared, dict) else set()


def _is_plain(path: Path) -> bool:
    """Whether it is a regular file, or one that the Hub's own cache keeps among its blobs."""
    if stat.S_ISREG(path.lstat().st_mode):
        return True
    from huggingface_hub import constants

    folder, target = path.parent.resolve(), path.resolve()
    return (
        target.is_file()
        and target.parent == folder.parent.parent / "blobs"
        and folder.is_relative_to(Path(constants.HF_HUB_CACHE).resolve())
    )
