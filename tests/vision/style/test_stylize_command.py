from __future__ import annotations

import json

import numpy as np
import pytest
import tsugiki
from PIL import Image
from tsugiki import cli

from .style_fixtures import photographs, save_paintings, save_tiny_vgg


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    return save_tiny_vgg(tmp_path_factory.mktemp("networks") / "tiny-vgg")


@pytest.fixture
def files(tmp_path):
    for name, picture in zip(("content.png", "style.jpg"), photographs(2, 48), strict=True):
        pixels = (picture.permute(1, 2, 0).numpy() * 255).astype(np.uint8)[:40]
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path / "content.png", tmp_path / "style.jpg"


def run(capsys, *words):
    code = cli.main(["stylize", *map(str, words)])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_paints_and_says_in_the_file_what_made_it(vgg, files, tmp_path, capsys):
    output = tmp_path / "out.png"
    words = ("--network", vgg, "--size", 36, "--steps", 12, "--beta", 3, "--output", output, "--json")
    code, out, _ = run(capsys, *files, *words)
    assert code == 0
    facts = json.loads(out)
    assert facts["path"] == str(output)
    assert facts["network"] == str(vgg)
    assert facts["size"] == [30, 36]
    assert facts["losses"]["end"]["style"] < facts["losses"]["start"]["style"]
    assert facts["style_loss_ratio"] == pytest.approx(
        facts["losses"]["end"]["style"] / facts["losses"]["start"]["style"]
    )
    with Image.open(output) as painted:
        assert painted.size == (36, 30)
        assert painted.text["Description"] == facts["caption"]
        assert "content.png in the style of style.jpg" in facts["caption"]
        assert "tiny-vgg" in facts["caption"]
        made = json.loads(painted.text["Comment"])
        assert (made["content"], made["style"], made["network"]) == ("content.png", "style.jpg", vgg.name)
        assert not any(str(vgg.parent) in text for text in painted.text.values())


def test_the_path_is_the_result_and_the_progress_is_not(vgg, files, tmp_path, capsys):
    output = tmp_path / "out.png"
    words = ("--network", vgg, "--size", 32, "--steps", 2, "--from", "content", "--output", output)
    code, out, err = run(capsys, *files, *words)
    assert (code, out) == (0, f"{output}\n")
    assert "tiny-vgg" in err and len(err.splitlines()) == 1  # a bar would be for a terminal


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--style-layers", "conv1_1,conv7_1"], 1, "'conv7_1' is no convolution of this VGG-13"),
        (["--style-layers", "conv1_1", "--style-weights", "1,2"], 1, "1 style layers need as many weights"),
        (["--style-weights", "much"], 2, "--style-weights takes numbers"),
        (["--from", "chaos"], 2, "--from is noise or content"),
        (["--alpha", "0", "--beta", "0"], 1, "alpha or beta above it"),
        (["--model", "stylize-x"], 2, "--output names one file, and there are 2 inputs"),
        (["--size", "2"], 2, "--size"),
    ],
)
def test_bad_input_is_one_error_and_leaves_no_file(words, code, said, vgg, files, tmp_path, capsys):
    found = run(capsys, *files, "--network", vgg, "--size", 32, "--output", tmp_path / "out.png", *words)
    assert found[:2] == (code, "")
    assert said in found[2]
    assert not [path for path in tmp_path.iterdir() if "out.png" in path.name]


def test_files_are_checked_before_the_network_is_loaded(files, tmp_path, capsys):
    content, style = files
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    output = tmp_path / "out.png"
    for words, said in (
        ((content, tmp_path / "none.jpg", "--output", output), "no such file"),
        ((content, tmp_path / "broken.jpg", "--output", output), "does not decode as an image"),
        ((content, style, "--output", content), "which is read"),
        ((content, style, "--output", tmp_path / "out.jpg"), "name the output something.png"),
    ):
        code, out, err = run(capsys, *words, "--network", "no-such-network")
        assert (code, out) == (1, "")
        assert said in err
        assert len(err.splitlines()) == 1
    assert run(capsys, content)[0] == 2
    code, _, err = run(capsys, content, style, "--network", "no-such-network", "--output", output)
    assert code == 1 and "unknown model 'no-such-network'" in err


@pytest.fixture
def model(vgg, tmp_path):
    save_paintings(tmp_path / "paintings")
    folder = tmp_path / "stylize-stripes"
    tsugiki.create_model(
        "stylizer", "image-to-image", hidden_channels=(4, 4, 4), residual_blocks=1, style="Stripes (2024)",
        style_data=str(tmp_path / "paintings"), loss_network=str(vgg),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_a_trained_stylizer_paints_in_one_pass(vgg, files, model, tmp_path, capsys):
    output = tmp_path / "out.png"
    code, out, _ = run(capsys, files[0], "--model", model, "--size", 36, "--output", output, "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["size"] == [30, 36]
    assert facts["style"] == "Stripes (2024)"
    with Image.open(output) as painted:
        assert painted.size == (36, 30)
        assert "stylize-stripes" in painted.text["Description"]
    code, _, err = run(capsys, files[0], "--model", vgg, "--output", output, "--overwrite")
    assert code == 1 and "is a VGGForImageClassification and no stylizer" in err
    assert run(capsys, files[0], "--model", model, "--steps", 3)[0] == 2


def test_several_pictures_are_painted_into_a_folder(vgg, files, model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    names = ["content.png", "broken.png", "style.jpg"]
    code, out, err = run(capsys, *names, "--model", model, "--size", 32)
    assert (code, out.splitlines()) == (1, ["stylized/content.png", "stylized/style.png"])
    assert "broken.png does not decode" in err and err.count("took") == 2
    words = ("content.png", "content.png", "style.jpg", "--network", vgg, "--size", 32, "--steps", 1)
    facts = json.loads(run(capsys, *words, "--output-dir", "new", "--json")[1])
    assert [one["path"] for one in facts] == ["new/content.png", "new/content-2.png"]
    assert facts[0]["losses"] == facts[1]["losses"]
    with Image.open("new/content.png") as one, Image.open("new/content-2.png") as other:
        assert np.array_equal(one, other) and one.text["Description"] == facts[0]["caption"]
