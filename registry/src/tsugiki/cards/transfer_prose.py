"""placeholder"""

from collections.abc import Mapping
from typing import Any


def transfer_prose(provenance: Mapping[str, Any]) -> str:
    """x"""
    return ""
