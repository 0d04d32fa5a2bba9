"""Tables that `datasets` reads: of a CSV, what is written is the text, and only an empty cell is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import DatasetDict

# Of pandas, whose defaults take the words NA, None, null, nan for missing cells; and which guesses the type of a column
# from 10,000 rows at a time and fails where the next ones are of another.
CSV_OPTIONS: dict[str, Any] = {"keep_default_na": False, "na_values": [""], "chunksize": None}


def load_table(path: str, **options: Any) -> DatasetDict:
    """`datasets.load_dataset`, but for what a CSV holds.

    Args:
        path: What `datasets` loads: a folder, a Hub id, or the kind of file that ``data_files`` are.
        **options: Of `datasets.load_dataset`.
    """
    import datasets

    builder = datasets.load_dataset_builder(path, **options)
    is_csv = hasattr(builder.config, "keep_default_na")
    if is_csv:
        builder = datasets.load_dataset_builder(path, **options, **CSV_OPTIONS)
    builder.download_and_prepare()
    loaded = builder.as_dataset()
    assert isinstance(loaded, datasets.DatasetDict)
    return datasets.DatasetDict({name: _whole_numbers(split) for name, split in loaded.items()}) if is_csv else loaded


def _whole_numbers(dataset: Any) -> Any:
    """A table whose columns of whole numbers are such although a cell is empty; pandas makes fractions of them."""
    import pyarrow.compute as pc
    from datasets import Value

    for name, feature in dataset.features.items():
        if isinstance(feature, Value) and feature.dtype == "float64":
            column = dataset.data.column(name)
            if column.null_count and pc.all(pc.equal(pc.floor(column), column)).as_py():
                dataset = dataset.cast_column(name, Value("int64"))
    return dataset
