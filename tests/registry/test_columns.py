"""Columns found by what they hold, by a usual name or as the user named them, and their texts and classes read."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Audio, ClassLabel, Dataset, Features, Image, List, Translation, Value
from tsugiki.class_labels import class_numbers, find_label_column, numbered_labels, refuse_labels_as_texts
from tsugiki.columns import (
    PICTURE_COLUMN,
    RECORDING_COLUMN,
    TEXT_COLUMN,
    TEXT_LIST_COLUMN,
    Role,
    check_roles,
    find_column,
    find_columns,
    read_column,
    read_texts,
)
from tsugiki.errors import DataError
from tsugiki.tasks.text_classification import TextClassification

SOURCE = Role(TEXT_COLUMN, ("source",))
TARGET = Role(TEXT_COLUMN, ("target",))


def translations() -> Dataset:
    features = Features({"translation": Translation(["de", "en"]), "id": Value("int64")})
    return Dataset.from_dict({"translation": [{"de": "ein Hund", "en": "a dog"}], "id": [1]}, features=features)


def test_columns_of_strings_are_found_by_type():
    data = Dataset.from_dict({"text": ["a"], "count": [1], "pair": [{"ja": "犬", "n": 1}], "words": [["a", "b"]]})
    assert TEXT_COLUMN.columns(data) == ["text", "pair.ja"]
    assert TEXT_COLUMN.columns(translations()) == ["translation.de", "translation.en"]
    assert TEXT_LIST_COLUMN.columns(data) == ["words"]


def test_the_path_of_an_encoded_picture_is_no_text():
    data = Dataset.from_dict({"picture": [{"bytes": b"", "path": "a.png"}], "text": ["a"]})
    assert TEXT_COLUMN.columns(data) == ["text"]


def test_media_are_found_by_type_and_taken_from_files_where_they_are_named():
    features = Features({"photo": Image(decode=False), "sound": Audio(decode=False), "file": Value("string")})
    data = Dataset.from_dict({"photo": [None], "sound": [None], "file": ["a.png"]}, features=features)
    assert find_column(data, "image", Role(PICTURE_COLUMN)) == "photo"
    assert find_column(data, "audio", Role(RECORDING_COLUMN)) == "sound"
    assert find_column(data, "image", Role(PICTURE_COLUMN), {"image": "file"}) == "file"
    with pytest.raises(DataError, match="column 'sound' holds Audio, not pictures; name a column of images, encoded"):
        find_column(data, "image", Role(PICTURE_COLUMN), {"image": "sound"})


@pytest.mark.parametrize("given", ["translation.en", "en"])
def test_a_language_is_named_by_itself_or_with_its_column(given):
    column = find_column(translations(), "target", TARGET, {"target": given})
    assert column == "translation.en"
    assert read_texts(translations(), column) == ["a dog"]


def test_a_column_of_a_usual_name_or_the_only_one_is_taken():
    data = Dataset.from_dict({"source": ["a"], "target": ["b"]})
    assert find_column(data, "target", TARGET) == "target"
    assert find_column(Dataset.from_dict({"line": ["a"]}), "text", Role(TEXT_COLUMN, ("text",))) == "line"


def test_a_missing_text_is_named_by_its_row_and_an_empty_one_is_a_text():
    assert read_texts(Dataset.from_dict({"text": ["a", ""]}), "text") == ["a", ""]
    with pytest.raises(
        DataError, match="rows has no text in column 'text', the first is row 1; remove them or fill them"
    ):
        read_texts(Dataset.from_dict({"text": ["a", None]}), "text")
    pairs = Dataset.from_dict({"pair": [{"ja": "犬"}, {"ja": None}, None]})
    assert read_column(pairs, "pair.ja") == ["犬", None, None]
    with pytest.raises(DataError, match=r"2 of 3 rows have no text in column 'pair\.ja', the first is row 1"):
        read_texts(pairs, "pair.ja")
    with pytest.raises(DataError, match="the data has no rows"):
        read_texts(Dataset.from_dict({"text": ["a"]}).select([]), "text")


def test_a_name_with_a_dot_may_be_a_column_of_its_own():
    data = Dataset.from_dict({"a.b": ["text"]})
    assert read_texts(data, find_column(data, "text", SOURCE, {"text": "a.b"})) == ["text"]


def test_a_column_that_is_not_there_suggests_the_nearest():
    with pytest.raises(DataError, match=r"no column 'translation.eng', only .* Did you mean 'translation.en'"):
        find_column(translations(), "target", TARGET, {"target": "translation.eng"})


def test_one_of_several_columns_must_be_named():
    with pytest.raises(DataError, match=r"several columns of texts \(strings\): translation.de, translation.en; name"):
        find_column(translations(), "source", SOURCE)
    with pytest.raises(DataError, match=r"no column of texts \(strings\); name the one to use with .*'source'"):
        find_column(Dataset.from_dict({"n": [1]}), "source", SOURCE)


def test_a_column_plays_one_role():
    data = Dataset.from_dict({"line": ["a"]})
    with pytest.raises(DataError, match="source and target are the same column 'line'; name two"):
        find_columns(data, {"source": SOURCE, "target": TARGET}, None, task="a task")


def test_a_role_that_the_task_has_not_suggests_the_nearest():
    with pytest.raises(DataError, match=r"a task has no role 'sources', only source and target. Did you mean 'source'"):
        check_roles({"sources": "a"}, ["source", "target"], task="a task")
    with pytest.raises(DataError, match=r"no role 'x', only a, b and c\."):
        check_roles({"x": "a"}, ["a", "b", "c"], task="a task")
    check_roles(None, ["source"], task="a task")


def test_minus_one_is_a_class_where_classes_have_no_names():
    features = Features({"label": ClassLabel(names=["a", "b"]), "n": Value("int64"), "w": List(Value("string"))})
    data = Dataset.from_dict({"label": [0, -1, None], "n": [-1, 4, None], "w": [[], [], []]}, features=features)
    assert numbered_labels(data, "label")[1].tolist() == [0, -100, -100]
    names, numbers = numbered_labels(data, "n")
    assert (names, numbers.tolist()) == (["-1", "4"], [0, 1, -100])
    assert numbered_labels(data, "n", missing=(-1,))[1].tolist() == [-100, 0, -100]
    np.testing.assert_array_equal(class_numbers(data.select([0]), "label", ["b", "a"]), [1])


def test_the_label_column_is_never_the_text():
    labels = Dataset.from_dict({"tokens": [["a", "b"]] * 2, "label": ["good", "bad"]})
    with pytest.raises(DataError, match=r"the data has no column of texts \(strings\)"):
        find_column(labels, "text", Role(TEXT_COLUMN, ("text",)))
    task = TextClassification()
    with pytest.raises(DataError, match="the data has no column of texts"):
        task.columns(labels)
    named = Dataset.from_dict({"tokens": [["a", "b"]] * 2, "mood": ["good", "bad"]})
    with pytest.raises(DataError, match="the data has no column of texts"):
        task.columns(named, {"label": "mood"})
    assert task.columns(named.add_column("line", ["a", "b"]), {"label": "mood"}) == {"text": "line", "label": "mood"}
    with pytest.raises(DataError, match="text and label are the same column 'mood'"):
        task.columns(named, {"label": "mood", "text": "mood"})


def test_texts_that_are_their_own_labels_are_refused():
    same = Dataset.from_dict({"text": ["good", "bad"], "label": ["good", "bad"]})
    with pytest.raises(DataError, match="every text is its own label of column 'label'"):
        refuse_labels_as_texts(same, "label", same["text"])
    numbered = same.cast_column("label", ClassLabel(names=["bad", "good"]))
    with pytest.raises(DataError, match="every text is its own label"):
        refuse_labels_as_texts(numbered, "label", same["text"])
    refuse_labels_as_texts(same, "label", ["good", "not good"])


def test_a_column_that_is_named_for_one_role_is_found_for_no_other():
    data = Dataset.from_dict({"en": ["a dog"], "de": ["ein Hund"]})
    found = find_columns(data, {"source": SOURCE, "target": TARGET}, {"target": "de"}, task="translation")
    assert found == {"source": "en", "target": "de"}


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view"])
def test_every_string_type_of_arrow_is_a_text(kind):
    features = Features({"text": Value(kind), "words": List(Value(kind)), "label": Value(kind)})
    data = Dataset.from_dict({"text": ["a"], "words": [["a"]], "label": ["x"]}, features=features)
    assert TEXT_COLUMN.columns(data) == ["text", "label"]
    assert TEXT_LIST_COLUMN.columns(data) == ["words"]
    assert find_label_column(data) == "label"
