from __future__ import annotations

import json
import math

import pytest
import sacrebleu
import torch
from tsugiki.cli.dispatch import main
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import evaluate
from tsugiki_seq2seq.translation.open_translators import encode_texts
from tsugiki_seq2seq.translation.search_error_task import SearchErrorShares, token_rows
from tsugiki_seq2seq.translation.search_errors import (
    JudgedRow,
    Written,
    analyse_search,
    forced,
    searched,
)

from ..tiny_translators import PAIRS, REFERENCES, SOURCES, dataset, marian, recurrent, save, t5, tokenizer
from . import garden_path


def analyse(sources, references, **options):
    return analyse_search(garden_path.GardenPath(), garden_path.tokenizer(), sources, references, **options)


def test_a_planted_search_error_and_a_planted_model_error_are_told_apart():
    """Greedy is led astray in the garden, where the reference is the most probable text of all; the sure model is wrong
    because it holds the reference less probable than what it writes."""
    sources, references = ["garden", "sure", "sure"], ["old man", "a cat", "the dog"]
    found = analyse(sources, references, num_beams=1, wider=2)
    assert [row.verdict() for row in found.rows] == ["search", "model", "right"]
    assert [row.written.text for row in found.rows] == ["the dog", "the dog", "the dog"]
    given = [0.4 * 0.55 * 0.95, 0.1 * 0.5 * 0.9, 0.9**3]
    assert [row.reference.log_probability for row in found.rows] == pytest.approx([math.log(p) for p in given])
    written = [0.6 * 0.3 * 0.9, 0.9**3, 0.9**3]
    assert [row.written.log_probability for row in found.rows] == pytest.approx([math.log(p) for p in written])
    assert (found.share("search").value, found.share("model").value, found.share("search").n) == (0.5, 0.5, 2)


def test_a_wider_beam_mends_the_search_error_and_not_the_model_error():
    found = analyse(["garden", "sure"], ["old man", "a cat"], num_beams=1, wider=2)
    assert [row.wider.text for row in found.rows] == ["old man", "the dog"]
    assert (found.mended().value, found.figures()["mended_exactly"], found.overlooked().value) == (1.0, 1, 0.5)


def test_bleu_is_sacrebleus_at_both_beams():
    model, words = recurrent(), tokenizer(bleu_tokenize="none")
    found = analyse_search(model, words, SOURCES, REFERENCES, num_beams=2, wider=4)
    for metric, texts in (
        (found.bleu, [row.written.text for row in found.rows]),
        (found.wider_bleu, [row.wider.text for row in found.rows]),
    ):
        expected = sacrebleu.corpus_bleu(texts, [REFERENCES], tokenize="none", force=True)
        assert metric.value == pytest.approx(expected.score, abs=1e-4)


def test_a_text_as_probable_as_the_reference_mends_without_being_right():
    found = analyse(["garden"], ["old cat"], num_beams=1, wider=2)
    assert found.rows[0].verdict() == "search"
    assert (found.rows[0].wider.text, found.mended().value, found.figures()["mended_exactly"]) == ("old man", 1.0, 0)


def test_a_beam_that_finds_the_best_text_makes_no_search_error():
    found = analyse(["garden", "sure"], ["old man", "a cat"], num_beams=2, wider=0)
    assert [row.verdict() for row in found.rows] == ["right", "model"]
    assert found.wider_bleu is None and "mended_share" not in found.figures()


def test_an_output_without_an_end_is_counted_and_judged_by_what_there_is():
    model = garden_path.GardenPath({"garden": {text: {"the": 1.0} for text in ["", "the", "the the"]}})
    model.generation_config.max_new_tokens = 2
    found = analyse_search(model, garden_path.tokenizer(), ["garden"], ["old man"], num_beams=1, wider=0)
    assert (found.rows[0].written.text, found.rows[0].written.length) == ("the the", 2)
    assert not found.rows[0].written.ended and found.figures()["cut_off"] == 1


def test_length_normalisation_may_turn_a_verdict():
    row = JudgedRow("x", Written("one two three four five", -3.0, 6), Written("one", -2.0, 2))
    assert (row.verdict(), row.verdict(1.0)) == ("model", "search")


def test_rounding_is_no_search_error():
    assert JudgedRow("x", Written("a", -1.0, 2), Written("b", -1.00005, 2)).verdict() == "model"


@pytest.mark.parametrize("make", [recurrent, marian])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_scores_are_those_that_the_beam_search_ranks_by(make, penalty):
    model, words = make(), tokenizer()
    model.generation_config.length_penalty = penalty
    encoded = encode_texts(words, SOURCES)
    found = searched(model, words, encoded, 3)
    for ids, written in zip(encoded, found, strict=True):
        options = {"num_beams": 3, "do_sample": False, "return_dict_in_generate": True, "output_scores": True}
        out = model.generate(input_ids=torch.tensor([ids]), **options)
        assert written.score(penalty) == pytest.approx(float(out.sequences_scores[0]), abs=1e-4)


@pytest.mark.parametrize("make", [recurrent, marian, t5])
def test_log_probability_of_a_reference_is_its_summed_loss(make):
    model, words = make(), tokenizer()
    sources, targets = encode_texts(words, SOURCES), encode_texts(words, REFERENCES, targets=True)
    found = forced(model, words, sources, targets, batch_size=2)
    for source, target, written in zip(sources, targets, found, strict=True):
        labels = torch.tensor([target])
        loss = model(input_ids=torch.tensor([source]), labels=labels).loss.item()
        assert written.log_probability == pytest.approx(-loss * len(target), rel=1e-4, abs=1e-4)
        assert written.length == len(target) and written.ended


def test_batches_change_nothing():
    model, words = recurrent(), tokenizer()
    one = analyse_search(model, words, SOURCES, REFERENCES, num_beams=2, wider=4, batch_size=1)
    all_at_once = analyse_search(model, words, SOURCES, REFERENCES, num_beams=2, wider=4, batch_size=8)
    for first, second in zip(one.rows, all_at_once.rows, strict=True):
        assert (first.source, first.written.text, first.wider.text) == (
            second.source,
            second.written.text,
            second.wider.text,
        )
        assert first.written.log_probability == pytest.approx(second.written.log_probability, abs=1e-4)


def test_the_task_finds_the_shares_of_the_analysis(tmp_path):
    model, words = recurrent(seed=3), tokenizer()
    model.generation_config.num_beams = 1
    found = analyse_search(model, words, SOURCES, REFERENCES, wider=0)
    task = SearchErrorShares()
    table = task.table(dataset(), words)
    sources, targets = token_rows(table)
    assert sources == encode_texts(words, SOURCES) and targets == encode_texts(words, REFERENCES)
    measured = evaluate(model, dataset(), task="search-errors", processor=words)
    assert measured == {
        "search_error_share": found.share("search"),
        "model_error_share": found.share("model"),
    }
    first, again = (task.predictions(model, table, batch_size=2) for _ in range(2))
    assert (first.outputs == again.outputs).all()
    assert int(task.correct(first).sum()) == len(PAIRS) - len(found.of_kind("search"))
    picked = task.predictions(model, table.select([4, 1]), batch_size=8)
    assert (picked.outputs == first.outputs[[4, 1]]).all()


@pytest.mark.parametrize("make", [recurrent, marian, t5])
def test_the_command_works_with_models_from_anywhere(tmp_path, capsys, make):
    folder = save(make(), tmp_path / "model", bleu_tokenize="none")
    lines = [{"ja": source, "en": target} for source, target in PAIRS]
    (tmp_path / "pairs.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    words = ["search-errors", str(folder), str(tmp_path / "pairs.jsonl"), "--columns", "source=ja,target=en"]
    assert main([*words, "--beam", "1", "--wider", "3", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    figures = printed["figures"]
    assert figures["outputs"] == 5 and figures["search_errors"] + figures["model_errors"] == figures["wrong"]
    assert (printed["num_beams"], printed["wider"]) == (1, 3)
    assert main([*words, "--wider", "0", "--rows", "2"]) == 0
    text = capsys.readouterr().out
    assert "on 2 rows of" in text and "model error" in text and "greedy search" in text


def test_words_that_are_no_columns_are_refused(tmp_path, capsys):
    folder = save(recurrent(), tmp_path / "model")
    assert main(["search-errors", str(folder), "x", "--columns", "ja,target=en"]) != 0
    assert "such as source=ja,target=en, not 'ja,target=en'" in capsys.readouterr().err
    assert main(["search-errors", str(folder)]) != 0
    assert "name DATA" in capsys.readouterr().err


def test_a_model_that_is_no_encoder_decoder_is_refused():
    from tsugiki_seq2seq.recurrent.recurrent import RecurrentConfig, RecurrentForCausalLM

    model = RecurrentForCausalLM(RecurrentConfig(vocab_size=9, hidden_size=4))
    with pytest.raises(OptionError, match="RecurrentForCausalLM, no encoder-decoder"):
        analyse_search(model, tokenizer(), ["犬 。"], ["a dog ."])


@pytest.mark.parametrize(
    ("sources", "references", "message"),
    [
        (["犬 。"], [], "1 sources and 0 references"),
        ([], [], "no rows"),
        (["犬 。", " "], ["a", "b"], "source of row 1 is empty"),
        (["犬 。"], [""], "reference of row 0 is empty"),
    ],
)
def test_texts_that_are_no_pairs_are_refused(sources, references, message):
    with pytest.raises(DataError, match=message):
        analyse_search(recurrent(), tokenizer(), sources, references)


@pytest.mark.parametrize("options", [{"num_beams": 0}, {"num_beams": 4, "wider": 4}])
def test_beams_out_of_range_are_refused(options):
    with pytest.raises(OptionError, match="num_beams must be at least 1"):
        analyse_search(recurrent(), tokenizer(), SOURCES, REFERENCES, **options)
