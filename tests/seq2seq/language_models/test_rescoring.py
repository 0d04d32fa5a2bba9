from __future__ import annotations

import json
import math

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel
from tsugiki.cli.dispatch import main
from tsugiki.errors import OptionError
from tsugiki_seq2seq.language_models.rescoring import score_texts
from tsugiki_seq2seq.recurrent.recurrent import (
    RecurrentConfig,
    RecurrentForCausalLM,
    RecurrentForSequenceClassification,
)
from tsugiki_seq2seq.texts.special_tokens import END
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

TEXTS = ["the apple and pear salad", "the apple and pair salad", "a pair"]


@pytest.fixture(scope="module")
def tokenizer():
    return learn_tokenizer([*TEXTS, "a salad and a pear"], kind="word", vocab_size=50)


@pytest.fixture
def model(tokenizer) -> RecurrentForCausalLM:
    torch.manual_seed(0)
    config = RecurrentConfig(vocab_size=len(tokenizer), hidden_size=8, eos_token_id=END)
    return RecurrentForCausalLM(config).eval()


@pytest.fixture
def snapshot(tmp_path, model, tokenizer):
    folder = tmp_path / "tiny-lm"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_log_probability_is_that_of_a_hand_computation(model, tokenizer):
    for with_end in (True, False):
        for score in score_texts(model, tokenizer, TEXTS, with_end=with_end):
            ids = [END, *tokenizer.convert_tokens_to_ids(score.text.split()), *([END] if with_end else [])]
            with torch.no_grad():
                chances = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
            expected = sum(float(chances[place - 1, ids[place]]) for place in range(1, len(ids)))
            assert score.log_probability == pytest.approx(expected, rel=1e-5)
            assert score.tokens == len(ids) - 1
            assert score.perplexity == pytest.approx(2.718281828459045 ** (-expected / score.tokens), rel=1e-4)


def test_all_texts_of_one_length_sum_to_one(model, tokenizer):
    """With two words of a vocabulary of V, V squared texts: their chances without the end are those of all."""
    ids = torch.cartesian_prod(*[torch.arange(len(tokenizer))] * 2)
    with torch.no_grad():
        chances = model(torch.cat([torch.full((len(ids), 1), END), ids], 1)).logits.log_softmax(-1)
    total = chances[:, 0].gather(1, ids[:, :1]) + chances[:, 1].gather(1, ids[:, 1:])
    assert total.exp().sum().item() == pytest.approx(1, rel=1e-4)
    scored = score_texts(model, tokenizer, ["a pair"], with_end=False)[0]
    number = tokenizer.convert_tokens_to_ids(["a", "pair"])
    row = (ids == torch.tensor(number)).all(1).nonzero().item()
    assert scored.log_probability == pytest.approx(total[row].item(), rel=1e-5)


def test_other_texts_beside_one_change_nothing(model, tokenizer):
    together = score_texts(model, tokenizer, TEXTS)
    for text, score in zip(TEXTS, together, strict=True):
        alone = score_texts(model, tokenizer, [text])[0]
        assert score.log_probability == pytest.approx(alone.log_probability, rel=1e-5)
    batched = score_texts(model, tokenizer, TEXTS, batch_size=1)
    assert [one.rank for one in batched] == [one.rank for one in together]


def test_ranks_go_by_log_probability(model, tokenizer):
    scores = score_texts(model, tokenizer, TEXTS)
    best = sorted(scores, key=lambda one: one.rank)
    assert [one.rank for one in best] == [1, 2, 3]
    assert best == sorted(scores, key=lambda one: -one.log_probability)


def test_unknown_words_are_counted(model, tokenizer):
    known, unknown = score_texts(model, tokenizer, ["the pear", "the zebra salad zebra"])
    assert (known.unknown, unknown.unknown) == (0, 2)


def test_a_model_that_was_taught_pears_picks_the_pear(model, tokenizer):
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    ids = torch.tensor([[END, *tokenizer(TEXTS[0])["input_ids"], END]])
    model.train()
    for _ in range(30):
        optimizer.zero_grad()
        model(ids, labels=ids).loss.backward()
        optimizer.step()
    scores = score_texts(model.eval(), tokenizer, TEXTS[:2])
    assert [one.rank for one in scores] == [1, 2]


def test_any_causal_model_scores(tokenizer):
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=8, n_embd=8, n_layer=1, n_head=2, bos_token_id=END, eos_token_id=END
    )
    model = GPT2LMHeadModel(config).eval()
    together = score_texts(model, tokenizer, TEXTS)
    alone = [score_texts(model, tokenizer, [text])[0] for text in TEXTS]
    assert [one.log_probability for one in together] == pytest.approx([one.log_probability for one in alone], rel=1e-5)
    found = score_texts(model, tokenizer, ["a", "a a a a a a a a"])
    assert [one.error for one in found] == [None, "the text has 10 tokens with its ends, and the model reads 8 at most"]


def test_a_text_without_a_score_is_named_and_the_others_are_scored(model, tokenizer):
    given = ["", TEXTS[0], " \u00a0", None, *TEXTS[1:]]
    found = score_texts(model, tokenizer, given)
    assert [bool(one.error) for one in found] == [True, False, True, True, False, False]
    assert "is empty" in found[0].error and "not None" in found[3].error
    assert math.isnan(found[0].perplexity)
    assert [one for one in found if not one.error] == score_texts(model, tokenizer, TEXTS)
    assert all(one.error for one in score_texts(model, tokenizer, ["", ""]))


def test_no_text_at_all_is_refused(model, tokenizer):
    with pytest.raises(OptionError, match="at least one"):
        score_texts(model, tokenizer, [])


def test_command_prints_json(snapshot, capsys, model, tokenizer):
    assert main(["score", str(snapshot), *TEXTS, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    expected = score_texts(model, tokenizer, TEXTS)
    assert [one["text"] for one in printed] == TEXTS
    assert [one["rank"] for one in printed] == [one.rank for one in expected]
    assert [one["log_probability"] for one in printed] == pytest.approx([one.log_probability for one in expected])
    assert [one["perplexity"] for one in printed] == pytest.approx([one.perplexity for one in expected])


def test_command_prints_the_likeliest_first(snapshot, capsys, model, tokenizer):
    assert main(["score", str(snapshot), *TEXTS]) == 0
    lines = capsys.readouterr().out.splitlines()
    best = min(score_texts(model, tokenizer, TEXTS), key=lambda one: one.rank)
    assert lines[0].split() == ["rank", "ln", "P", "perplexity", "tokens", "unknown", "text"]
    assert lines[2].endswith(best.text)


def test_command_warns_of_unknown_words_and_cuts_long_texts(snapshot, capsys):
    assert main(["score", str(snapshot), "zebra", "the pear " * 200]) == 0
    printed = capsys.readouterr()
    assert "count as <unk>" in printed.err
    assert max(map(len, printed.out.splitlines())) < 300 and "the pear …" in printed.out
    assert main(["score", str(snapshot), TEXTS[0]]) == 0
    assert "<unk>" not in capsys.readouterr().err


def test_command_errors_are_one_line(snapshot, tmp_path, capsys, tokenizer):
    classifier = tmp_path / "classifier"
    RecurrentForSequenceClassification(RecurrentConfig(vocab_size=len(tokenizer), hidden_size=4)).save_pretrained(
        classifier
    )
    capsys.readouterr()
    for command, message in (
        (["score", str(snapshot), " "], "tsugiki: the input is empty; name a file, a folder, or give a text"),
        (["score", str(snapshot), "nowhere.txt"], "tsugiki: no such file or folder: nowhere.txt"),
        (["score", str(classifier), "a pear"], "is no language model: its task is text-classification"),
    ):
        assert main(command) == 1
        printed = capsys.readouterr()
        assert message in printed.err
        assert printed.err.count("\n") == 1
        assert printed.out == ""


def test_command_scores_lines_of_files_and_columns_of_tables(snapshot, tmp_path, capsys, model, tokenizer):
    (tmp_path / "lines.txt").write_text(f"{TEXTS[0]}\n\n\u00a0x\n")
    rows = [{"number": number, "reading": text} for number, text in enumerate([TEXTS[1], "", TEXTS[2]])]
    (tmp_path / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = [str(tmp_path / "lines.txt"), str(tmp_path / "table.jsonl")]
    assert main(["score", str(snapshot), *names, "the pear", "--columns", "text=reading", "--json"]) == 1
    printed = capsys.readouterr()
    scores = json.loads(printed.out)
    place = f"{names[1]}:2"
    assert [one["text"] for one in scores] == [TEXTS[0], "\u00a0x", TEXTS[1], place, TEXTS[2], "the pear"]
    assert printed.err == f"tsugiki: {place}: the row is empty\n" and scores[3]["error"] == f"{place}: the row is empty"
    good = [one for one in scores if "error" not in one]
    expected = score_texts(model, tokenizer, [one["text"] for one in good])
    assert [one["log_probability"] for one in good] == pytest.approx([one.log_probability for one in expected])
    assert [one["rank"] for one in good] == [one.rank for one in expected]


def test_command_names_a_text_without_a_score(snapshot, capsys):
    assert main(["score", str(snapshot), TEXTS[0], " ", TEXTS[1], "--json"]) == 1
    printed = capsys.readouterr()
    first, empty, last = json.loads(printed.out)
    assert {first["rank"], last["rank"]} == {1, 2}
    assert empty == {"text": " ", "error": "input 2 is empty"}
    assert printed.err == "tsugiki: input 2 is empty\n"
    assert main(["score", str(snapshot), TEXTS[0], " "]) == 1
    assert TEXTS[0] in capsys.readouterr().out
