"""Language models without a state learn from windows in which every token is asked for."""

from __future__ import annotations

import pytest
import torch
from tsugiki import create_model
from tsugiki.errors import DataError, OptionError
from tsugiki.tensor_table import TensorTable
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.language_models.language_modelling import token_nats
from tsugiki_seq2seq.language_models.token_windows import CONTEXT, WINDOW, window_table
from tsugiki_seq2seq.language_models.whole_windows import train_on_whole_windows, whole_windows
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

TEXTS = [" ".join(f"w{(7 * number + 3 * place) % 40}" for place in range(90)) for number in range(12)]
SIZES = {"n_embd": 8, "n_layer": 1, "n_head": 2, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 0}


@pytest.fixture(scope="module")
def windows():
    return window_table(TEXTS, learn_tokenizer(TEXTS, kind="word"))


def places_asked(table) -> list[int]:
    """Where in the stream the labels of all rows stand."""
    found = []
    for row in range(len(table)):
        batch = table.batch([row])
        first = int(table.columns["place"][row]) - CONTEXT
        asked = (batch["labels"][0] != -100).nonzero().flatten()
        stream = table.transform.stream
        assert torch.equal(batch["labels"][0, asked], stream[first + asked].long())
        assert torch.equal(batch["labels"][0, asked], batch["input_ids"][0, asked])
        found += (first + asked).tolist()
    return found


def test_every_token_is_asked_for_once_but_the_first_of_a_row(windows):
    whole = whole_windows(windows)
    assert len(whole) == (len(windows) + 1) // 2
    asked = places_asked(whole)
    assert len(asked) == len(set(asked))
    skipped = set(range(1, len(windows.transform.stream))) - set(asked)
    assert skipped == set((whole.columns["place"][whole.columns["whole"]] - CONTEXT).tolist()) - {0}


def test_rows_that_were_held_out_are_not_asked_for(windows):
    kept = [0, 1, 3, 5, 6, 7]
    held = set(range(len(windows))) - set(kept)
    asked = set(places_asked(whole_windows(windows.select(kept))))
    for row in held:
        start = int(windows.columns["place"][row])
        assert not asked & set(range(start, start + WINDOW))


def test_loss_is_the_mean_of_the_tokens_nats(windows):
    torch.manual_seed(0)
    model = create_model("gpt2", "text-generation", vocab_size=60, n_positions=CONTEXT + WINDOW, **SIZES).eval()
    batch = whole_windows(windows).batch([0, 1])
    with torch.inference_mode():
        loss = model(**batch).loss
        nats = token_nats(model, batch["input_ids"])  # (B, L - 1)
    asked = batch["labels"][:, 1:] != -100
    assert float(loss) == pytest.approx(float(nats[asked].mean()), rel=1e-5)


def test_what_cannot_be_learnt_from_is_refused(windows, tmp_path):
    short = create_model("gpt2", "text-generation", vocab_size=60, n_positions=64, **SIZES)
    with pytest.raises(OptionError, match="reads 64 tokens"):
        train_on_whole_windows(short, TrainingJob(windows, tmp_path))
    with pytest.raises(DataError, match="token windows"):
        whole_windows(TensorTable({"place": torch.arange(3)}))
