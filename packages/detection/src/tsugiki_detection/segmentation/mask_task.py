"""What the tasks have in common whose labels are masks: pictures with a column of them, and one of objects perhaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from tsugiki.columns import PICTURE_COLUMN, Role
from tsugiki.inputs import PICTURES, InputKind
from tsugiki.labelled_task import LabelledTask
from tsugiki.task import ALL_ANSWERS

from .masks import OBJECTS, MaskColumn, find_mask_columns

if TYPE_CHECKING:
    from datasets import Dataset

_IMAGE_COLUMNS = ("image", "img", "picture", "photo")


def mask_roles(*names: str) -> dict[str, Role]:
    """The roles `image` and `mask`, with the names that a column of masks usually has."""
    return {"image": Role(PICTURE_COLUMN, _IMAGE_COLUMNS), "mask": Role(PICTURE_COLUMN, names)}


class MaskTask(LabelledTask):
    """A task that learns from pictures with masks; transformers' `image-segmentation` to the Hub."""

    inputs: ClassVar[InputKind] = PICTURES
    pipeline_tag: ClassVar[str | None] = "image-segmentation"
    shown_as: ClassVar[str] = ".png"
    default_top_k: ClassVar[int] = ALL_ANSWERS

    def columns(self, dataset: Dataset, given: Mapping[str, str] | None = None) -> dict[str, str]:
        """The columns of the roles `image` and `mask`, and that of `objects` where there is one.

        Args:
            dataset: The data.
            given: Columns by role, as the user named them.

        Raises:
            DataError: A role is unknown; a column is missing, of the wrong type, one of several, or plays two roles.
        """
        return find_mask_columns(dataset, self.roles, given, self.name)

    @staticmethod
    def masks(dataset: Dataset, columns: Mapping[str, str]) -> MaskColumn:
        """The masks of data, by columns found in it."""
        return MaskColumn(dataset, columns["mask"], columns.get(OBJECTS))
