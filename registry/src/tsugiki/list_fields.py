"""Fields of a config that hold several values: lists, as `config.json` gives them back, whatever they were given as."""

from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True, repr=False)
class ListFields:
    """Turns tuples in the fields of a config into lists. Inherit from it before `PreTrainedConfig`."""

    def __post_init__(self, **kwargs: Any) -> None:
        for name, value in list(vars(self).items()):
            if isinstance(value, tuple | list):
                setattr(self, name, _as_lists(value))
        super().__post_init__(**kwargs)  # type: ignore[misc]  # PreTrainedConfig's, next in line


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple | list) else value
