"""Files behind an address, fetched by the client of `huggingface_hub`: its proxies, its offline switch."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from .errors import DataError

LIMIT = 200_000_000  # bytes of one file
TIMEOUT = 30.0  # seconds that a server may be silent
_LONGEST = 600.0  # seconds that one file may take


@dataclass(frozen=True)
class Address:
    """A file on the web, fetched when it is read."""

    url: str

    def read(self) -> bytes:
        """Its content.

        Raises:
            DataError: See `fetch`.
        """
        return fetch(self.url)


def is_address(word: str) -> bool:
    """Whether a word is the address of a file on the web and nothing besides."""
    return word.lower().startswith(("http://", "https://")) and not any(sign.isspace() for sign in word)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"))


def fetch(url: str, *, timeout: float | None = TIMEOUT, limit: int = LIMIT) -> bytes:
    """Fetch one file.

    Args:
        url: Its address.
        timeout: Seconds that the server may be silent; None waits for as long as the file may take at all.
        limit: Bytes that it may have.

    Raises:
        DataError: The network is forbidden or does not reach it, the server refuses it, or it is too large or slow.
    """
    if is_offline():
        raise DataError(f"{url} is not fetched: HF_HUB_OFFLINE forbids the network")
    from huggingface_hub import get_session

    content = bytearray()
    started = time.monotonic()
    try:
        with get_session().stream("GET", url, timeout=timeout or _LONGEST, follow_redirects=True) as response:
            if not response.is_success:
                raise DataError(f"{url} cannot be fetched: {response.status_code} {response.reason_phrase}".rstrip())
            for part in response.iter_bytes():
                content += part
                if len(content) > limit:
                    raise DataError(f"{url} has more than {limit / 1e6:,.0f} MB; save it and name the file")
                if time.monotonic() - started > _LONGEST:
                    raise DataError(f"{url} takes more than {_LONGEST:.0f} seconds; save it and name the file")
    except DataError:
        raise
    except Exception as error:  # of the HTTP library, which differs between versions of huggingface_hub
        raise DataError(f"{url} cannot be fetched: {' '.join(str(error).split()) or type(error).__name__}") from error
    return bytes(content)
