"""Windows of texts that belong to groups, such as authors: none shows, asks for or reads tokens of two."""

from __future__ import annotations

import pytest
import torch
import tsugiki
from datasets import Dataset
from tsugiki.data.splitting import hold_out_at_random
from tsugiki.errors import DataError
from tsugiki.labelled_task import BoundTask
from tsugiki.tensor_table import IGNORED
from tsugiki_seq2seq.language_models.masked_windows import masked_table
from tsugiki_seq2seq.language_models.parallel_streams import ParallelStreams
from tsugiki_seq2seq.language_models.token_windows import window_table
from tsugiki_seq2seq.language_models.whole_windows import whole_windows
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

from ..test_finetuning import CASES, STEPS, write_base

AUTHORS = torch.tensor([2, 0, 2, 1, 0, 2])
TEXTS = [f"w{author} " * (90 + 40 * row) for row, author in enumerate(AUTHORS.tolist())]
TEXTS[4] = ""


@pytest.fixture(scope="module")
def words():
    return learn_tokenizer(TEXTS, kind="word", mask_token=True)


def authors_of(tokens, words) -> set[int]:
    """Which authors' words these are."""
    return {author for author in range(3) if words.convert_tokens_to_ids(f"w{author}") in tokens.unique().tolist()}


def test_rows_show_and_ask_for_one_group_and_every_token_once(words):
    table = window_table(TEXTS, words, AUTHORS)
    batch = table.batch(range(len(table)))
    for row, author in enumerate(table.groups.tolist()):
        assert authors_of(batch["input_ids"][row], words) == {author}
    asked = batch["labels"][batch["labels"] != IGNORED]
    assert asked.tolist() == table.transform.stream[1:].tolist()
    plain = window_table(TEXTS, words).transform.stream
    assert sorted(plain.tolist()) == sorted(table.transform.stream.tolist())


def test_joined_windows_stay_in_their_group(words):
    table = whole_windows(window_table(TEXTS, words, AUTHORS))
    batch = table.batch(range(len(table)))
    assert all(len(authors_of(ids, words)) == 1 for ids in batch["input_ids"])
    assert any(table.columns["whole"].tolist())


def test_masked_windows_stay_in_their_group(words):
    table = masked_table(TEXTS, words, AUTHORS)
    batch = table.batch(range(len(table)))
    for row, author in enumerate(table.groups.tolist()):
        assert authors_of(batch["labels"][row], words) <= {author}
        assert authors_of(table.transform.stream[table.columns["place"][row]][None], words) <= {author}
    lengths = batch["attention_mask"].sum()
    assert int(lengths) == len(table.transform.stream)


def test_a_group_that_is_held_out_is_neither_asked_for_nor_read(words):
    table = window_table(TEXTS, words, AUTHORS)
    stay, held = hold_out_at_random(len(table), 0.3, seed=0, groups=table.groups)
    kept, out = set(table.groups[stay].tolist()), set(table.groups[held].tolist())
    assert kept and out and not kept & out
    streams = ParallelStreams.of(table.select(stay), 2, 8)
    assert authors_of(streams.inputs, words) == authors_of(streams.targets, words) == kept
    asked = int((streams.targets != IGNORED).sum())
    assert asked == int((table.select(stay).batch(range(len(stay)))["labels"] != IGNORED).sum())


def test_a_language_model_learns_from_and_is_chosen_on_other_authors(tmp_path, monkeypatch):
    from tsugiki.transfer import loss_transfer

    base = write_base(CASES["recurrent"], tmp_path / "base")
    text = " ".join(["he ran in the rain ."] * 60)
    data = Dataset.from_dict({"text": [text] * 8, "author": ["ada", "bob", "eva", "kim"] * 2})
    seen, tune = {}, loss_transfer.tune

    def watch(run, name, start, train, validation, *, choice, **named):
        stay, held = choice.hold_out(train, 0.25)
        seen["learnt"], seen["chosen on"] = (set(train.groups[part].tolist()) for part in (stay, held))
        return tune(run, name, start, train, validation, choice=choice, **named)

    monkeypatch.setattr(loss_transfer, "tune", watch)
    options = {**STEPS, "columns": {"group": "author"}}
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth="head", **options)
    assert "of whole author held out" in str(result.report)
    assert seen["learnt"] and seen["chosen on"] and not seen["learnt"] & seen["chosen on"]
    assert tsugiki.verify(result.path, data).ok


def test_rows_that_cannot_be_kept_apart_are_refused():
    class Joins:
        """A task that makes one row of all texts, and does not say whose it is."""

        name = "joins"

        def table(self, dataset, processor, columns):
            return window_table(["one"], learn_tokenizer(["one"], kind="word"))

        def grouped_rows(self, *given):
            return None

    data = Dataset.from_dict({"text": ["one", "two"]})
    with pytest.raises(DataError, match="no group stays whole"):
        BoundTask(Joins()).grouped_table(data, None, {}, torch.tensor([0, 1]))


def test_a_language_model_has_figures_of_each_author(tmp_path):
    base = write_base(CASES["recurrent"], tmp_path / "base")
    texts = ["he ran in the rain .", "she sat .", "a cat sat in the rain ."]
    data = Dataset.from_dict({"text": texts, "author": ["ada", "bob", "ada"]})
    found = tsugiki.evaluate(base, data, columns={"group": "author"})
    for author, rows in (("ada", [0, 2]), ("bob", [1])):
        assert found.groups[author]["perplexity"].value == pytest.approx(
            tsugiki.evaluate(base, data.select(rows))["perplexity"].value, rel=1e-6
        )
    assert found["perplexity"].n == sum(one["perplexity"].n for one in found.groups.values())
