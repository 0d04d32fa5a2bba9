"""Verification: a real tiny network, its card, and what is found when its figures are measured again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import datasets
import numpy as np
import pytest
import tsugiki
from PIL import Image
from tsugiki.cards.render import write_card
from tsugiki.cards.verify import tolerance_of, verify
from tsugiki.errors import DataError, UnknownNameError
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.evaluation.records import evaluation_record
from tsugiki.fingerprint import content_fingerprint
from tsugiki.metrics import Metric
from tsugiki.records import plain
from tsugiki.snapshots.provenance import Provenance, Selection, Weights
from tsugiki_toy.processing import ToyGrayProcessor

from ..card_snapshots import PICTURE, PROSE, provenance_record

ROWS = 60


def write_data(mirror):
    """Three classes of noise, brighter from class to class, as `org/digits` lies on the Hub."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, ROWS).tolist()
    pictures = [random.integers(0, 80 * (label + 1), (28, 28), dtype=np.uint8) for label in labels]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "c"])})
    rows = {"image": [Image.fromarray(picture) for picture in pictures], "label": labels}
    folder = mirror / "org" / "digits" / "data"
    folder.mkdir(parents=True)
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "test-00000-of-00001.parquet")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A mirror with a data set, and a snapshot with a true card beside it."""
    from tsugiki.data.load_data import load_split

    root = tmp_path_factory.mktemp("verify")
    write_data(root / "mirror")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TSUGIKI_DATASETS", str(root / "mirror"))
        dataset = load_split("org/digits", "test")
        names = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
        model = tsugiki.create_model(
            "plain", "image-classification", conv_channels=[2, 3], hidden_sizes=[8, 6], **names
        ).eval()
        folder = root / "tiny-net"
        model.save_pretrained(folder)
        processor = ToyGrayProcessor(size={"height": 32, "width": 32})
        processor.save_pretrained(folder)
        task = task_named("image-classification")
        table = task.table(dataset, processor, label_names=["a", "b", "c"])
        evaluation = evaluation_record(
            task,
            predict_table(model, table),
            dataset="org/digits",
            split="test",
            revision=None,
            fingerprint=content_fingerprint(dataset),
        )
    (folder / "confusion_matrix.png").write_bytes(PICTURE)
    record = provenance_record(evaluations=[plain(evaluation)], seeds=None, weights=plain(Weights.of(folder)))
    (folder / "provenance.json").write_text(json.dumps(record))
    write_card(folder, PROSE)
    return root


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    monkeypatch.setenv("TSUGIKI_DATASETS", str(made / "mirror"))
    return shutil.copytree(made / "tiny-net", tmp_path / "tiny-net")


def change(folder, path, figure):
    """Change provenance and render again, so that the card agrees with itself and is wrong."""
    record = json.loads((folder / "provenance.json").read_text())
    *parents, last = path
    place = record
    for key in parents:
        place = place[key]
    place[last] = figure(place[last])
    (folder / "provenance.json").write_text(json.dumps(record))
    write_card(folder)


@pytest.mark.parametrize("fast", [False, True])
def test_true_card_is_ok(folder, fast):
    found = verify(folder, fast=fast)
    assert found.ok, found
    assert [check.metric for check in found.results] == (
        ["correct"] if fast else ["accuracy", "accuracy_low", "accuracy_high"]
    )
    assert all(check.card == check.measured for check in found.results)
    assert json.loads(json.dumps(found.to_dict()))["ok"] is True


def test_two_examples_off_is_tolerated_and_three_are_not(folder):
    path = ["evaluations", 0, "metrics", "accuracy", "value"]
    change(folder, path, lambda value: value + 2 / ROWS)
    assert verify(folder).ok
    change(folder, path, lambda value: value + 1 / ROWS)
    found = verify(folder)
    assert not found.ok
    assert not found.problems
    assert [check.metric for check in found.results if not check.ok] == ["accuracy"]


def test_wrong_interval_is_found(folder):
    change(folder, ["evaluations", 0, "metrics", "accuracy", "low"], lambda low: low - 0.1)
    assert [check.metric for check in verify(folder).results if not check.ok] == ["accuracy_low"]


@pytest.mark.parametrize("off", [1, 2, 3])
def test_fast_count_may_differ_by_two_examples_as_on_another_processor(folder, off):
    change(folder, ["evaluations", 0, "fast", "correct"], lambda count: count - off)
    (check,) = verify(folder, fast=True).results
    assert (check.ok, check.tolerance, check.measured - check.card) == (off <= 2, 2, off)


@pytest.mark.parametrize(
    ("name", "old", "new", "blame"),
    [
        ("README.md", "rows: 60", "rows: 61", "front matter: "),
        ("README.md", "| 60 |\n", "| 61 |\n", "text: "),
        ("provenance.json", '"rows": 60,', '"rows": 61,', "provenance.json: "),
    ],
)
def test_digit_changed_by_hand_is_named(folder, name, old, new, blame):
    path = folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    for fast in (False, True):
        found = verify(folder, fast=fast)
        assert not found.ok
        assert found.problems[0].startswith(blame)


def test_damaged_weights_are_a_problem_and_no_crash(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    found = verify(folder)
    assert not found.ok
    assert any("model.safetensors" in problem for problem in found.problems)


def test_provenance_that_cannot_be_read_is_a_problem(folder):
    (folder / "provenance.json").write_text("[]")
    found = verify(folder)
    assert not found.ok
    assert "provenance.json" in found.problems[0]


def test_missing_data_set_is_one_error_with_its_source(folder, monkeypatch, tmp_path):
    change(folder, ["data", "train", "id"], lambda name: "tsugiki/nowhere")
    change(folder, ["evaluations", 0, "dataset"], lambda name: "tsugiki/nowhere")
    with pytest.raises(DataError, match=r"tsugiki/nowhere.*https://example\.org"):
        verify(folder)


def test_other_rows_under_the_same_name_are_not_measured(folder):
    change(folder, ["evaluations", 0, "fingerprint"], lambda fingerprint: "0" * 16)
    found = verify(folder)
    assert not found.ok
    assert found.results == []
    assert "org/digits test has the fingerprint" in found.problems[0]


def test_kind_of_figure_that_the_task_does_not_give_is_a_problem(folder):
    change(folder, ["evaluations", 0, "metrics", "accuracy", "kind"], lambda kind: "score")
    found = verify(folder)
    assert not found.results
    assert "measures no score 'accuracy'" in found.problems[0]


def test_fast_figure_of_another_kind_of_task_is_a_problem(folder):
    change(folder, ["evaluations", 0, "fast"], lambda fast: {"rows": ROWS, "seed": 0, "sum": 40.0})
    assert "counts rows, and the card's fast figure does not" in verify(folder, fast=True).problems[0]


def test_data_may_be_given(folder, made, monkeypatch):
    monkeypatch.delenv("TSUGIKI_DATASETS")
    assert verify(folder, made / "mirror" / "org" / "digits").ok


def test_unknown_name_is_an_error():
    with pytest.raises(UnknownNameError, match="no-such-net"):
        verify("no-such-net")


@pytest.mark.parametrize(
    ("value", "n", "kind", "tolerance"),
    [
        (0.99, 10_000, "share", 0.0002),
        (0.0, 0, "share", 2.0),
        (26.0, 1_000, "score", 0.026),
        (300.0, 1_000, "count", 2),
        (16.0, 1_000, "count", 1.6),
        (1.0, 1_000, "count", 0.1),
    ],
)
def test_tolerance_is_two_of_the_counted_things_or_a_thousandth(value, n, kind, tolerance):
    assert tolerance_of(Metric(value, value, value, n, kind)) == pytest.approx(tolerance)


def test_code_on_the_card_runs_as_it_is(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parent)
    text = (folder / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    exec(compile(code, "README.md", "exec"), {})
    assert "'label': " in capsys.readouterr().out


def test_rows_that_fine_tuning_held_out_are_found_again(folder):
    from tsugiki.data.load_data import load_split
    from tsugiki.data.splitting import hold_out
    from tsugiki.snapshots.loading import load, load_processor

    task, dataset = task_named("image-classification"), load_split("org/digits", "test")
    table = task.table(dataset, load_processor(folder), label_names=["a", "b", "c"])
    _, held = hold_out(table.labels, 0.25, seed=3)
    evaluation = evaluation_record(
        task,
        predict_table(load(folder), table.select(held.tolist())),
        dataset="org/digits",
        split="test",
        revision=None,
        fingerprint=content_fingerprint(dataset.select(held)),
        selection=Selection(3, held_out=0.25),
    )
    replace(Provenance.read(folder), evaluations=[evaluation]).write(folder)
    write_card(folder)
    for fast in (False, True):
        found = verify(folder, fast=fast)
        assert found.ok, found.problems


def test_data_that_was_in_memory_is_asked_for(folder, made):
    change(folder, ["evaluations", 0, "dataset"], lambda name: "data in memory")
    with pytest.raises(DataError, match="data="):
        verify(folder)
    assert verify(folder, made / "mirror" / "org" / "digits").ok
