from __future__ import annotations

import pytest
import transformers
import tsugiki
from tsugiki.errors import DataError
from tsugiki_seq2seq.translation.translation_pipeline import TextTranslationPipeline

from ..tiny_translators import SOURCES, marian, recurrent, save


@pytest.mark.parametrize("make", [recurrent, marian])
@pytest.mark.parametrize("options", [{}, {"num_beams": 3}])
def test_batched_is_single(tmp_path, make, options):
    translate = tsugiki.pipeline(save(make(), tmp_path), "text-translation", device="cpu")
    assert isinstance(translate, TextTranslationPipeline)
    single = [translate(source, **options)[0]["translation_text"] for source in SOURCES]
    together = translate(SOURCES, batch_size=3, **options)
    assert [answers[0]["translation_text"] for answers in together] == single
    assert len(set(single)) > 1


def test_several_translations_of_each_text(tmp_path):
    translate = tsugiki.pipeline(save(recurrent(), tmp_path), device="cpu")
    found = translate(SOURCES[:2], batch_size=2, num_beams=3, num_return_sequences=3)
    alone = [translate(source, num_beams=3, num_return_sequences=3) for source in SOURCES[:2]]
    assert found == alone and [len(answers) for answers in found] == [3, 3]


def test_transformers_makes_it_after_registration(tmp_path):
    folder = str(save(recurrent(), tmp_path))
    tsugiki.register()
    translate = transformers.pipeline("text-translation", model=folder, device="cpu")
    assert translate(SOURCES[0]) == tsugiki.pipeline(folder, device="cpu")(SOURCES[0])


@pytest.mark.parametrize("text", ["", " ", 3])
def test_what_is_no_text_is_refused(tmp_path, text):
    translate = tsugiki.pipeline(save(recurrent(), tmp_path), device="cpu")
    with pytest.raises(DataError, match="a text with at least one word is needed"):
        translate(text)


def test_what_it_saves_loads_again(tmp_path):
    translate = tsugiki.pipeline(save(recurrent(), tmp_path / "first"), device="cpu")
    translate.save_pretrained(tmp_path / "second")
    assert tsugiki.pipeline(tmp_path / "second", device="cpu")(SOURCES[0]) == translate(SOURCES[0])
