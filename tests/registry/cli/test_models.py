"""The commands that measure, train and publish: what they pass on, what they print, how they end."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tsugiki
from PIL import Image
from tsugiki import cli
from tsugiki.cards.verify import Check, Verification
from tsugiki.errors import DataError, SnapshotError
from tsugiki.evaluation.ensemble import EnsembleResult
from tsugiki.evaluation.views import Views
from tsugiki.metrics import Metric
from tsugiki.registry import registry

from ..card_snapshots import provenance_record

ACCURACY = {"value": 0.75, "low": 0.5, "high": 1.0, "n": 8, "kind": "share"}


def run(capsys, *words):
    code = cli.main([str(word) for word in words])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.fixture
def calls(monkeypatch):
    """Replaces a function of the core and records how it is called."""
    recorded = []

    def replace(target, result):
        def fake(*args, **kwargs):
            recorded.append((args, kwargs))
            print("chatter of a library")
            if isinstance(result, Exception):
                raise result
            return result(*args, **kwargs) if callable(result) else result

        monkeypatch.setattr(target, fake)
        return recorded

    return replace


def test_evaluate_measures_a_model_on_a_folder_of_images(tmp_path, capsys):
    names = ["cat", "dog"]
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    tsugiki.create_model("plain", **labels).save_pretrained(tmp_path / "model")
    registry().family("plain").processor_class()().save_pretrained(tmp_path / "model")
    noise = np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        folder = tmp_path / "data" / "test" / names[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    code, out, _ = run(capsys, "evaluate", tmp_path / "model", tmp_path / "data", "--split", "test", "--json")
    assert code == 0
    report = json.loads(out)
    assert report["metrics"]["accuracy"]["n"] == 8
    model = tsugiki.load(tmp_path / "model")
    expected = tsugiki.evaluate(model, str(tmp_path / "data"), split="test")["accuracy"]
    assert report["metrics"]["accuracy"]["value"] == expected.value


def test_evaluate_prints_each_metric_with_its_interval(calls, capsys):
    recorded = calls("tsugiki.evaluation.evaluate.evaluate", {"accuracy": Metric(**ACCURACY)})
    words = ["lenet5-mnist", "photos", "--device", "cpu", "--columns", "image=photo,label=kind"]
    code, out, _ = run(capsys, "evaluate", *words)
    few = "Too few rows to tell: accuracy 0.7500 [0.5000, 1.0000] of 8.\n"
    assert (code, out) == (0, f"{few}accuracy 0.7500 [0.5000, 1.0000]  (n = 8)\n")
    columns = {"image": "photo", "label": "kind"}
    options = {"task": None, "split": None, "columns": columns, "batch_size": 256, "device": "cpu", "views": Views()}
    options["classes"] = None
    assert recorded == [(("lenet5-mnist", "photos"), options)]


def test_evaluate_answers_to_views_and_together_with_others(calls, capsys):
    alone = {"a": {"accuracy": Metric(**ACCURACY)}, "b": {"accuracy": Metric(**ACCURACY)}}
    result = EnsembleResult({"accuracy": Metric(**ACCURACY)}, alone)
    recorded = calls("tsugiki.evaluation.ensemble.evaluate_ensemble", result)
    code, out, _ = run(capsys, "evaluate", "a", "photos", "--with", "b", "--flip", "--sizes", "28,32")
    assert code == 0
    assert out.splitlines()[1] == "a: accuracy 0.7500 [0.5000, 1.0000]"
    assert out.splitlines()[-1].startswith("together: accuracy 0.7500")
    assert recorded[0][0] == (["a", "b"], "photos")
    assert recorded[0][1]["views"] == Views(flip=True, sizes=(28, 32))


def test_evaluate_refuses_sizes_that_are_no_numbers(capsys):
    code, _, err = run(capsys, "evaluate", "lenet5-mnist", "photos", "--sizes", "28,large")
    assert code != 0
    assert "--sizes must be whole numbers" in err


def test_train_passes_training_arguments_by_their_own_names(calls, tmp_path, capsys):
    seeds = {"accuracy": {"values": [0.75, 0.5], "mean": 0.625, "sd": 0.177}}
    provenance = provenance_record(seeds=seeds)
    provenance["evaluations"][0]["metrics"] = {"accuracy": ACCURACY}
    (tmp_path / "provenance.json").write_text(json.dumps(provenance))
    recorded = calls("tsugiki.recipes.train_recipe.train", tmp_path)
    words = ["hub_cards/rose", "--output-dir", "out", "--seeds", "3,4", "--num-train-epochs", "2", "--bf16"]
    code, out, _ = run(capsys, "train", *words)
    assert code == 0
    assert out.splitlines() == [
        str(tmp_path),
        "accuracy 0.7500 [0.5000, 1.0000]; mean of 2 seeds 0.6250 ± 0.1770",
    ]
    (args, options), *_ = recorded
    assert args == ("hub_cards/rose",)
    assert (options["output_dir"], options["seeds"], options["overwrite"]) == ("out", [3, 4], False)
    assert options["training"] == {"num_train_epochs": 2, "bf16": True}
    report = json.loads(run(capsys, "train", *words, "--json")[1])
    assert report["metrics"] == {"accuracy": ACCURACY}
    assert report["seeds"] == seeds


def test_train_refuses_seeds_that_are_no_numbers(capsys):
    code, _, err = run(capsys, "train", "hub_cards/rose", "--seeds", "a")
    assert code == 2
    assert "--seeds takes whole numbers" in err


@dataclass
class FakeResult:
    path: Path
    metrics: dict
    depth: str
    seconds: float
    report: str
    caveats: list
    base: str = "lenet5-mnist"


def test_finetune_passes_options_on_and_prints_json_alone(calls, tmp_path, capsys):
    result = FakeResult(tmp_path, {"accuracy": Metric(**ACCURACY)}, "head", 1.5, "chosen by measurement", ["Too few."])
    recorded = calls("tsugiki.transfer.finetune.finetune", result)
    words = ["lenet5-mnist", "photos", "--output-dir", tmp_path, "--learning-rate", "0.1", "--device=cpu", "--test=0.3"]
    words += ["--columns", "label=kind"]
    code, out, err = run(capsys, "finetune", *words, "--json")
    assert code == 0
    assert json.loads(out) == {
        "path": str(tmp_path),
        "base": "lenet5-mnist",
        "metrics": {"accuracy": ACCURACY},
        "caveats": ["Too few."],
        "depth": "head",
        "seconds": 1.5,
    }
    assert err == "chatter of a library\n"
    (args, options), *_ = recorded
    assert args == ("lenet5-mnist", "photos")
    assert options == {
        "output_dir": str(tmp_path),
        "depth": "auto",
        "learning_rate": 0.1,
        "device": "cpu",
        "test": 0.3,
        "columns": {"label": "kind"},
    }
    assert run(capsys, "finetune", *words)[1] == f"{tmp_path}\nchosen by measurement\n"


def test_finetune_says_where_options_belong(capsys):
    code, _, err = run(capsys, "finetune", "--bf16", "lenet5-mnist", "--output-dir", "out")
    assert code == 2
    assert "--bf16 stands where NAME belongs" in err


def verification(name, ok=True, problems=()):
    check = Check("org/petals", "test", "accuracy", 0.99, 0.99 if ok else 0.9, 0.0002, ok)
    return Verification(name, [check], list(problems))


def test_verify_ends_with_0_only_if_all_is_found_again(calls, capsys):
    calls("tsugiki.cards.verify.verify", lambda name, data, fast, device: verification(name, ok=name != "bad"))
    code, out, _ = run(capsys, "verify", "good", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    code, out, _ = run(capsys, "verify", "good", "bad", "--fast")
    assert code == 1
    assert "good: ok" in out
    assert "bad: NOT OK" in out


def test_verify_prints_problems_on_standard_error(calls, capsys):
    calls(
        "tsugiki.cards.verify.verify",
        lambda name, data, fast, device: verification(name, problems=["the text differs"]),
    )
    code, _, err = run(capsys, "verify", "rose")
    assert code == 1
    assert "tsugiki: rose: the text differs\n" in err


def test_verify_goes_on_after_a_model_that_cannot_be_measured(calls, capsys):
    def verify(name, data, fast, device):
        if name == "bad":
            raise SnapshotError("model.safetensors is damaged")
        return verification(name)

    calls("tsugiki.cards.verify.verify", verify)
    code, out, _ = run(capsys, "verify", "bad", "good", "--json")
    assert code == 1
    assert [(report["ok"], report["problems"]) for report in json.loads(out)] == [
        (False, ["model.safetensors is damaged"]),
        (True, []),
    ]


@pytest.mark.parametrize("words", [[], ["rose", "--all"], ["a", "b", "--data", "x"]])
def test_verify_refuses_what_does_not_go_together(words, capsys):
    assert run(capsys, "verify", *words)[0] == 2


def test_publish_prints_where_it_is(calls, capsys):
    calls("tsugiki.cards.publish.publish", "https://hub/me/rose")
    assert run(capsys, "publish", "rose", "me/rose")[:2] == (0, "https://hub/me/rose\n")


def test_an_error_of_the_core_is_one_line(calls, capsys):
    calls("tsugiki.evaluation.evaluate.evaluate", DataError("no column holds labels; name one"))
    code, out, err = run(capsys, "evaluate", "lenet5-mnist", "photos")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == "tsugiki: no column holds labels; name one"


def test_cache_shows_and_clears_what_features_take(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TSUGIKI_CACHE", str(tmp_path))
    monkeypatch.setenv("TSUGIKI_CACHE_LIMIT", "5000")
    entry = tmp_path / "features" / f"{'0' * 64}.safetensors"
    entry.parent.mkdir()
    entry.write_bytes(b"0" * 1234)
    facts = json.loads(run(capsys, "cache", "--json")[1])
    assert facts == {"folder": str(tmp_path / "features"), "entries": 1, "bytes": 1234, "limit": 5000}
    code, out, _ = run(capsys, "cache", "--clear")
    assert code == 0
    assert "removed 1 entries, 1.23 kB" in out
    assert not entry.exists()


def test_card_prints_the_readme(install_plugin, capsys):
    manifest = 'from tsugiki import Plugin\nplugin = Plugin(name="rose", pretrained="fake_rose/pretrained")'
    folder = install_plugin("rose", manifest, snapshots=["rose-1", "rose-2"])
    (folder / "pretrained" / "rose-1" / "README.md").write_text("# rose-1\n")
    assert run(capsys, "card", "rose-1")[:2] == (0, "# rose-1\n")
    code, _, err = run(capsys, "card", "rose-2")
    assert code == 1
    assert "rose-2 has no card" in err


def test_card_check_names_what_is_out_of_date(tmp_path, calls, capsys):
    (tmp_path / "hub_cards").mkdir()
    calls("tsugiki.recipes.index.check_generated", ["hub_cards/README.md"])
    code, _, err = run(capsys, "card", "--check", "--root", tmp_path)
    assert code == 1
    assert "hub_cards/README.md is not what its sources give" in err


def test_card_write_lists_what_it_wrote(tmp_path, calls, capsys):
    (tmp_path / "hub_cards").mkdir()
    calls("tsugiki.recipes.index.write_generated", ["hub_cards/README.md"])
    assert json.loads(run(capsys, "card", "--index", "--root", tmp_path, "--json")[1].partition("\n")[2]) == {
        "written": ["hub_cards/README.md"]
    }


@pytest.mark.parametrize("words", [[], ["--check"], ["rose", "--write", "--check"]])
def test_card_refuses_what_does_not_go_together(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "card", *words)[0] == 2
