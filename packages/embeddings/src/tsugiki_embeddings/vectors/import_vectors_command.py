"""`tsugiki import-vectors`: word vectors of another program become a snapshot."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from tsugiki.cli.options import Json, OutputDir
from tsugiki.cli.output import only_results_on_stdout, print_json


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="word2vec, GloVe or fastText.", show_default=False)],
    output_dir: OutputDir,
    format: Annotated[
        str | None,
        typer.Option("--format", help="word2vec-text, word2vec-binary, glove or fasttext; by default it is told."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Take only the first so many words.")] = None,
    half: Annotated[bool, typer.Option("--half", help="Store 16 bits a number.")] = False,
    unicode_errors: Annotated[
        str,
        typer.Option("--unicode-errors", help="strict refuses words that are not UTF-8, backslashreplace keeps them."),
    ] = "strict",
    json: Json = False,
) -> None:
    """Make a snapshot of a file of word vectors.

    The folder is what tsugiki, AutoModel and AutoTokenizer load. The format is told from the first bytes; the file
    may be packed with gzip.

    Example:
        tsugiki import-vectors glove.6B.100d.txt --output-dir glove-6b-100
        tsugiki import-vectors cc.ja.300.bin --output-dir fasttext-ja --limit 100000 --half
    """
    with only_results_on_stdout():
        facts = import_vectors(
            file, output_dir=output_dir, format=format, limit=limit, half=half, unicode_errors=unicode_errors
        )
    if json:
        print_json(facts)
        return
    print(f"{facts['path']}: {facts['words']:,} words, {facts['dimension']} numbers each, {facts['dtype']}")


def import_vectors(
    file: str,
    *,
    output_dir: str,
    format: str | None = None,
    limit: int | None = None,
    half: bool = False,
    unicode_errors: str = "strict",
) -> dict[str, Any]:
    """Write the snapshot and return its path, words, dimension and dtype.

    Raises:
        DataError: The file is missing or broken.
        OutputError: The folder exists, or cannot be written.
    """
    from tsugiki.output import check_output

    from .word_vectors import WordVectors

    path = check_output(output_dir, reads=[file])
    vectors = WordVectors.from_file(file, format=format, limit=limit, unicode_errors=unicode_errors)
    if half:
        vectors = vectors.half()
    vectors.save(path)
    return {
        "path": str(path),
        "words": len(vectors),
        "dimension": vectors.dimension,
        "dtype": str(vectors.matrix.dtype),
    }
