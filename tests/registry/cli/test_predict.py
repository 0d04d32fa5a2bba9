"""`tsugiki predict`: files, folders, standard input."""

import csv
import io
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import tsugiki
from PIL import Image
from tsugiki import cli
from tsugiki.cli.predict import Answer
from tsugiki.errors import OptionError
from tsugiki.registry import registry
from tsugiki_toy.processing import ToyWaveformExtractor, word_tokenizer

NAMES = ["zero", "one", "two", "three"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    labels = {"id2label": dict(enumerate(NAMES)), "label2id": {name: number for number, name in enumerate(NAMES)}}
    tsugiki.create_model("plain", **labels).save_pretrained(folder)
    registry().family("plain").processor_class()().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (4, 20, 30, 3), dtype=np.uint8)
    for name, pixels in zip(["a10.png", "a2.jpg", "more/b.png", ".hidden/c.png"], noise, strict=True):
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("not a picture")
    return folder


def run(capsys, *words):
    code = cli.main(["predict", *map(str, words)])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_a_file_gives_class_names_with_probabilities_best_first(model, pictures, capsys):
    code, out, err = run(capsys, model, pictures / "a2.jpg")
    assert (code, err) == (0, "")
    labels, scores = zip(*(line.split() for line in out.splitlines()), strict=True)
    assert sorted(labels) == sorted(NAMES)
    assert sorted(map(float, scores), reverse=True) == [float(score) for score in scores]
    assert sum(map(float, scores)) == pytest.approx(1, abs=1e-3)


def test_the_answer_is_the_models_own(model, pictures, capsys):
    answer = json.loads(run(capsys, model, pictures / "a2.jpg", "--top-k", 1, "--json")[1])
    with Image.open(pictures / "a2.jpg") as picture:
        inputs = tsugiki.load_processor(model)(picture, return_tensors="pt")
    logits = tsugiki.load(model)(**inputs).logits.detach()
    best = logits.softmax(-1)[0].max(-1)
    expected = [{"label": NAMES[best.indices], "score": pytest.approx(float(best.values), abs=1e-6)}]
    assert answer == [{"input": str(pictures / "a2.jpg"), "predictions": expected}]


def test_a_folder_is_searched_for_pictures_in_natural_order(model, pictures, capsys):
    answers = json.loads(run(capsys, model, pictures, "--json", "--batch-size", 2)[1])
    names = [str(pictures / name) for name in ("a2.jpg", "a10.png", "more/b.png")]
    assert [answer["input"] for answer in answers] == names
    single = json.loads(run(capsys, model, names[1], "--json")[1])
    scores = [[guess["score"] for guess in answer["predictions"]] for answer in (answers[1], single[0])]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_several_files_patterns_and_folders_are_answered_and_what_is_missing_is_named(
    model, pictures, capsys, monkeypatch
):
    monkeypatch.chdir(pictures)
    code, out, err = run(capsys, model, "a10.png", "a*.jpg", "nowhere.png", "more", "--json", "--batch-size", 2)
    answers = json.loads(out)
    assert [answer["input"] for answer in answers] == ["a10.png", "a2.jpg", "nowhere.png", "more/b.png"]
    assert code == 1 and err == "tsugiki: no such file or folder: nowhere.png\n"
    lines = run(capsys, model, "a10.png", "more", "-k", 1, "--batch-size", 1)[1].splitlines()
    assert [line.split()[0] for line in (lines[0], *lines[2:])] == ["input", "a10.png", "more/b.png"]
    assert len({line.rindex("  ") for line in lines[2:]}) == 1  # the parts of the table are as wide as one another


@pytest.mark.parametrize(
    ("options", "expected"),  # lines that are printed before the answer to each of three pictures
    [((), [0, 3, 1]), (("--json", "-k", 1), [0, 10, 10]), (("--csv", "-", "-k", 1), [1, 1, 1])],
)
def test_answers_are_printed_as_they_come(options, expected, model, pictures, capsys, monkeypatch):
    seen = []
    own = registry().task_class("image-classification").answer

    def answer(*words, **options):
        seen.append(len(capsys.readouterr().out.splitlines()))
        return own(*words, **options)

    monkeypatch.setattr(registry().task_class("image-classification"), "answer", answer)
    run(capsys, model, pictures, "--batch-size", 1, *options)
    assert seen == expected  # headings of a table come with the first


def test_answers_that_come_one_by_one_are_one_document(model, pictures, capsys, monkeypatch):
    printed = run(capsys, model, pictures, "--json", "--batch-size", 1)[1]
    assert printed == json.dumps(json.loads(printed), indent=2, ensure_ascii=False) + "\n"
    task, calls = registry().task_class("image-classification"), []
    own = task.answer

    def answer(*words, **options):
        calls.append(words)
        if len(calls) == 2:
            raise OptionError("no more")
        return own(*words, **options)

    monkeypatch.setattr(task, "answer", answer)
    code, out, err = run(capsys, model, pictures, "--json", "--batch-size", 1)
    assert code == 1 and err.endswith("tsugiki: no more\n") and json.loads(out) == json.loads(printed)[:1]
    del calls[1:]
    assert run(capsys, model, pictures, "--json")[:2] == (1, "")  # nothing of work that breaks off before the first


def test_csv_on_standard_output_is_that_of_the_file(model, pictures, tmp_path, capsys):
    (pictures / "bad.png").write_text("no picture")
    assert run(capsys, model, pictures, "--csv", tmp_path / "out.csv")[1] == ""
    assert run(capsys, model, pictures, "--csv", "-", "--batch-size", 2)[1] == (tmp_path / "out.csv").read_text()
    code, out, err = run(capsys, model, pictures, "--csv", "-", "--json")
    assert (code, out) == (2, "") and "both print to standard output" in err


def test_standard_input(model, pictures, capsys, monkeypatch):
    content = (pictures / "a2.jpg").read_bytes()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert run(capsys, model, "-")[1] == run(capsys, model, pictures / "a2.jpg")[1]


def test_a_picture_that_does_not_decode_is_named_and_the_others_are_predicted(model, pictures, capsys):
    (pictures / "a3.png").write_bytes((pictures / "a10.png").read_bytes()[:200])
    (pictures / "a4.png").write_bytes(b"no picture")
    code, out, err = run(capsys, model, pictures, "--json")
    assert code == 1
    answers = json.loads(out)
    assert [len(answer.get("predictions", [])) for answer in answers] == [4, 0, 0, 4, 4]
    left_out, *errors = err.splitlines()
    assert "7 files found, 5 read, 2 left out: .hidden/c.png: hidden; notes.txt: not an image" in left_out
    assert len(errors) == 2
    assert "a3.png does not decode" in err
    assert "a4.png does not decode" in err


def test_a_file_that_does_not_decode_is_one_error(model, pictures, capsys):
    code, out, err = run(capsys, model, pictures / "notes.txt")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "notes.txt does not decode as an image" in err


def test_csv_is_written(model, pictures, tmp_path, capsys):
    file = tmp_path / "out.csv"
    code, out, _ = run(capsys, model, pictures, "-k", 2, "--csv", file)
    assert (code, out) == (0, "")
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert len(rows) == 3 * 2
    assert rows[0]["input"] == str(pictures / "a2.jpg")
    assert rows[0]["rank"] == "1"
    assert float(rows[0]["score"]) >= float(rows[1]["score"])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.png", "no such file or folder: nowhere.png"),
        ("nowhere", "no such file or folder: nowhere"),
        ("", "the input is empty; name a file, a folder, or give a text"),
        ("empty", "there are no files in the folder empty"),
    ],
)
def test_a_source_without_anything_to_predict_is_one_error(source, said, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    code, out, err = run(capsys, model, source)
    assert (code, out, err) == (1, "", f"tsugiki: {said}\n")


def test_a_folder_without_pictures_is_one_error(model, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    code, _, err = run(capsys, model, tmp_path)
    assert code == 1
    assert "none of the 2 files of the folder is an image" in err


HEAVY = (
    "heavy = {'datasets', 'sklearn', 'matplotlib', 'transformers.trainer', 'transformers.training_args', "
    "'transformers.pipelines', 'torchvision', 'onnx'}\n"
    "print(sorted(heavy & set(sys.modules)))"
)


def test_predicting_imports_nothing_of_training(model, pictures):
    """Nothing but what transformers' Auto classes import themselves: in 5.17 that is scikit-learn."""
    bare = f"import sys; from transformers import AutoModelForImageClassification\n{HEAVY}"
    code = f"{bare}\nfrom tsugiki.cli import main\nassert main(sys.argv[1:]) == 0\n{HEAVY}"
    words = [sys.executable, "-c", code, "predict", model, str(pictures / "a2.jpg")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("[") and last == first
    assert done.stderr == ""


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    folder, words = tmp_path_factory.mktemp("texts"), word_tokenizer(["good", "bad", "film"])
    labels = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
    network = tsugiki.create_model("words", "text-classification", vocab_size=len(words), **labels)
    network.save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


def test_a_model_of_texts_takes_the_text_itself_a_file_of_lines_or_standard_input(
    text_model, tmp_path, capsys, monkeypatch
):
    (tmp_path / "reviews.txt").write_text("good film\n\nbad film\n")
    (one,) = json.loads(run(capsys, text_model, "bad film", "--json")[1])
    assert one["input"] == "bad film" and {guess["label"] for guess in one["predictions"]} == {"no", "yes"}
    two = json.loads(run(capsys, text_model, tmp_path / "reviews.txt", "--json")[1])
    assert [answer["input"] for answer in two] == [f"{tmp_path}/reviews.txt:1", f"{tmp_path}/reviews.txt:3"]
    assert _scores(two[1]) == pytest.approx(_scores(one))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"bad film\n")))
    (three,) = json.loads(run(capsys, text_model, "-", "--json")[1])
    assert _scores(three) == pytest.approx(_scores(one))


def test_a_text_longer_than_a_file_name_is_a_text(text_model, capsys):
    code, out, _ = run(capsys, text_model, "good film " * 2000)
    assert code == 0 and len(out.splitlines()) == 2


@pytest.mark.parametrize(("source", "code"), [("films.txt", 1), (" ", 1), ("good films.txt", 0), ("good.", 0)])
def test_the_name_of_a_missing_file_is_no_text(source, code, text_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.txt").write_text("good")
    assert run(capsys, text_model, source)[0] == code


def _scores(answer):
    return {guess["label"]: guess["score"] for guess in answer["predictions"]}


def test_a_file_that_is_no_text_is_one_error(text_model, tmp_path, capsys):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    code, _, err = run(capsys, text_model, tmp_path / "picture.png")
    assert code == 1 and err == f"tsugiki: {tmp_path}/picture.png is no text in UTF-8 (byte 0)\n"
    (tmp_path / "empty.txt").write_text("\n")
    assert "holds no line of text" in run(capsys, text_model, tmp_path / "empty.txt")[2]


def test_a_recording_that_does_not_decode_is_named_and_the_others_are_predicted(tmp_path, capsys):
    model = tmp_path / "model"
    tsugiki.create_model("tones", "audio-classification", num_labels=6).save_pretrained(model)
    ToyWaveformExtractor().save_pretrained(model)
    capsys.readouterr()
    folder = tmp_path / "recordings"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.sin(np.arange(8000) / 9), 8000)
    (folder / "b.wav").write_bytes(b"noise")
    (folder / "notes.txt").write_text("no recording")
    code, out, err = run(capsys, model, folder, "--json")
    assert code == 1
    assert [len(answer.get("predictions", [])) for answer in json.loads(out)] == [5, 0]
    left_out, *errors = err.splitlines()
    assert "1 left out: notes.txt: not a recording that can be opened, by the suffix" in left_out
    assert len(errors) == 1 and "b.wav does not decode as audio" in errors[0]


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spots")
    tsugiki.create_model("spots").save_pretrained(folder)
    registry().family("spots").processor_class()(size={"height": 6, "width": 6}).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def spotted(tmp_path):
    for name in ("a/one.png", "b/one.png", "b/two.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (6, 6)).save(tmp_path / name)
    (tmp_path / "b" / "bad.png").write_text("no picture")
    return tmp_path


def test_a_task_shows_its_answers_in_files_called_after_the_inputs(spots, spotted, capsys):
    words = (spots, spotted / "a", spotted / "b", "-k", 3, "--batch-size", 2, "--output-dir", spotted / "new" / "out")
    code, out, _ = run(capsys, *words, "--json")
    assert code == 1  # one of them is no picture
    names = ["one-2.png", "one.png", "two.png"]
    assert sorted(path.name for path in (spotted / "new" / "out").iterdir()) == names
    answers = {answer["input"]: answer for answer in json.loads(out)}
    expected = np.zeros((6, 6, 3), np.uint8)
    for guess in answers[str(spotted / "b/two.png")]["predictions"]:
        expected[tuple(guess["place"])] = [255, 0, 0]
    assert (np.array(Image.open(spotted / "new" / "out" / "two.png")) == expected).all()
    code, out, err = run(capsys, *words)
    assert (code, out) == (1, "") and "one.png exists already" in err and "--overwrite" in err
    assert run(capsys, *words, "--overwrite")[1]
    assert sorted(path.name for path in (spotted / "new" / "out").iterdir()) == names


@pytest.mark.parametrize(
    ("inputs", "output", "said"),
    [
        ("b", "b", "b is b, which is read; name another folder"),
        ("b", "b/out", "b/out lies in b, which is read; name another folder"),
        ("b/one.png", "b", "b/one.png is b/one.png, which is read; name another output"),
        ("b/one.png", "a/one.png", "a/one.png cannot be written; name a folder in one that exists and is yours"),
    ],
)
def test_shown_answers_take_the_place_of_no_input(inputs, output, said, spots, spotted, capsys, monkeypatch):
    monkeypatch.chdir(spotted)
    before = {path: path.stat().st_mtime_ns for path in spotted.rglob("*")}
    assert run(capsys, spots, inputs, "--output-dir", output, "--overwrite") == (1, "", f"tsugiki: {said}\n")
    assert {path: path.stat().st_mtime_ns for path in spotted.rglob("*")} == before


def test_a_task_of_words_has_no_files_to_write(model, pictures, tmp_path, capsys):
    code, _, err = run(capsys, model, pictures, "--output-dir", tmp_path / "out")
    assert code == 1 and not (tmp_path / "out").exists()
    assert err == "tsugiki: answers of image-classification are words, and shown as no file: --csv writes them\n"


def test_bytes_of_an_answer_are_for_its_file_alone():
    answer = Answer("a.txt", [{"label": "spoken", "score": 1.0, "sound": b"RIFF", "seconds": 0.5}])
    assert answer.to_dict()["predictions"] == [{"label": "spoken", "score": 1.0, "seconds": 0.5}]
