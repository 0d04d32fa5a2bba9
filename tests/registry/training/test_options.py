"""Options of trainers: their ranges, and how they are read from the arguments of a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tsugiki.errors import OptionError
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import TrainingJob
from tsugiki.training.options import TrainerOptions, number, one_of, whole


@dataclass(frozen=True)
class Options(TrainerOptions):
    rounds: int = whole(3, least=1)
    limit: int | None = whole(None, least=0)
    share: float = number(0.5, least=0, below=1)
    rate: float | None = number(None, above=0)
    rule: str = one_of("hebb", ("hebb", "oja"))
    note: str = ""


def job(**arguments: object) -> TrainingJob:
    return TrainingJob(TensorTable({"labels": torch.zeros(2)}), Path("run"), arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rounds": 0}, "rounds must be a whole number of at least 1, not 0"),
        ({"rounds": 1.0}, "rounds must be a whole number of at least 1, not 1.0"),
        ({"rounds": True}, "rounds must be a whole number of at least 1, not True"),
        ({"rounds": None}, "rounds must be a whole number of at least 1, not None"),
        ({"limit": -1}, "limit must be a whole number of at least 0, not -1"),
        ({"share": 1}, "share must be a number of at least 0 and below 1, not 1"),
        ({"share": float("nan")}, "share must be a number of at least 0 and below 1, not nan"),
        ({"share": "1e-4"}, "share must be a number of at least 0 and below 1, not '1e-4'"),
        ({"rate": 0}, "rate must be a number above 0, not 0"),
        ({"rule": "ojo"}, "rule must be one of hebb, oja, not 'ojo'"),
    ],
)
def test_values_out_of_range_are_one_sentence(arguments, message):
    with pytest.raises(OptionError, match=f"^{message}$"):
        job(**arguments).read_options(Options)


def test_values_in_range_are_taken_and_the_rest_is_by_default():
    read = job(rounds=1, share=0, rate=1, rule="oja", seed=3, save_strategy="epoch").read_options(Options)
    assert read == Options(rounds=1, share=0, rate=1, rule="oja")
    assert (read.limit, read.note) == (None, "")


def test_unknown_options_name_their_owner_and_the_nearest():
    with pytest.raises(OptionError, match=r"'round' is unknown to this family.*its options: rounds, limit.*'rounds'"):
        job(round=3).read_options(Options)
    with pytest.raises(OptionError, match="its options: none"):
        job(round=3).read_options(TrainerOptions)


def test_what_is_not_its_own_is_left_for_another_trainer():
    own, rest = job(rounds=2, learning_rate=0.1).split_options(Options)
    assert own == Options(rounds=2)
    assert dict(rest.arguments) == {"learning_rate": 0.1}
