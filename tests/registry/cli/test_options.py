"""Options that are fields of another class."""

import pytest
from tsugiki.cli.errors import UsageError
from tsugiki.cli.options import parse_columns, parse_fields, parse_value, refuse_options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("-1", -1),
        ("true", True),
        ("False", False),
        ("none", None),
        ("cosine", "cosine"),
        ('{"min_lr": 0.1}', {"min_lr": 0.1}),
        ("[1, 2]", [1, 2]),
        ("", ""),
    ],
)
def test_a_word_means_its_number_truth_or_text(text, value):
    assert parse_value(text) == value


def test_fields_are_read_with_values_equals_signs_and_as_flags():
    words = ["--learning-rate", "0.1", "--lr_scheduler_type=cosine", "--bf16", "--seed", "-1"]
    expected = {"learning_rate": 0.1, "lr_scheduler_type": "cosine", "bf16": True, "seed": -1}
    assert parse_fields(words) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stray"], "unexpected argument 'stray'"),
        (["-x", "3"], "unexpected argument '-x'"),
        (["--seed", "1", "--seed", "2"], "--seed is given twice"),
    ],
)
def test_words_that_are_no_fields_are_refused(words, said):
    with pytest.raises(UsageError, match=said):
        parse_fields(words)


def test_an_option_in_the_place_of_an_argument_is_refused():
    with pytest.raises(UsageError, match="--bf16 stands where NAME belongs"):
        refuse_options(name="--bf16", data="photos")


def test_columns_are_read_by_role():
    assert parse_columns(None) is None
    assert parse_columns("source=ja, target=en = British") == {"source": "ja", "target": "en = British"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is written ROLE=COLUMN"),
        ("ja", "not 'ja'"),
        ("source=ja,", "is written ROLE=COLUMN"),
        ("source=", "is written ROLE=COLUMN"),
        ("source=ja,source=en", "names source twice"),
    ],
)
def test_words_that_are_no_columns_are_refused(text, said):
    with pytest.raises(UsageError, match=said):
        parse_columns(text)
