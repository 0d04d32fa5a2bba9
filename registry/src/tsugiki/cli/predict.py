"""`tsugiki predict`: what a model says of its inputs. Imports the model's classes and nothing of training."""

from __future__ import annotations

import contextlib
import gc
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from ..answers import Answers, error_of
from ..errors import DataError, OptionError
from ..inputs import InputKind, Source
from ..output import write_bytes, write_text
from ..output_path import check_output_path
from ..progress import above_bars, progress_bar
from .errors import UsageError
from .options import Columns, Device, Json, ModelName, Overwrite, parse_columns
from .output import column_width, json_list, note, only_results_on_stdout, print_table
from .output_files import OutputFiles, read_by
from .sources import Inputs, InputWords, find_inputs, inputs_of_kind, rows_of

if TYPE_CHECKING:
    from ..task import Task

BATCH_SIZE = 64
STANDARD_OUTPUT = "-"
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
        said = [{key: value for key, value in one.items() if not isinstance(value, bytes)} for one in self.predictions]
        return {"input": self.source, "predictions": said}


Writer = Callable[[Sequence[Answer]], None]  # of a batch of answers


def command(
    name: ModelName,
    sources: InputWords,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", "-k", min=1, help="How many answers an input; by default 5, or all boxes and points."),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Write input, rank, label, score and error as CSV; - prints them."),
    ] = None,
    output_dir: Annotated[
        str | None,
        typer.Option(
            "--output-dir",
            metavar="DIR",
            help="Show each answer in a file of this folder, where the task does so: boxes in the picture, a sound.",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Inputs a forward pass.")] = BATCH_SIZE,
    columns: Columns = None,
    device: Device = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> int:
    """Predict with a model on files, folders, standard input, or texts.

    A classifier answers with classes and their probabilities, a translator or captioner with texts and theirs, the
    likeliest first, a language model with the next words (its pipeline goes on writing), a tagger with what it found.

    A model of texts takes the text itself, a file with one text a line, or a table (.csv, .tsv, .jsonl, .parquet) as
    finetune does. A folder is searched with all that is below it, an address (http, https) is fetched. Answers are
    printed as they come, a batch at a time; an input that cannot be answered is named on standard error, the others are
    predicted, and the exit code is 1.

    Example:
        tsugiki predict lenet5-mnist digit.png --top-k 3
        tsugiki predict lenet5-mnist *.png scans/ --csv predictions.csv
        tsugiki predict lenet5-mnist - --json < digit.png
        tsugiki predict lenet5-mnist scans/ -k 1 --csv - | grep seven
        tsugiki predict sentiment-lstm "A film without a dull minute."
        tsugiki predict sentiment-lstm reviews.txt --csv predictions.csv
        tsugiki predict sentiment-lstm reviews.csv --columns text=review
    """
    if json and csv == STANDARD_OUTPUT:
        raise UsageError("--json and --csv - both print to standard output; name a file, or leave one of them out")
    failed = False
    with only_results_on_stdout() as stdout, contextlib.ExitStack() as unfinished:
        inputs = find_inputs(sources)
        reads = [name, *read_by(inputs)]
        csv_file = None
        if csv is not None and csv != STANDARD_OUTPUT:
            csv_file = check_output_path(csv, (), reads=reads, overwrite=overwrite)
        answering = Answering.open(name, device)
        suffix = answering.task.shown_as
        if output_dir is not None and not suffix:
            raise OptionError(f"answers of {answering.task.name} are words, and shown as no file: --csv writes them")
        found = answering.inputs(inputs, parse_columns(columns))
        files = None
        if output_dir is not None:
            files = OutputFiles.plan(found, output_dir, suffix, reads=reads, overwrite=overwrite)
        lines = io.StringIO()  # of a file, which is written whole or not at all
        writers: list[Writer] = []
        if json:
            writers.append(_json_writer(unfinished.enter_context(json_list(stdout))))
        if csv is not None:
            writers.append(_csv_writer(lines if csv_file else stdout))
        if not writers:
            writers.append(_table_writer(found, stdout))
        bar = unfinished.enter_context(progress_bar("predict", len(found), unit="input"))
        for batch in answering.answers(found, top_k=top_k, batch_size=batch_size, files=files):
            with above_bars():
                for write in writers:
                    write(batch)
                stdout.flush()
            for one in batch:
                if one.error is not None:
                    failed = True
                    note(f"tsugiki: {one.error}")
            bar.update(len(batch))
        if csv_file is not None:
            write_text(csv_file, lines.getvalue(), overwrite=overwrite)
    return 1 if failed else 0


@dataclass(frozen=True)
class Answering:
    """A model with what it takes to answer single inputs."""

    task: Task
    model: Any
    processor: Any

    @classmethod
    def open(cls, name: str, device: str | None = None) -> Answering:
        """The model of this name, on a device.

        Raises:
            TsugikiError: There is none, or it does not load.
        """
        with _no_garbage_collection():
            from ..devices import moved
            from ..evaluation import task_named
            from ..evaluation.evaluate import task_of
            from ..snapshots.snapshot import Snapshot

            snapshot = Snapshot.open(name)
            model, processor = moved(snapshot.model(), device), snapshot.processor()
            return cls(task_named(task_of(model)), model, processor)

    def inputs(self, given: Iterable[Inputs], columns: Mapping[str, str] | None = None) -> list[Source]:
        """What it can read of what a command was given.

        Raises:
            DataError: There is nothing that it can read, or a table has no such column.
        """
        return inputs_of_kind(given, self.task.inputs, rows_of(self.task, columns))

    def answers(
        self, inputs: Sequence[Source], *, batch_size: int, top_k: int | None = None, files: OutputFiles | None = None
    ) -> Iterator[list[Answer]]:
        """Predict on every input, a batch at a time; those that cannot be answered have the reason in its place.

        Args:
            inputs: What `inputs` found.
            batch_size: Inputs at a time.
            top_k: Answers to each, at most; by default as many as the task gives.
            files: Where the answers to each are shown; nowhere by default.

        Raises:
            OutputError: One of these files cannot be written.
        """
        done = 0
        for batch in _opened(inputs, self.task.inputs, self.processor, batch_size):
            opened = [content for _, content, error in batch if error is None]
            found = iter(self.task.predict(self.model, self.processor, opened, top_k=top_k))
            answers = [_answer(label, error, found) for label, _, error in batch]
            if files is not None:
                self._show(answers, [content for _, content, _ in batch], files, first=done)
            done += len(batch)
            yield answers

    def _show(self, answers: Sequence[Answer], contents: Sequence[Any], files: OutputFiles, *, first: int) -> None:
        for number, (answer, content) in enumerate(zip(answers, contents, strict=True), first):
            if answer.error is None:
                shown = self.task.show(answer.predictions, content)
                write_bytes(files.place(number), shown, overwrite=files.overwrite)


def _answer(label: str, error: str | None, found: Iterator[Answers]) -> Answer:
    if error is not None:
        return Answer(label, error=error)
    predictions = next(found)
    why = error_of(predictions)
    return Answer(label, predictions) if why is None else Answer(label, error=f"{_shown(label)}: {why}")


def _opened(
    inputs: Sequence[Source], kind: InputKind, processor: Any, batch_size: int
) -> Iterator[list[tuple[str, Any, str | None]]]:
    """Batches of inputs by their labels, opened or with the reason why not; few where they are large pictures."""
    from ..images import PIXELS_AT_ONCE, pixels_of

    batch: list[tuple[str, Any, str | None]] = []
    pixels = 0
    for label, content in inputs:
        try:
            opened, error = kind.read(content, label, processor), None
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


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Import without the collector, which takes a quarter of the time to look again and again at objects that stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _table_writer(inputs: Sequence[Source], file: TextIO) -> Writer:
    """What prints answers: to one input alone as a list of its guesses, to several as lines of a table."""
    widths = {"input": column_width((name for name, _ in inputs), file)}
    heading = True

    def write(answers: Sequence[Answer]) -> None:
        nonlocal heading
        good = [one for one in answers if one.error is None]
        if len(inputs) == 1:
            for one in good:
                _print_guesses(one.predictions, file)
        elif good:
            guesses = ("  ".join(f"{one['label']} {_score(one['score'])}" for one in each.predictions) for each in good)
            rows = zip([one.source for one in good], guesses, strict=True)
            print_table(("input", "predictions"), rows, widths=widths, heading=heading, file=file)
            heading = False

    return write


def _print_guesses(guesses: Sequence[Mapping[str, Any]], file: TextIO) -> None:
    width = max((len(str(guess["label"])) for guess in guesses), default=0)
    for guess in guesses:
        print(f"{guess['label']!s:<{width}}  {_score(guess['score'])}", file=file)
    if not guesses:
        print("nothing found", file=file)


def _score(score: float) -> str:
    """Four decimals, or two digits of what they would show as nothing."""
    return f"{score:.4f}" if score == 0 or score >= 1e-3 else f"{score:.1e}"


def _csv_writer(file: TextIO) -> Writer:
    """What writes a line for each answer, and one for an input that has none, so that no input is missing."""
    import csv

    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["input", "rank", "label", "score", "error"])

    def write(answers: Sequence[Answer]) -> None:
        for one in answers:
            for rank, guess in enumerate(one.predictions, start=1):
                writer.writerow([one.source, rank, guess["label"], f"{guess['score']:.6g}", ""])
            if not one.predictions:
                writer.writerow([one.source, "", "", "", one.error or ""])

    return write


def _json_writer(add: Callable[[Any], None]) -> Writer:
    """What prints the items of a list."""

    def write(answers: Sequence[Answer]) -> None:
        for one in answers:
            add(one.to_dict())

    return write
