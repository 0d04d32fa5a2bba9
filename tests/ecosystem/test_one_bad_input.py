"""One input that cannot be answered is named, and the others are answered: every task, pipeline and command."""

from __future__ import annotations

import json
from typing import get_args, get_type_hints

import numpy as np
import pytest
import tsugiki
from PIL import Image
from tsugiki import cli
from tsugiki.answers import error_of
from tsugiki.cli.commands import COMMANDS
from tsugiki.errors import TsugikiError
from tsugiki.evaluation import task_named
from tsugiki.inputs import PAIRS, PICTURES, RECORDINGS, TEXTS
from tsugiki.registry import import_string, registry
from tsugiki.snapshots.listing import list_models
from tsugiki.snapshots.snapshot import Snapshot
from typer.models import ArgumentInfo

MODELS = {info.task: info.name for info in sorted(list_models(), key=lambda info: -(info.parameters or 0))}  # smallest
# Without a pipeline, or with one that needs a decoder of films.
NO_PIPELINE = {
    "image-reconstruction", "pattern-recall", "sentence-similarity", "tree-classification",
    "unconditional-image-generation", "video-classification", "word-similarity",
}  # fmt: skip
OF_A_TASK = {
    "dialogue": "Hello. || What do you need?",
    "sentence-similarity": ["the king spoke .", "said the old king ."],
    "word-similarity": "king",
}
SEVERAL = {
    "align": ["translate-ja-en-gru-attention", "彼", " ", "走"],
    "detect": ["yolo-bccd", "a.png", "bad.png", "c.png"],
    "explain": ["lenet5-mnist", "a.png", "bad.png", "c.png", "--method", "gradient"],
    "predict": ["sentiment-mean", "A good film.", "10/10", "A bad film."],
    "score": ["lm-word-novels", "the old house", " ", "the river"],
    "similar": ["word2vec-novels", "king", "zzyzx", "queen"],
    "stylize": ["a.png", "bad.png", "c.png", "c.png", "--size", "32", "--steps", "1"],
}

LISTS = (list[str], list[str] | None)


def good_input(task):
    """Something that the task's models answer."""
    kind = task_named(task).inputs
    if kind is PICTURES:
        return Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32) // 4 * 4)
    if kind is RECORDINGS:
        return np.sin(np.arange(8000) / 5).astype(np.float32)
    if kind in (TEXTS, PAIRS):
        return OF_A_TASK.get(task, "said the old king .")
    return np.zeros((20, 64, 64), np.uint8)


def is_error(answer):
    return isinstance(answer, dict) and set(answer) == {"error"}


def bad_inputs(task):
    """What no model of the task can answer."""
    texts = task_named(task).inputs in (TEXTS, PAIRS)
    return [None, 7] if texts else ["nowhere.png", None, 7]


@pytest.mark.parametrize("task", sorted(set(MODELS) - NO_PIPELINE))
def test_a_pipeline_answers_the_others(task):
    pipe = tsugiki.pipeline(MODELS[task], device="cpu")
    options = {"max_new_tokens": 2, "do_sample": False} if pipe.model.can_generate() else {}
    good, bad = good_input(task), bad_inputs(task)
    alone = pipe([good], **options)
    found = pipe([good, *bad, good], **options)
    assert [is_error(one) for one in found] == [False, *[True] * len(bad), False]
    assert all(one["error"] and "\n" not in one["error"] for one in found[1:-1])
    assert [found[0]] == [found[-1]] == alone
    assert list(pipe((one for one in [bad[0], good]), **options)) == [found[1], *alone]
    assert pipe([good, bad[0], good], batch_size=2, **options)[1] == found[1]
    with pytest.raises(Exception, match=r"."):
        pipe(bad[0], **options)


@pytest.mark.parametrize("text", ["", " ", "10/10", "\U0001f600"])
def test_a_pipeline_classifies_no_text_without_a_word(text):
    pipe = tsugiki.pipeline("sentiment-mean", device="cpu")
    found = pipe(["A good film.", text])
    assert found[0]["label"] == "pos" and found[1] == {"error": "there is no word in the text that the model reads"}
    with pytest.raises(TsugikiError, match="no word"):
        pipe(text)


def test_what_no_input_is_to_blame_for_is_raised():
    pipe = tsugiki.pipeline("sentiment-mean", device="cpu")
    pipe.model.forward = None
    with pytest.raises(TypeError):
        pipe(["A good film.", "A bad film."])


@pytest.mark.parametrize("task", sorted(task for task in MODELS if task_named(task).inputs in (TEXTS, PAIRS)))
def test_a_task_answers_the_others(task):
    snapshot, answering = Snapshot.open(MODELS[task]), task_named(task)
    good = good_input(task)
    found = answering.predict(snapshot.model(), snapshot.processor(), [good, "", good], top_k=1)
    assert not error_of(found[0]) and found[2] == found[0]
    # An empty prompt is one, and an empty text has no names in it.
    assert error_of(found[1]) or task in ("text-generation", "token-classification")


def test_commands_that_take_several_inputs_are_those_tried_here():
    references = {name: command.reference for name, command in COMMANDS.items()}
    references |= {name: reference for name, (_, reference) in registry().commands().items()}
    several = {
        name
        for name, reference in references.items()
        for hint in get_type_hints(import_string(reference), include_extras=True).values()
        if get_args(hint)[1:] and get_args(hint)[0] in LISTS and isinstance(get_args(hint)[1], ArgumentInfo)
    }
    assert several - {"compare-corpora", "search", "verify"} == set(
        SEVERAL
    )  # those take corpora, files of lines, models


@pytest.mark.parametrize("command", SEVERAL)
def test_a_command_answers_the_others(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "c.png"):
        good_input("image-classification").save(name)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    code = cli.main([command, *SEVERAL[command], "--json"])
    printed = capsys.readouterr()
    answers = json.loads(printed.out)
    assert ["error" in one for one in answers] == [False, True, False]
    assert code == 1 and len(printed.err.splitlines()) == 1 and answers[1]["error"] in printed.err
