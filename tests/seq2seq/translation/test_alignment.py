from __future__ import annotations

import json

import numpy as np
import PIL.Image
import pytest
import torch
import transformers
from packaging.version import Version
from tsugiki.cli.dispatch import main
from tsugiki.errors import DataError, OptionError
from tsugiki_seq2seq.translation.alignment import Alignment, align, draw_alignment, fonts_for
from tsugiki_seq2seq.translation.open_translators import encode_texts

from ..tiny_translators import SOURCES, marian, recurrent, save, t5, tokenizer

TRANSFORMERS = (
    [marian, t5] if Version(transformers.__version__) > Version("5.17") else [marian]
)  # T5 of 5.17 shows none
ATTENTIONS = ("bahdanau", "luong-dot", "luong-general", "luong-concat")


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_weights_are_the_cross_attention_of_its_own_translation(attention):
    model, words = recurrent(attention=attention), tokenizer()
    ids = torch.tensor(encode_texts(words, [SOURCES[2]]))
    out = model.generate(input_ids=ids, do_sample=False)
    weights = model(input_ids=ids, decoder_input_ids=out[:, :-1], output_attentions=True).cross_attentions[0][0, 0]
    found = align(model, words, SOURCES[2])
    np.testing.assert_allclose(found.weights, weights.detach().numpy(), atol=1e-6)
    assert found.source == [*SOURCES[2].split(), "</s>"]
    assert found.target == words.convert_ids_to_tokens(out[0, 1:].tolist())
    assert found.text == words.decode(out[0], skip_special_tokens=True)


@pytest.mark.parametrize("make", TRANSFORMERS)
def test_layers_and_heads_of_a_transformer(make):
    model, words = make(), tokenizer()
    before = model.config._attn_implementation
    mean = align(model, words, SOURCES[0], "he ran .", layer=0)
    heads = [align(model, words, SOURCES[0], "he ran .", layer=0, head=head).weights for head in (0, 1)]
    assert mean.target == ["he", "ran", ".", "</s>"] and mean.weights.shape == (4, len(mean.source))
    np.testing.assert_allclose(mean.weights, np.mean(heads, 0), atol=1e-6)
    np.testing.assert_allclose(mean.weights.sum(1), 1, atol=1e-5)
    assert model.config._attn_implementation == before


def test_a_model_without_attention_is_refused():
    with pytest.raises(OptionError, match="RecurrentForConditionalGeneration has no attention to align with"):
        align(recurrent(attention="none"), tokenizer(), SOURCES[0])


@pytest.mark.parametrize(
    ("options", "message"), [({"layer": 2}, "one of the decoder's 2"), ({"head": 2}, "head must be from 0 to 1")]
)
def test_a_layer_or_head_that_is_not_there_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        align(marian(), tokenizer(), SOURCES[0], **options)


def test_an_empty_sentence_is_refused():
    with pytest.raises(DataError, match="source is empty"):
        align(recurrent(), tokenizer(), " ")


def test_fonts_draw_what_they_can_and_name_what_they_cannot():
    fonts, missing = fonts_for("abc é я")
    assert (fonts, missing) == (["DejaVu Sans"], set())
    assert fonts_for("a\U0010fffd")[1] == {"\U0010fffd"}  # for private use: no font has it


def test_tokens_without_a_font_are_drawn_by_their_place(tmp_path):
    drawn = Alignment(["a", "\U0010fffd"], ["\U0010fffdx", "b"], np.full((2, 2), 0.5, np.float32), "")
    assert draw_alignment(drawn, tmp_path / "map.png") == {
        "#0": "a",
        "#1": "\U0010fffd",
        "#2": "\U0010fffdx",
        "#3": "b",
    }
    with PIL.Image.open(tmp_path / "map.png") as picture:
        assert picture.format == "PNG"


def test_the_command_writes_the_picture(tmp_path, capsys):
    folder, output = save(recurrent(), tmp_path / "model"), tmp_path / "map.png"
    words = ["align", str(folder), SOURCES[0], "--output", str(output)]
    assert main([*words, "--target", "he ran .", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["target_tokens"] == ["he", "ran", ".", "</s>"]
    assert np.allclose(np.sum(printed["weights"], 1), 1, atol=1e-4)
    with PIL.Image.open(output) as picture:
        assert min(picture.size) > 200
    assert main([*words, "--overwrite"]) == 0
    assert capsys.readouterr().out.strip() == str(output)


@pytest.mark.parametrize("output", ["map.jpg", "nowhere/map.png"])
def test_the_command_refuses_a_path_before_any_work(tmp_path, capsys, output):
    assert main(["align", "no-such-model", "x", "--output", str(tmp_path / output)]) != 0
    error = capsys.readouterr().err
    assert "something.png" in error or "cannot be written" in error


def test_the_command_leaves_nothing_behind_where_there_is_no_attention(tmp_path, capsys):
    folder = save(recurrent(attention="none"), tmp_path / "model")
    assert main(["align", str(folder), SOURCES[0], "--output", str(tmp_path / "map.png")]) != 0
    assert "has no attention" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_the_command_draws_lines_of_files_and_rows_of_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = save(recurrent(), tmp_path / "model")
    (tmp_path / "lines.txt").write_text(f"{SOURCES[0]}\n{SOURCES[1]}\the ran .\na\tb\tc\n")
    (tmp_path / "pairs.csv").write_text(f"ja,en\n{SOURCES[0]},he ran .\n,he ran .\n")
    capsys.readouterr()
    words = ["align", str(folder), "lines.txt", "pairs.csv", "--columns", "source=ja,target=en", "--json"]
    assert main(words) == 1
    printed = capsys.readouterr()
    answers = json.loads(printed.out)
    assert [one.get("path") for one in answers] == [
        "align/lines-1.png", "align/lines-2.png", None, "align/pairs-1.png", None,
    ]  # fmt: skip
    assert [one["target_tokens"] for one in (answers[1], answers[3])] == [["he", "ran", ".", "</s>"]] * 2
    assert printed.err.splitlines() == [
        "tsugiki: lines.txt:3 has 3 texts with tabs between them, not a source and a target",
        "tsugiki: pairs.csv:2: the row is empty",
    ]
    drawn = sorted(path.name for path in (tmp_path / "align").iterdir())
    assert drawn == ["lines-1.png", "lines-2.png", "pairs-1.png"]
    assert main([*words[:3], "--output", "one.png"]) == 2
    assert "--output names one file, and there are 3 inputs" in capsys.readouterr().err
    assert main([*words[:3], "--target", "he ran ."]) == 2
    assert main(words) == 1 and "exists already" in capsys.readouterr().err
