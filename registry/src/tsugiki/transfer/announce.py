"""What a fine-tuning tells while it runs."""

from __future__ import annotations

import logging
import sys

from ..training.processes import is_main_process
from .options import Options

logger = logging.getLogger(__name__)


def say(options: Options, text: str) -> None:
    """Tell the log, and the person who waits."""
    logger.info(text)
    if options.progress and is_main_process():
        print(text, file=sys.stderr)
