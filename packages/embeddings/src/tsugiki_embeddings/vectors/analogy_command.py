"""`tsugiki analogy`: completes a : b = c : ?."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from tsugiki.cli.options import Json, ModelName
from tsugiki.cli.output import only_results_on_stdout, print_json, print_table

Word = Annotated[str, typer.Argument(show_default=False)]


def command(
    name: ModelName,
    a: Word,
    b: Word,
    c: Word,
    method: Annotated[
        str, typer.Option("--method", help="3cosadd, 3cosmul or euclid: how the answers are scored.")
    ] = "3cosadd",
    vocabulary: Annotated[
        int | None, typer.Option("--vocabulary", min=1, help="Choose among the so many commonest words.")
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="How many answers.")] = 5,
    json: Json = False,
) -> None:
    """Complete an analogy: A is to B as C is to which word?

    The three given words are no answers. NAME may also be a file of word vectors of another program (word2vec,
    GloVe, fastText).

    Example:
        tsugiki analogy word2vec-novels man woman king
        tsugiki analogy word2vec-novels walk walked look --method 3cosmul
    """
    with only_results_on_stdout():
        found = analogy(name, a, b, c, method=method, vocabulary=vocabulary, top_k=top_k)
    if json:
        print_json(found)
        return
    rows = [(answer["label"], f"{answer['score']:.4f}") for answer in found["answers"]]
    print_table((f"{found['a']} : {found['b']} = {found['c']} :", found["method"]), rows, right=(found["method"],))


def analogy(
    name: str, a: str, b: str, c: str, *, method: str = "3cosadd", vocabulary: int | None = None, top_k: int = 5
) -> dict[str, Any]:
    """``{"a", "b", "c", "method", "answers": [{"label", "score"}]}``.

    Raises:
        TsugikiError: The vectors, a word or the method are unknown.
    """
    from .named_vectors import open_vectors

    vectors = open_vectors(name)
    first, second, third = (vectors.spelling(word) for word in (a, b, c))
    answers = vectors.analogy(first, second, third, method=method, vocabulary=vocabulary, top_k=top_k)
    return {
        "a": first,
        "b": second,
        "c": third,
        "method": method,
        "answers": [{"label": label, "score": score} for label, score in answers],
    }
