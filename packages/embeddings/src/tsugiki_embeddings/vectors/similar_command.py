"""`tsugiki similar`: the nearest words of each word."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from tsugiki.cli.options import Json, ModelName
from tsugiki.cli.output import only_results_on_stdout, print_json, print_table


def command(
    name: ModelName,
    words: Annotated[list[str], typer.Argument(metavar="WORD…", help="One word or several.", show_default=False)],
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="How many neighbours a word.")] = 10,
    json: Json = False,
) -> None:
    """Find the words nearest to a word.

    Nearness is the cosine of the words' vectors. Several words are asked one by one. NAME may also be a file of
    word vectors of another program (word2vec, GloVe, fastText).

    Example:
        tsugiki similar word2vec-novels king
        tsugiki similar word2vec-novels monday london --top-k 5 --json
    """
    with only_results_on_stdout():
        answers = similar(name, words, top_k=top_k)
    if json:
        print_json(answers)
        return
    for number, answer in enumerate(answers):
        if len(answers) > 1:
            print(f"{chr(10) if number else ''}{answer['word']}")
        print_table(
            ("word", "cosine"),
            [(found["label"], f"{found['score']:.4f}") for found in answer["neighbors"]],
            right=("cosine",),
        )


def similar(name: str, words: list[str], *, top_k: int) -> list[dict[str, Any]]:
    """For each word ``{"word", "neighbors": [{"label", "score"}]}``.

    Raises:
        TsugikiError: The vectors or a word are unknown.
    """
    from .named_vectors import open_vectors

    vectors = open_vectors(name)
    asked = [vectors.spelling(word) for word in words]
    return [
        {"word": word, "neighbors": [{"label": label, "score": score} for label, score in found]}
        for word, found in zip(asked, vectors.neighbors(asked, top_k=top_k), strict=True)
    ]
