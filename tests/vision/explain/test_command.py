from __future__ import annotations

import json

import numpy as np
import pytest
import tsugiki
from PIL import Image
from tsugiki import cli
from tsugiki.registry import registry

NAMES = ["cat", "dog", "fox"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    labels = {"id2label": dict(enumerate(NAMES)), "label2id": {name: number for number, name in enumerate(NAMES)}}
    families = {
        "cifar-resnet": {"depth": 8, "stage_channels": (4, 6, 8), "image_size": 16},
        "mlp": {"image_size": 12, "hidden_sizes": (7,)},
        "resnet": {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1], "layer_type": "basic"},
    }
    for family, sizes in families.items():
        model = tsugiki.create_model(family, "image-classification", **sizes, **labels)
        model.save_pretrained(folder / family)
        side = sizes.get("image_size", 32)
        processor_class = registry().family(family).processor_class()
        processor_class(size={"height": side, "width": side}).save_pretrained(folder / family)
    return folder


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def run(capsys, *words):
    code = cli.main(["explain", *map(str, words)])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.parametrize(
    ("family", "panels"),
    [
        ("cifar-resnet", ["gradient", "guided backprop", "Grad-CAM", "Grad-CAM over the input", "best input for dog"]),
        ("resnet", ["gradient", "guided backprop", "Grad-CAM", "Grad-CAM over the input", "best input for dog"]),
        ("mlp", ["gradient", "guided backprop", "best input for dog"]),
    ],
)
def test_one_picture_holds_all_maps(models, family, panels, picture, tmp_path, capsys):
    output = tmp_path / "out.png"
    words = (models / family, picture, "--target", "dog", "--steps", 2, "--output", output, "--json")
    code, out, _ = run(capsys, *words)
    assert code == 0
    facts = json.loads(out)
    assert facts["path"] == str(output)
    assert facts["target"] == {"label": "dog", "number": 1}
    assert facts["panels"][0].startswith("input: dog ")
    assert facts["panels"][1:] == panels
    assert list(facts["skipped"]) == (["grad-cam"] if family == "mlp" else [])
    with Image.open(output) as drawn:
        assert family in drawn.text["Description"]
        assert min(drawn.size) > 300


def test_the_answer_is_that_of_predict(models, picture, tmp_path, capsys):
    model = models / "cifar-resnet"
    words = (model, picture, "--method", "gradient", "--output", tmp_path / "out.png", "--json")
    facts = json.loads(run(capsys, *words)[1])
    assert cli.main(["predict", str(model), str(picture), "--json", "-k", "1"]) == 0
    best = json.loads(capsys.readouterr().out)[0]["predictions"][0]
    assert facts["answer"]["label"] == facts["target"]["label"] == best["label"]
    assert facts["answer"]["score"] == pytest.approx(best["score"], abs=1e-6)
    assert facts["panels"][1:] == ["gradient"]


@pytest.mark.parametrize(("unit", "title"), [("stage2:3", "stage2:3"), ("fox", "fox"), ("2", "fox")])
def test_the_best_input_of_a_unit_needs_no_picture(models, unit, title, tmp_path, capsys):
    words = ("--method", "best-input", "--unit", unit, "--steps", 2, "--output", tmp_path / "out.png", "--json")
    code, out, _ = run(capsys, models / "cifar-resnet", *words)
    assert code == 0
    assert json.loads(out)["panels"] == [f"best input for {title}"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--target", "dgo"], 1, "no class 'dgo'. Did you mean 'dog'? It has cat, dog, fox."),
        (["--layer", "stage7"], 1, "no layer 'stage7'"),
        (["--layer", "classifier"], 1, "has no maps"),
        (["--unit", "stage7:0", "--method", "best-input"], 1, "there is no stage 'stage7', only stem, stage1"),
        (["--unit", "stage1:x", "--method", "best-input"], 1, "write STAGE:CHANNEL with the channel's number"),
        (["--unit", "stage1:99", "--method", "best-input"], 1, "stage 'stage1' has the units 0 to 3, not 99"),
        (["--method", "gradcam"], 2, "--method is one of all, gradient, guided, grad-cam, best-input, not 'gradcam'"),
    ],
)
def test_bad_input_is_one_error_and_leaves_no_file(words, code, said, models, picture, tmp_path, capsys):
    output = tmp_path / "out.png"
    found = run(capsys, models / "cifar-resnet", picture, "--output", output, *words)
    assert found[:2] == (code, "")
    assert said in found[2]
    assert len(found[2].splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if "cache" not in path.name) == ["in.png"]


def test_a_picture_that_is_missing_or_broken_is_one_error(models, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for name, said in (("nowhere.png", "no such file"), ("broken.png", "does not decode as an image")):
        code, out, err = run(capsys, models / "cifar-resnet", tmp_path / name, "--output", tmp_path / "out.png")
        assert (code, out) == (1, "")
        assert said in err
        assert len(err.splitlines()) == 1
    assert run(capsys, models / "cifar-resnet")[0] == 2


def test_an_older_picture_stays_when_the_new_one_fails(models, picture, tmp_path, capsys):
    output = tmp_path / "out.png"
    output.write_bytes(b"older")
    assert run(capsys, models / "cifar-resnet", picture, "--target", "none", "--output", output)[0] == 1
    assert output.read_bytes() == b"older"
