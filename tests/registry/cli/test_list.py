"""`tsugiki list` and `tsugiki info`."""

import json
import re
import subprocess
import sys

import pytest
import tsugiki
from tsugiki import cli

from ..card_snapshots import provenance_record

ROSE = """
from tsugiki import Family, Plugin
plugin = Plugin(
    name="rose",
    families=[Family("rose", config="fake_rose.net:Config", models={"image-classification": "fake_rose.net:Net"})],
    pretrained="fake_rose/pretrained",
)
"""
PROVENANCE = provenance_record("rose-10", plugin="rose", family="rose", seconds=125.0)
PROVENANCE["data"]["train"] |= {"id": "org/petals"}
PROVENANCE["evaluations"][0] |= {
    "dataset": "org/petals",
    "metrics": {"accuracy": {"value": 0.9921, "low": 0.9903, "high": 0.9937, "n": 10000, "kind": "share"}},
}


@pytest.fixture
def rose(install_plugin, monkeypatch):
    monkeypatch.setenv("TSUGIKI_PLUGINS", "rose,thorn,thistle")
    folder = install_plugin("rose", ROSE, snapshots=["rose-10", "rose-2"])
    snapshot = folder / "pretrained" / "rose-10"
    (snapshot / "provenance.json").write_text(json.dumps(PROVENANCE))
    (snapshot / "model.safetensors").write_bytes(b"0" * 247_000)
    (snapshot / "config.json").write_text('{"model_type": "tsugiki_rose", "id2label": {"10": "red", "2": "white"}}')
    size = {"height": 28, "width": 28}
    preparation = {"image_processor_type": "PetalProcessor", "size": size, "image_mean": [0.5]}
    (snapshot / "preprocessor_config.json").write_text(json.dumps(preparation))
    return snapshot


def run(capsys, *words):
    code = cli.main(words)
    output = capsys.readouterr()
    return code, output.out, output.err


def test_list_shows_name_task_parameters_size_metric_and_licence(rose, capsys):
    code, out, err = run(capsys, "list")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["name", "task", "input", "parameters", "size", "metric", "license"]
    assert lines[2][0] == "rose-2"
    shown = "rose-10 image-classification picture 28 61,706 247 kB accuracy 0.9921 [0.9903, 0.9937] mit"
    assert " ".join(lines[3]) == shown


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (200, ["name", "task", "input", "parameters", "size", "metric", "license"]),
        (105, ["name", "task", "input", "parameters", "size", "metric"]),
        (73, ["name", "task", "input", "size", "metric"]),
        (65, ["name", "task", "input", "metric"]),
        (55, ["name", "task", "input", "size"]),
        (45, ["name", "task", "input"]),
        (31, ["name", "task"]),
    ],
)
def test_a_terminal_shows_the_columns_that_it_has_room_for(width, columns, rose, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    _, out, err = run(capsys, "list")
    lines = re.sub("\x1b\\[[0-9]*m", "", out).splitlines()
    assert lines[0].split() == columns
    assert max(map(len, lines)) <= width
    assert (err != "") == (width < 200)


def test_info_on_a_terminal_keeps_what_is_long_in_its_column(rose, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = run(capsys, "info", "rose-10")[1].splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[-1].startswith("  ")
    assert "".join(line.strip() for line in lines).endswith(str(rose))


def test_list_as_json_is_a_list_of_model_infos(rose, capsys):
    infos = json.loads(run(capsys, "list", "*10", "--json")[1])
    keys = ["name", "plugin", "family", "task", "parameters", "size_bytes", "metrics", "license", "needs", "input"]
    assert [list(info) for info in infos] == [keys]
    assert infos[0]["metrics"]["accuracy"]["low"] == 0.9903


@pytest.mark.parametrize(
    "words",
    [["*10"], ["--task", "image-classification"], ["--family", "rose"], ["*", "--plugin", "rose", "--family", "rose"]],
)
def test_list_filters(words, rose, capsys):
    assert [info["name"] for info in json.loads(run(capsys, "list", "--json", *words)[1])] == ["rose-10"]


def test_a_pattern_without_matches_suggests_the_nearest(rose, capsys):
    code, out, err = run(capsys, "list", "rose-20")
    assert (code, out) == (0, "")
    assert "none of the 2 installed models matches 'rose-20'. Did you mean 'rose-2'" in err


def test_a_broken_plugin_costs_one_line_on_standard_error(rose, install_plugin, capsys):
    install_plugin("thorn", "raise RuntimeError('ouch')")
    code, out, err = run(capsys, "list")
    assert code == 0
    assert "rose-10" in out
    assert err == "tsugiki: warning: plugin 'thorn' (tsugiki-thorn 1.0) is broken: RuntimeError: ouch\n"


def test_a_name_that_two_plugins_claim_is_listed_with_its_plugin(rose, install_plugin, capsys):
    install_plugin("thistle", ROSE.replace("rose", "thistle"), snapshots=["rose-2"])
    out = run(capsys, "list")[1]
    assert "rose:rose-2" in out
    assert "thistle:rose-2" in out


def test_info_of_a_model(rose, capsys):
    out = run(capsys, "info", "rose-10")[1]
    assert "labels         white, red\n" in out
    assert "made for       pictures, 28 x 28, grey\n" in out
    assert "evaluations    org/petals test: accuracy 0.9921 [0.9903, 0.9937]\n" in out
    assert "seconds        2 min 5 s\n" in out
    facts = json.loads(run(capsys, "info", "rose-10", "--json")[1])
    assert facts["parameters"] == 61706
    assert facts["made_for"] == {"kind": "pictures", "height": 28, "width": 28, "channels": 1}


def test_info_shows_the_first_of_many_labels(tmp_path, capsys):
    labels = {number: f"kind {number}" for number in range(1000)}
    tsugiki.create_model("plain", id2label=labels, label2id={}).save_pretrained(tmp_path / "many")
    out = run(capsys, "info", str(tmp_path / "many"))[1]
    assert "kind 18, kind 19 and 980 more (all of them with --json)\n" in out and "kind 20" not in out
    assert len(json.loads(run(capsys, "info", str(tmp_path / "many"), "--json")[1])["labels"]) == 1000


def test_info_of_a_family_imports_none_of_its_classes(rose, capsys):
    out = run(capsys, "info", "rose")[1]
    assert "config        fake_rose.net:Config\n" in out
    assert "checkpoints   rose-10\n" in out
    assert "fake_rose.net" not in sys.modules


def test_info_of_an_unknown_name_suggests_the_nearest(rose, capsys):
    code, _, err = run(capsys, "info", "rose-1")
    assert code == 1
    assert "unknown model 'rose-1'. Did you mean 'rose-10'" in err


def test_list_and_help_import_nothing_heavy():
    code = (
        "import sys; from tsugiki.cli import main; main(['list']); main(['--help']); main(['predict', '--help'])\n"
        "heavy = {'torch', 'transformers', 'numpy', 'datasets', 'sklearn', 'yaml', 'huggingface_hub', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
