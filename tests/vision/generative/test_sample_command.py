from __future__ import annotations

import json

import pytest
import tsugiki
from PIL import Image
from tsugiki import cli

FAMILIES = {
    "vae": {"image_size": 6, "hidden_sizes": (5,), "latent_size": 2},
    "pixelcnn": {"image_size": 6, "hidden_size": 3, "num_blocks": 1},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for family, sizes in FAMILIES.items():
        tsugiki.create_model(family, **sizes).save_pretrained(folder / family)
    tsugiki.create_model("mlp", image_size=4, num_labels=3, hidden_sizes=(3,)).save_pretrained(folder / "mlp")
    return folder


def run(capsys, *words):
    code = cli.main(["sample", *map(str, words)])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_same_seed_draws_the_same_pictures(models, family, tmp_path, capsys):
    files = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for file, seed in zip(files, (3, 3, 4), strict=True):
        code, out, _ = run(capsys, models / family, "--count", 5, "--seed", seed, "--output", file, "--json")
        assert code == 0
        facts = json.loads(out)
        assert facts["path"] == str(file)
        assert (facts["count"], facts["seed"]) == (5, seed)
        assert facts["picture_size"] == {"height": 6, "width": 6}
    first, second, third = (file.read_bytes() for file in files)
    assert first == second != third
    with Image.open(files[0]) as image:
        assert image.size == ((3 * 8 + 2) * 10, (2 * 8 + 2) * 10)


def test_prints_the_path(models, tmp_path, capsys):
    file = tmp_path / "samples.png"
    assert run(capsys, models / "vae", "--count", 1, "--output", file)[:2] == (0, f"{file}\n")


def test_a_model_that_draws_nothing_is_one_sentence(models, tmp_path, capsys):
    code, out, error = run(capsys, models / "mlp", "--output", tmp_path / "out.png")
    assert code != 0
    assert out == ""
    assert "draws no pictures" in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--count", "0"), "--count"),
        (("--output", "x.jpg"), "PNG"),
        (("--output", "nowhere/x.png"), "cannot be written"),
    ],
)
def test_wrong_options_are_refused(models, words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = run(capsys, models / "vae", *words)
    assert code != 0
    assert message in error
    assert list(tmp_path.iterdir()) == []
