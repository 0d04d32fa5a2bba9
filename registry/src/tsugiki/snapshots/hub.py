"""Snapshots from the Hugging Face Hub: downloaded through `huggingface_hub`, its cache and its offline switch."""

from __future__ import annotations

from pathlib import Path

from ..errors import HubError
from ..web import is_offline

# What a snapshot consists of. Pickles (*.bin, *.pt, *.ckpt, *.pkl) are not even downloaded.
FILE_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.md", "*.png", "*.model"]
FOLDERS = ["*/*"]  # a snapshot is flat; sub-folders hold other formats and training checkpoints


def download(repo_id: str, revision: str | None = None) -> Path:
    """The local copy of a Hub repository's snapshot, downloaded where it is not cached.

    A branch or tag is resolved to a commit first, and all files are of that one commit.

    Args:
        repo_id: ``org/name``.
        revision: Branch, tag or commit; the repository's main branch by default.

    Returns:
        The snapshot's folder in the cache of `huggingface_hub`; its name is the commit.

    Raises:
        HubError: There is no such repository or revision, it is not accessible, the Hub cannot be reached and nothing
            is cached, or the download broke off.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    wanted = repo_id if revision is None else f"{repo_id} at revision {revision!r}"
    try:
        folder = snapshot_download(
            repo_id, revision=revision, allow_patterns=FILE_PATTERNS, ignore_patterns=FOLDERS, library_name="tsugiki"
        )
    except GatedRepoError as error:
        raise HubError(
            f"{repo_id} is gated: accept its terms on its Hub page, then log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise HubError(
            f"the Hub has no repository {repo_id!r}; check the name, or log in with `hf auth login` if it is private"
        ) from error
    except RevisionNotFoundError as error:
        raise HubError(f"{repo_id} has no revision {revision!r}; its Hub page lists branches, tags, commits") from error
    except HFValidationError as error:
        raise HubError(f"{wanted!r} is no repository id: {_one_line(error)}") from error
    except LocalEntryNotFoundError as error:
        if is_offline():
            raise HubError(f"{wanted} is not in the local cache, and HF_HUB_OFFLINE forbids downloading it") from error
        raise HubError(
            f"{wanted} is not in the local cache, and the Hub cannot be reached: check the network"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise HubError(f"downloading {wanted} failed: {_one_line(error)}") from error
    except Exception as error:
        if not _is_transport_error(error):
            raise
        raise HubError(f"downloading {wanted} broke off; run it again to continue: {_one_line(error)}") from error
    return Path(folder)


def _is_transport_error(error: Exception) -> bool:
    """Whether the HTTP library that `huggingface_hub` uses (httpx, or its successor) raised this."""
    return any(base.__name__ == "TransportError" for base in type(error).__mro__)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
