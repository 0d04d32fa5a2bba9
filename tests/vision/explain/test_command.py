from __future__ import annotations

import io
import json

import numpy as np
import pytest
import tsugiki
from PIL import Image
from tsugiki import cli
from tsugiki.errors import OptionError
from tsugiki.registry import registry
from tsugiki_vision.explain import explanation
from tsugiki_vision.explain.explanation import Explainer

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


def test_a_network_of_transformers_alone_is_explained_by_the_folder_it_lies_in(picture, tmp_path, capsys):
    from transformers import ViTConfig, ViTForImageClassification
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    labels = {"id2label": dict(enumerate(NAMES)), "label2id": {name: number for number, name in enumerate(NAMES)}}
    model, folder = (
        ViTForImageClassification(ViTConfig(**sizes, image_size=32, patch_size=8, **labels)),
        tmp_path / "vit",
    )
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    code, out, _ = run(capsys, folder, picture, "--steps", 2, "--output", tmp_path / "out.png", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["panels"][1:3] == ["gradient", "guided backprop"]
    assert list(facts["skipped"]) == ["grad-cam"]  # tokens are no maps


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


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    for name, one in zip(("photos/a.jpg", "photos/b/a.png", "c.png"), pixels, strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(tmp_path / name)
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    return tmp_path


def test_several_pictures_are_explained_into_a_folder_as_they_come(models, pictures, capsys):
    words = (models / "cifar-resnet", "photos", "c.png", "--method", "gradient")
    code, out, err = run(capsys, *words)
    files = ["explanation/a.png", "explanation/a-2.png", "explanation/c.png"]
    assert (code, out.splitlines()) == (1, files)
    assert len(err.splitlines()) == 1 and err.startswith("tsugiki: photos/broken.png does not decode")
    assert sorted(path.name for path in (pictures / "explanation").iterdir()) == ["a-2.png", "a.png", "c.png"]
    assert run(capsys, *words)[2].startswith("tsugiki: explanation/a.png exists already")
    answers = json.loads(run(capsys, *words, "--json", "--output-dir", "new")[1])
    assert [answer["input"] for answer in answers] == ["photos/a.jpg", "photos/b/a.png", "photos/broken.png", "c.png"]
    assert [answer.get("path") for answer in answers] == ["new/a.png", "new/a-2.png", None, "new/c.png"]
    (alone,) = json.loads(run(capsys, models / "cifar-resnet", "c.png", "--json", "--output-dir", "alone")[1])
    assert alone["answer"] == answers[-1]["answer"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["photos", "--output", "one.png"], 2, "--output names one file, and there are 3 inputs; leave it out"),
        (["c.png", "--output", "a.png", "--output-dir", "b"], 2, "--output-dir names a folder of them"),
        (["photos", "--output-dir", "photos/out"], 1, "photos/out lies in photos, which is read; name another folder"),
        (["nowhere/*.png"], 1, "no file matches nowhere/*.png"),
    ],
)
def test_where_explanations_go_is_checked_first(words, code, said, models, pictures, capsys):
    before = sorted(pictures.rglob("*"))
    found = run(capsys, models / "cifar-resnet", *words, "--overwrite")
    assert found[:2] == (code, "") and said in found[2]
    assert sorted(pictures.rglob("*")) == before


def test_an_explanation_is_a_picture_in_a_notebook(models, picture, tmp_path):
    explainer = Explainer.open(str(models / "cifar-resnet"))
    with Image.open(picture) as photograph:
        found = explainer.explain(photograph, target="dog", method="grad-cam")
        again = explainer.explain(photograph, target=1, method="grad-cam")
    shown = Image.open(io.BytesIO(found._repr_png_()))
    assert np.array_equal(shown, found.picture) and np.array_equal(found.picture, again.picture)
    assert found.panels[1:] == ["Grad-CAM", "Grad-CAM over the input"] and found.target == {"label": "dog", "number": 1}
    found.save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as saved:
        assert np.array_equal(saved, found.picture) and "cifar-resnet" in saved.text["Description"]
    with pytest.raises(OptionError, match="no picture to explain"):
        explainer.explain()
    with pytest.raises(OptionError, match="Did you mean 'grad-cam'"):
        explainer.explain(found.picture, method="grad_cam")


def test_the_input_that_a_class_would_like_best_is_computed_once(models, pictures, monkeypatch):
    calls = []
    own = explanation.best_input
    monkeypatch.setattr(
        explanation, "best_input", lambda *words, **options: calls.append(words) or own(*words, **options)
    )
    explainer = Explainer.open(str(models / "cifar-resnet"))
    with Image.open(pictures / "c.png") as photograph:
        found = [explainer.explain(photograph, target=target, steps=2) for target in ("dog", "dog", "fox")]
    assert len(calls) == 2
    assert np.array_equal(found[0].picture, found[1].picture)
