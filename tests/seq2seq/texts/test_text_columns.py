from __future__ import annotations

import pytest
from datasets import Dataset, Features, Translation, Value
from tsugiki.errors import DataError
from tsugiki_seq2seq.texts.text_columns import check_roles, column_texts, find_column, text_columns


def translations() -> Dataset:
    features = Features({"translation": Translation(["de", "en"]), "id": Value("int64")})
    return Dataset.from_dict({"translation": [{"de": "ein Hund", "en": "a dog"}], "id": [1]}, features=features)


def test_columns_of_strings_are_found_by_type():
    data = Dataset.from_dict({"text": ["a"], "count": [1], "pair": [{"ja": "犬", "n": 1}], "words": [["a", "b"]]})
    assert text_columns(data) == ["text", "pair.ja"]
    assert text_columns(translations()) == ["translation.de", "translation.en"]


@pytest.mark.parametrize("given", ["translation.en", "en"])
def test_a_language_is_named_by_itself_or_with_its_column(given):
    column = find_column(translations(), "target", {"target": given}, task="a task")
    assert column == "translation.en"
    assert column_texts(translations(), column) == ["a dog"]


def test_a_column_of_the_roles_name_or_the_only_one_is_taken():
    data = Dataset.from_dict({"source": ["a"], "target": ["b"]})
    assert find_column(data, "target", None, task="a task") == "target"
    assert find_column(Dataset.from_dict({"line": ["a"]}), "text", None, task="a task") == "line"


def test_missing_texts_are_empty():
    assert column_texts(Dataset.from_dict({"text": ["a", None]}), "text") == ["a", ""]
    pairs = Dataset.from_dict({"pair": [{"ja": "犬"}, {"ja": None}, None]})
    assert column_texts(pairs, "pair.ja") == ["犬", "", ""]


def test_a_name_with_a_dot_may_be_a_column_of_its_own():
    data = Dataset.from_dict({"a.b": ["text"]})
    assert column_texts(data, find_column(data, "text", {"text": "a.b"}, task="a task")) == ["text"]


def test_a_column_that_is_not_there_suggests_the_nearest():
    with pytest.raises(DataError, match=r"no column 'translation.eng' of texts. Did you mean 'translation.en'"):
        find_column(translations(), "target", {"target": "translation.eng"}, task="a task")


def test_one_of_several_columns_must_be_named():
    with pytest.raises(DataError, match=r"a task needs a column for 'source', and .* translation.de, translation.en"):
        find_column(translations(), "source", None, task="a task")
    with pytest.raises(DataError, match=r"\(none\)"):
        find_column(Dataset.from_dict({"n": [1]}), "source", None, task="a task")


def test_a_role_that_the_task_has_not_suggests_the_nearest():
    with pytest.raises(DataError, match=r"no role 'sources', only source, target. Did you mean 'source'"):
        check_roles({"sources": "a"}, ["source", "target"], task="a task")
    check_roles(None, ["source"], task="a task")
