"""The licence identifiers that a card may carry: the Hub's own, in the part of its list that this field uses."""

from __future__ import annotations

from ..errors import CardError, did_you_mean

IDENTIFIERS = frozenset(
    [
        "afl-3.0",
        "agpl-3.0",
        "apache-2.0",
        "artistic-2.0",
        "bigscience-openrail-m",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsl-1.0",
        "c-uda",
        "cc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "cdla-sharing-1.0",
        "creativeml-openrail-m",
        "ecl-2.0",
        "epl-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "gfdl",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "isc",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "mit",
        "mpl-2.0",
        "ms-pl",
        "ncsa",
        "odbl",
        "odc-by",
        "ofl-1.1",
        "open-mdw",
        "openrail",
        "openrail++",
        "osl-3.0",
        "pddl",
        "postgresql",
        "unlicense",
        "wtfpl",
        "zlib",
        "other",
        "unknown",
    ]
)


def check_license(identifier: str | None, name: str | None, link: str | None = None) -> None:
    """Refuse a licence that the Hub does not know.

    Args:
        identifier: Of the Hub.
        name: What an ``other`` licence is called.
        link: Where an ``other`` licence is read, or where it would stand if there was one.

    Raises:
        CardError: It is missing, unknown, or ``other`` without a name or a link.
    """
    if identifier not in IDENTIFIERS:
        raise CardError(
            f"license {identifier!r} is not an identifier of the Hub.{did_you_mean(str(identifier), IDENTIFIERS)} "
            "Use 'other' with a license_name, or 'unknown'"
        )
    if identifier == "other" and not name:
        raise CardError("license 'other' needs a license_name that says which")
    if identifier == "other" and not link:
        raise CardError(
            "license 'other' needs a license_link: state one in the front matter of card.md, or the address of the "
            "data in the recipe's data.source"
        )
