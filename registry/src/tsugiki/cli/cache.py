"""`tsugiki cache`: shows and clears the features that fine-tuning keeps."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json
from .output import format_bytes, print_json


def command(
    clear: Annotated[bool, typer.Option("--clear", help="Remove every entry.")] = False,
    json: Json = False,
) -> None:
    """Show or clear the cache of features.

    Fine-tuning keeps what the frozen part of a network gave, so that the next run is fast. TSUGIKI_CACHE names another
    folder, TSUGIKI_CACHE_LIMIT another size in bytes; the least recently used entries are dropped first.

    Example:
        tsugiki cache
        tsugiki cache --clear
    """
    from ..transfer.cache import cache_info, clear_cache

    removed = clear_cache() if clear else None
    info = cache_info()
    if json:
        facts = {"folder": str(info.folder), "entries": info.entries, "bytes": info.bytes, "limit": info.limit}
        if removed is not None:
            facts["removed"] = {"entries": removed.entries, "bytes": removed.bytes}
        print_json(facts)
        return
    if removed is not None:
        print(f"removed {removed.entries} entries, {format_bytes(removed.bytes)}")
    print(f"folder   {info.folder}")
    print(f"entries  {info.entries}")
    print(f"size     {format_bytes(info.bytes)} of at most {format_bytes(info.limit)}")
