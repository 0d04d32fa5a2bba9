from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import tsugiki
from transformers import AutoModel
from tsugiki.errors import DataError, OptionError
from tsugiki.testing import check_family
from tsugiki.text_table import text_table
from tsugiki.training.job import FitResult, TrainingJob
from tsugiki.training.options import TrainerOptions
from tsugiki_embeddings.training.word_vector_training import METHODS, train_word_vectors
from tsugiki_embeddings.vectors.word_vectors_model import WordVectorsModel
from tsugiki_embeddings.words.word_counts import word_counts


def small_model(words: int = 6) -> WordVectorsModel:
    model: WordVectorsModel = tsugiki.create_model("word-vectors", "base", vocab_size=words, hidden_size=3)  # type: ignore[assignment]
    matrix = np.arange(3 * words, dtype=np.float32).reshape(words, 3)
    model.set_vectors(matrix, np.arange(words))
    return model.eval()


def test_a_text_is_the_mean_of_its_known_words() -> None:
    model = small_model()
    output = model(torch.tensor([[2, 1, 4], [3, 0, 0], [1, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0], [1, 0, 0]]))
    rows = model.embeddings.weight.detach()
    assert torch.equal(output.last_hidden_state[0, 2], rows[4])
    assert torch.allclose(output.pooler_output, torch.stack([(rows[2] + rows[4]) / 2, rows[3], torch.zeros(3)]))


def test_padding_and_unknown_words_have_no_vector() -> None:
    model = small_model()
    assert not model.embeddings.weight[:2].any()
    assert not tsugiki.create_model("word-vectors", "base").embeddings.weight[:2].any()


def test_counts_travel_with_the_snapshot_and_transformers_loads_it(tmp_path: Path) -> None:
    model = small_model()
    model.half().save_pretrained(tmp_path)
    assert tsugiki.load(tmp_path).counts.tolist() == [0, 1, 2, 3, 4, 5]
    again = AutoModel.from_pretrained(tmp_path)
    assert torch.equal(again.embeddings.weight, model.embeddings.weight)


def test_a_matrix_must_have_room_for_a_word() -> None:
    with pytest.raises(OptionError, match="vocab_size must be more than 2"):
        tsugiki.create_model("word-vectors", "base", vocab_size=2)


@dataclass(frozen=True)
class FlatOptions(TrainerOptions):
    owner: ClassVar[str] = "the method 'flat'"

    height: float = 1.0


def train_flat(model: WordVectorsModel, job: TrainingJob) -> FitResult:
    """A method that trains nothing."""
    height = job.read_options(FlatOptions).height
    model.set_vectors(np.full(model.embeddings.weight.shape, height), np.arange(model.config.vocab_size))
    return FitResult(0.0, [{"epoch": 1.0, "loss": 0.5}], steps=7)


def test_the_recipe_names_the_method_and_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(METHODS, "flat", f"{__name__}:train_flat")
    monkeypatch.setattr("tsugiki_embeddings.training.word_vector_training.import_string", lambda _: train_flat)
    model, corpus = small_model(), text_table([[2, 3, 2], [1, 5]])

    def train(**arguments: Any) -> FitResult:
        return train_word_vectors(model, TrainingJob(corpus, tmp_path, arguments))

    result = train(method="flat", height=2, seed=1)
    assert model.embeddings.weight[2:].eq(2).all() and not model.embeddings.weight[:2].any()
    assert result.steps == 7 and result.history[0]["loss"] == 0.5
    with pytest.raises(OptionError, match=r"'heigth' is unknown to the method 'flat'.*height"):
        train(method="flat", heigth=2)
    with pytest.raises(OptionError, match=r"unknown method 'gloves'.*glove"):
        train(method="gloves")


def test_words_are_counted_without_padding_and_unknown_ones() -> None:
    assert word_counts(np.array([2, 3, 2, 1, 5, 0], np.int32), 6).tolist() == [0, 0, 2, 1, 0, 1]
    with pytest.raises(DataError, match="holds 0 different words of the vocabulary"):
        word_counts(np.array([1, 1], np.int32), 6)


def test_family_passes_the_conformance_checks() -> None:
    check_family("embeddings", "word-vectors", vocab_size=50, hidden_size=6)
