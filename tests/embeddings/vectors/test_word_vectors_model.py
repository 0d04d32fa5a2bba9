from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import tsugiki
from transformers import AutoModel
from tsugiki.errors import DataError, OptionError
from tsugiki.text_table import text_table
from tsugiki_embeddings.training.trained_vectors import TrainedVectors
from tsugiki_embeddings.training.word_vector_training import METHODS, set_vectors, train_word_vectors
from tsugiki_embeddings.vectors.word_vectors_model import WordVectorsModel


def small_model(words: int = 6) -> WordVectorsModel:
    model: WordVectorsModel = tsugiki.create_model("word-vectors", "base", vocab_size=words, hidden_size=3)  # type: ignore[assignment]
    matrix = np.arange(3 * words, dtype=np.float32).reshape(words, 3)
    set_vectors(model, matrix, np.arange(words))
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


def one_vector_a_word(
    tokens: np.ndarray, offsets: np.ndarray, *, vocab_size: int, dimension: int, seed: int, progress: bool, title: str,
    output_dir: Path, height: float = 1.0,
) -> TrainedVectors:  # fmt: skip
    """A method that trains nothing."""
    return TrainedVectors(np.full((vocab_size, dimension), height, np.float32), [{"epoch": 1.0, "loss": 0.5}], steps=7)


def test_the_recipe_names_the_method_and_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(METHODS, "flat", f"{__name__}:one_vector_a_word")
    monkeypatch.setattr("tsugiki_embeddings.training.word_vector_training.import_string", lambda _: one_vector_a_word)
    model, corpus = small_model(), text_table([[2, 3, 2], [1, 5]])
    result = train_word_vectors(
        model, corpus, output_dir=tmp_path, arguments={"method": "flat", "height": 2, "seed": 1}
    )
    assert model.embeddings.weight[2:].eq(2).all() and not model.embeddings.weight[:2].any()
    assert model.counts.tolist() == [0, 0, 2, 1, 0, 1]
    assert result.steps == 7 and result.history[0]["loss"] == 0.5
    with pytest.raises(OptionError, match=r"'heigth' is unknown to the method 'flat'.*height"):
        train_word_vectors(model, corpus, output_dir=tmp_path, arguments={"method": "flat", "heigth": 2})
    with pytest.raises(OptionError, match=r"unknown method 'gloves'.*glove"):
        train_word_vectors(model, corpus, output_dir=tmp_path, arguments={"method": "gloves"})
    with pytest.raises(DataError, match="no word of the vocabulary"):
        train_word_vectors(model, text_table([[1, 1]]), output_dir=tmp_path, arguments={"method": "flat"})
