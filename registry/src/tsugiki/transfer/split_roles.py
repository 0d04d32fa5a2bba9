"""Which split of the data learns, which chooses, and which is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import DataError
from .options import Options


def split_roles(names: Sequence[str], options: Options) -> tuple[str | None, str | None, str | None]:
    """The splits to train, to choose and to measure on; None for none of its own."""
    if not names:
        for role in ("validation", "test"):
            if isinstance(named := getattr(options, role), str):
                raise DataError(f"the data has no splits, so {role}={named!r} names none; give a share such as 0.2")
        return None, None, None
    train = "train" if "train" in names else names[0] if len(names) == 1 else None
    if train is None:
        raise DataError(f"the data has the splits {', '.join(names)}, and none is called 'train'")
    test: str | None = options.test if isinstance(options.test, str) else None
    if options.test is None:
        spare = [name for name in ("test", "validation") if name in names and name not in (train, options.validation)]
        test = spare[0] if spare else None
    validation: str | None = options.validation if isinstance(options.validation, str) else None
    if options.validation is None and "validation" in names and "validation" not in (train, test):
        validation = "validation"
    if test is not None and test in (train, validation):
        raise DataError(f"test={test!r} is the split that the model is trained or chosen on; name another")
    return train, validation, test


def is_dataset(value: Any) -> bool:
    """Whether a value is a `datasets.Dataset`."""
    return hasattr(value, "features")
