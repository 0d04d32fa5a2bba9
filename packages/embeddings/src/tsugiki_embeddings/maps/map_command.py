"""`tsugiki map`: a t-SNE map of words or documents, as a picture or as a page to look around in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tsugiki.cli.errors import UsageError
from tsugiki.cli.options import Device, Json, ModelName, Overwrite
from tsugiki.cli.output import note, only_results_on_stdout, print_json
from tsugiki.durations import Stopwatch, duration
from tsugiki.errors import DataError
from tsugiki.output_path import check_output_path

if TYPE_CHECKING:
    from datasets import Dataset

    from .tsne_map import Map

SUFFIXES = (".png", ".html")
WORDS, NEIGHBORS, DOCUMENTS = 1_000, 300, 10_000  # how many points by default


def command(
    name: ModelName,
    words: Annotated[
        int | None, typer.Option("--words", min=4, help="How many words: the most frequent, or the nearest to --near.")
    ] = None,
    near: Annotated[
        str | None, typer.Option("--near", metavar="WORD", help="Only the neighbourhood of a word.")
    ] = None,
    documents: Annotated[
        str | None,
        typer.Option("--documents", metavar="DATA", help="A data set of texts, to map those instead of words."),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Which part of the documents.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=4, help="How many documents at most.")] = DOCUMENTS,
    perplexity: Annotated[float, typer.Option("--perplexity", help="About how many neighbours a point has.")] = 30.0,
    seed: Annotated[int, typer.Option("--seed", help="Of the map.")] = 0,
    output: Annotated[
        str, typer.Option("--output", metavar="FILE.png|html", help="The picture or page to write.")
    ] = "map.png",
    device: Device = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Draw a map of words or documents, near ones beside each other.

    A PNG has labels where there is room. An HTML file is one page that needs no network: drag to move, turn the wheel
    to come nearer, point at a word, search.

    Example:
        tsugiki map word2vec-novels --words 2000 --output words.html
        tsugiki map word2vec-novels --near river --output river.png
        tsugiki map scdv-20newsgroups --documents tsugiki/20_newsgroups --split test --output groups.html
    """
    if documents is not None and (near is not None or words is not None):
        raise UsageError("--documents maps texts: --near and --words do not go with it")
    if documents is None and split is not None:
        raise UsageError("--split is a part of --documents, and there are none")
    path = check_output_path(
        output, SUFFIXES, reads=[name, documents], overwrite=overwrite, what="a map is a PNG or an HTML file"
    )
    stopwatch = Stopwatch()
    with only_results_on_stdout():
        if documents is None:
            drawn = words_map(name, words=words, near=near, perplexity=perplexity, seed=seed)
        else:
            drawn = documents_map(
                name, documents, split=split, rows=rows, perplexity=perplexity, seed=seed, device=device
            )
        labels = write_map(drawn, path, overwrite=overwrite)
    seconds = stopwatch.seconds
    facts = {
        "path": str(path),
        "name": name,
        "title": drawn.title,
        "points": len(drawn.positions),
        "labels": labels,
        "seconds": seconds,
    }
    if json:
        print_json(facts)
        return
    print(path)
    note(f"{drawn.title}; took {duration(seconds)}")


def words_map(
    name: str | Path, *, words: int | None = None, near: str | None = None, perplexity: float = 30.0, seed: int = 0
) -> Map:
    """The map of a checkpoint's most frequent words, or of those nearest to one.

    Raises:
        TsugikiError: The checkpoint or the word is unknown, or there are too few words.
    """
    from ..vectors.word_vectors import WordVectors
    from .tsne_map import map_of_words

    vectors = WordVectors.load(name)
    near = None if near is None else vectors.spelling(near)
    called = Path(name).name
    if near is None:
        chosen = list(vectors.words[: words or WORDS])
        title = f"{called}: the {len(chosen):,} most frequent words"
    else:
        known = [near] if near in vectors.index else []
        count = (words or NEIGHBORS) - len(known)
        chosen = known + [word for word, _ in vectors.most_similar(near, top_k=count)]
        title = f"{called}: the {len(chosen):,} words nearest to “{near}”"
    marked = near if near in vectors.index else None
    return map_of_words(vectors, chosen, title=title, marked=marked, perplexity=perplexity, seed=seed)


def documents_map(
    name: str | Path,
    data: str | Dataset,
    *,
    split: str | None = None,
    rows: int = DOCUMENTS,
    perplexity: float = 30.0,
    seed: int = 0,
    device: str | None = None,
) -> Map:
    """The map of the texts of a data set, by their vectors from a model, coloured by their classes.

    Of more than `rows` documents some are drawn at random.

    Raises:
        TsugikiError: The checkpoint or the data is unknown, or has no column of texts.
    """
    import numpy as np
    from datasets import ClassLabel
    from tsugiki.columns import read_texts
    from tsugiki.data.load_data import load_split
    from tsugiki.evaluation.evaluate import pick_split
    from tsugiki.public_record import public_name

    from ..sentences.text_vectors import text_vectors
    from .tsne_map import map_of_documents

    dataset = load_split(data, pick_split(data, split))
    if len(dataset) > rows:
        kept = np.sort(np.random.default_rng(seed).choice(len(dataset), rows, replace=False))
        dataset = dataset.select(kept)
    texts = read_texts(dataset, text_column(dataset))
    labels = [column for column, kind in dataset.features.items() if isinstance(kind, ClassLabel)]
    classes = np.asarray(dataset.with_format(None)[labels[0]]) if len(labels) == 1 else None
    called = public_name(data) if isinstance(data, str) else "documents"
    return map_of_documents(
        text_vectors(name, texts, device=device),
        texts,
        title=f"{Path(name).name}: {len(texts):,} documents of {called}",
        classes=classes,
        class_names=dataset.features[labels[0]].names if classes is not None else (),
        perplexity=perplexity,
        seed=seed,
    )


def text_column(dataset: Dataset) -> str:
    """The column of texts: `text`, or the only one of strings.

    Raises:
        DataError: There is none, or several.
    """
    from dataclasses import replace

    from tsugiki.columns import TEXT_COLUMN, Role

    found = Role(replace(TEXT_COLUMN, parts=False), ("text",)).candidates(dataset)
    if len(found) != 1:
        raise DataError(
            f"the data has {len(found)} columns of texts, out of {', '.join(dataset.features)}; call one text"
        )
    return found[0]


def write_map(drawn: Map, path: Path, *, overwrite: bool = False) -> int:
    """Write a map as what the file's name says; the number of points that have a label.

    Raises:
        OutputError: The file cannot be written.
    """
    if path.suffix.lower() == ".html":
        from .map_page import write_page

        write_page(drawn, path, overwrite=overwrite)
        return sum(bool(label) for label in drawn.labels)
    from .map_picture import draw_map

    return draw_map(drawn, path, overwrite=overwrite)
