"""`tsugiki predict`: what a model says of its inputs. Imports the model's classes and nothing of training."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..answers import error_of
from ..errors import DataError
from ..file_tree import EMPTY_FOLDER, FileCount, listed_files, readable, walk
from ..inputs import InputKind, Source, looks_like_file
from ..output_path import check_output_path
from .options import Columns, Json, ModelName, Overwrite, parse_columns
from .output import note, only_results_on_stdout, print_json, print_table

if TYPE_CHECKING:
    from ..task import Task

BATCH_SIZE = 64
STANDARD_INPUT = "-"
SHOWN = 80  # characters of a text that a message shows


@dataclass(frozen=True)
class Answer:
    """What came of one input: predictions, or the reason why there are none."""

    source: str
    predictions: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        if self.error is not None:
            return {"input": self.source, "error": self.error}
        return {"input": self.source, "predictions": self.predictions}


def command(
    name: ModelName,
    source: Annotated[
        str,
        typer.Argument(metavar="INPUT", help="A file, a folder, - for standard input, or a text.", show_default=False),
    ],
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="How many answers an input.")] = 5,
    csv: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Write input, rank, label, score and error to a CSV file."),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Inputs a forward pass.")] = BATCH_SIZE,
    columns: Columns = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Predict with a model on a file, a folder, standard input, or a text.

    A classifier answers with classes and their probabilities, a translator or captioner with texts and theirs, the
    likeliest first, a language model with the next words (its pipeline goes on writing), a tagger with what it found.

    A model of texts takes the text itself, a file with one text a line, or a table (.csv, .tsv, .jsonl, .parquet) as
    finetune does. A folder is searched with all that is below it. An input that cannot be answered is named on standard
    error, the others are predicted, and the exit code is 1.

    Example:
        tsugiki predict lenet5-mnist digit.png --top-k 3
        tsugiki predict lenet5-mnist scans/ --csv predictions.csv
        tsugiki predict lenet5-mnist - --json < digit.png
        tsugiki predict sentiment-lstm "A film without a dull minute."
        tsugiki predict sentiment-lstm reviews.txt --csv predictions.csv
        tsugiki predict sentiment-lstm reviews.csv --columns text=review
    """
    with only_results_on_stdout():
        inputs = find_inputs(source)
        if csv is not None:
            reads = [name, *(content for _, content in inputs.sources)]
            csv_path = check_output_path(csv, (), reads=reads, overwrite=overwrite)
        named = parse_columns(columns)
        answers = list(answer(name, inputs, top_k=top_k, batch_size=batch_size, columns=named))
    if csv is not None:
        _write_csv(csv_path, answers, overwrite=overwrite)
    if json:
        print_json([one.to_dict() for one in answers])
    elif csv is None:
        _print(answers)
    for one in answers:
        if one.error is not None:
            note(f"tsugiki: {one.error}")
    return 1 if any(one.error is not None for one in answers) else 0


@dataclass(frozen=True)
class Inputs:
    """What a word of the command line stands for.

    Attributes:
        sources: A label for each input, and its path, its bytes, or the word itself.
        folder: The folder that they were found in.
        left_out: Files of the folder that no model could read, by reason.
    """

    sources: list[Source]
    folder: Path | None = None
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def of_kind(self, kind: InputKind, read_table: Callable[[Path], list[Any]]) -> list[Source]:
        """Those that a model can read; says of a folder which files are left out.

        Args:
            kind: What it reads.
            read_table: See `InputKind.find`.

        Raises:
            DataError: There is none.
        """
        found = kind.find(self.sources, read_table)
        if self.folder is None:
            return found
        left_out = dict(self.left_out)
        if not kind.by_line and (names := {name for name, _ in self.sources} - {name for name, _ in found}):
            reason = f"not {kind.called} that can be opened, by the suffix"
            left_out[reason] = [
                readable(path.relative_to(self.folder).as_posix()) for name, path in self.sources if name in names
            ]
        if left_out:
            read = len(self.sources) if kind.by_line else len(found)
            note(f"tsugiki: {FileCount(self.folder, {'inputs': read}, left_out)}")
        return found


def find_inputs(source: str) -> Inputs:
    """The inputs behind a word of the command line: a file, those of a folder, standard input, or the word itself.

    Raises:
        DataError: There is nothing to read in it.
    """
    if source == STANDARD_INPUT:
        content = sys.stdin.buffer.read()
        if not content:
            raise DataError("standard input is empty; pipe a file into it or name one")
        return Inputs([("standard input", content)])
    if not source.strip():
        raise DataError("the input is empty; name a file, a folder, or give a text")
    path = Path(source)
    try:
        if path.is_file():
            return Inputs([(readable(source), path)])
        is_folder = path.is_dir()
    except OSError:  # longer than the name of any file
        is_folder = False
    if not is_folder:
        if looks_like_file(source):
            raise DataError(f"no such file or folder: {source}")
        return Inputs([(source, source)])  # a text, if the model takes texts
    from ..snapshots.listing import natural_key

    left_out: dict[str, list[str]] = {}
    found: list[Source] = []
    for file in walk(path):
        if not file.reason:
            found.append((readable(file.path), file.path))
        elif file.reason != EMPTY_FOLDER:
            left_out.setdefault(file.reason, []).append(readable(file.path.relative_to(path).as_posix()))
    if not found:
        raise DataError(
            f"there are no files in the folder {source}" + (f" but {listed_files(left_out)}" * bool(left_out))
        )
    return Inputs(sorted(found, key=lambda named: natural_key(named[0])), path, left_out)


def answer(
    name: str, given: Inputs, *, top_k: int, batch_size: int, columns: Mapping[str, str] | None = None
) -> Iterator[Answer]:
    """Predict on every input, a batch at a time; those that cannot be answered have the reason in its place.

    Raises:
        DataError: There is nothing that the model can read, or a table has no such column.
    """
    with _no_garbage_collection():
        from ..evaluation import task_named
        from ..evaluation.evaluate import task_of
        from ..snapshots.snapshot import Snapshot

        snapshot = Snapshot.open(name)
        model, processor = snapshot.model(), snapshot.processor()
        task = task_named(task_of(model))
    inputs = given.of_kind(task.inputs, lambda path: _table_inputs(task, path, columns))
    for batch in _opened(inputs, task.inputs, processor, batch_size):
        opened = [content for _, content, error in batch if error is None]
        found = iter(task.predict(model, processor, opened, top_k=top_k))
        for label, _, error in batch:
            if error is not None:
                yield Answer(label, error=error)
                continue
            predictions = next(found)
            why = error_of(predictions)
            yield Answer(label, predictions) if why is None else Answer(label, error=f"{_shown(label)}: {why}")


def _opened(
    inputs: Sequence[Source], kind: InputKind, processor: Any, batch_size: int
) -> Iterator[list[tuple[str, Any, str | None]]]:
    """Batches of inputs by their labels, opened or with the reason why not; few where they are large pictures."""
    from ..images import PIXELS_AT_ONCE, pixels_of

    batch: list[tuple[str, Any, str | None]] = []
    pixels = 0
    for label, content in inputs:
        try:
            if isinstance(content, DataError):
                raise content
            opened, error = kind.open(content, label, processor), None
        except DataError as failure:
            opened, error = None, str(failure)
        if batch and (len(batch) == batch_size or pixels + pixels_of(opened) > PIXELS_AT_ONCE):
            yield batch
            batch, pixels = [], 0
        batch.append((label, opened, error))
        pixels += pixels_of(opened)
    if batch:
        yield batch


def _shown(label: str) -> str:
    """What an input is called in a message: its place, or the beginning of a text."""
    return label if len(label) <= SHOWN or os.sep in label else f"{label[: SHOWN - 1]}…"


def _table_inputs(task: Task, path: Path, columns: Mapping[str, str] | None) -> list[Any]:
    """The inputs of a table; see `Task.table_inputs`."""
    from ..data.load_data import load_split

    return task.table_inputs(load_split(path, None), columns)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Import without the collector, which takes a quarter of the time to look again and again at objects that stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _print(answers: Sequence[Answer]) -> None:
    good = [one for one in answers if one.error is None]
    if len(answers) == 1:
        for one in good:
            width = max((len(str(guess["label"])) for guess in one.predictions), default=0)
            for guess in one.predictions:
                print(f"{guess['label']!s:<{width}}  {_score(guess['score'])}")
            if not one.predictions:
                print("nothing found")
    elif good:
        guesses = ["  ".join(f"{guess['label']} {_score(guess['score'])}" for guess in one.predictions) for one in good]
        print_table(("input", "predictions"), zip([one.source for one in good], guesses, strict=True))


def _score(score: float) -> str:
    """Four decimals, or two digits of what they would show as nothing."""
    return f"{score:.4f}" if score == 0 or score >= 1e-3 else f"{score:.1e}"


def _write_csv(path: Path, answers: Sequence[Answer], *, overwrite: bool) -> None:
    """A line for each answer, and one for an input that has none, so that no input is missing."""
    import csv
    import io

    from ..output import write_text

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["input", "rank", "label", "score", "error"])
    for one in answers:
        for rank, guess in enumerate(one.predictions, start=1):
            writer.writerow([one.source, rank, guess["label"], f"{guess['score']:.6g}", ""])
        if not one.predictions:
            writer.writerow([one.source, "", "", "", one.error or ""])
    write_text(path, text.getvalue(), overwrite=overwrite)
