from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
import torch
from datasets import Dataset
from tsugiki.data.load_data import load_split
from tsugiki.errors import DataError, OptionError
from tsugiki.evaluation.evaluate import evaluate, predict_table
from tsugiki.predictions import Predictions
from tsugiki_seq2seq.texts.generating import log_probabilities
from tsugiki_seq2seq.translation.translation import (
    TextTranslation,
    counts_of,
    generate_texts,
)

from ..tiny_translators import PAIRS, REFERENCES, SOURCES, dataset, marian, recurrent, save, tokenizer

WRITTEN = ["he ran home .", "It rains .", "he ran in the rain .", "", "the dog runs , with him , in rain !"]
SCHEMES = ["13a", "none", "char", "intl"]


def metrics(written: list[str], references: list[str], scheme: str = "13a"):
    counts = counts_of(written, references, tokenize=scheme)
    return TextTranslation().metrics(Predictions(counts))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_bleu_and_chrf_are_sacrebleus(scheme):
    measured = metrics(WRITTEN, REFERENCES, scheme)
    bleu = sacrebleu.corpus_bleu(WRITTEN, [REFERENCES], tokenize=scheme, force=True)
    assert measured["bleu"].value == pytest.approx(bleu.score, abs=1e-4)
    assert measured["chrf"].value == pytest.approx(sacrebleu.corpus_chrf(WRITTEN, [REFERENCES]).score, abs=1e-4)
    assert measured["exact_match"].value == 1 / 5
    for metric in measured.values():
        assert metric.low <= metric.value <= metric.high and metric.n == 5


def test_a_row_has_its_own_bleu():
    counts = counts_of(WRITTEN, REFERENCES)
    scores = TextTranslation().row_scores(Predictions(counts, np.empty((5, 0), np.int64)))
    expected = [sacrebleu.sentence_bleu(*pair).score for pair in zip(WRITTEN, [[r] for r in REFERENCES], strict=True)]
    np.testing.assert_allclose(scores * 100, expected, atol=1e-4)


def test_perfect_and_empty_outputs_have_the_figures_they_must():
    assert {name: metric.value for name, metric in metrics(REFERENCES, REFERENCES).items()} == {
        "bleu": pytest.approx(100),
        "chrf": pytest.approx(100),
        "exact_match": 1,
    }
    assert {metric.value for metric in metrics([""] * 5, REFERENCES).values()} == {0}


def test_outputs_and_references_must_be_as_many():
    with pytest.raises(ValueError, match="shorter"):
        counts_of(WRITTEN, REFERENCES[:4])


@pytest.mark.parametrize("make", [recurrent, marian])
@pytest.mark.parametrize("beams", [1, 3])
def test_texts_come_back_in_order_though_searched_by_length(make, beams):
    model, words = make(), tokenizer()
    model.generation_config.num_beams = beams
    pairs = TextTranslation().table(dataset(), words)
    alone = [generate_texts(model, pairs.select([row]), words, batch_size=1)[0] for row in range(len(PAIRS))]
    assert len(set(alone)) > 1
    for batch_size in (1, 2, 8):
        assert generate_texts(model, pairs, words, batch_size=batch_size) == alone
    order = [3, 0, 4]
    assert generate_texts(model, pairs.select(order), words, batch_size=8) == [alone[row] for row in order]


def test_evaluation_scores_what_is_written_with_the_tokenizers_own_scheme(tmp_path):
    folder = save(recurrent(), tmp_path, bleu_tokenize="none")
    measured = evaluate(folder, dataset())
    model, words = recurrent(), tokenizer(bleu_tokenize="none")
    pairs = TextTranslation().table(dataset(), words)
    written = generate_texts(model, pairs, words, batch_size=8)
    assert measured["chrf"].value == pytest.approx(sacrebleu.corpus_chrf(written, [REFERENCES]).score, abs=1e-4)
    assert measured == metrics(written, REFERENCES, "none")
    model.train()
    predict_table(model, pairs, task=TextTranslation())
    assert model.training


@pytest.mark.parametrize("make", [recurrent, marian])
def test_log_probabilities_stop_at_the_first_end(make):
    model = make()
    ids = torch.tensor([[5, 6, 2]])
    written = torch.tensor([[1, 7, 8, 2, 0, 0], [1, 7, 8, 2, 9, 2], [1, 7, 8, 5, 6, 7]])
    with torch.no_grad():
        found = log_probabilities(model, written, input_ids=ids.expand(3, -1))
        logits = model(input_ids=ids, decoder_input_ids=written[2:, :-1]).logits.log_softmax(-1)[0]
        short = model(input_ids=ids, decoder_input_ids=written[:1, :3]).logits.log_softmax(-1)[0]
    expected = short[0, 7] + short[1, 8] + short[2, 2]
    torch.testing.assert_close(found[:2], expected.expand(2), atol=1e-4, rtol=0)
    unended = sum(logits[place, token] for place, token in enumerate([7, 8, 5, 6, 7]))
    torch.testing.assert_close(found[2], unended, atol=1e-4, rtol=0)


def test_predictions_are_the_best_of_the_beam_with_their_probabilities():
    model, words = recurrent(), tokenizer()
    (answers,) = TextTranslation().predict(model, words, [SOURCES[0]], top_k=3)
    assert len(answers) == 3
    scores = [answer["score"] for answer in answers]
    assert scores == sorted(scores, reverse=True) and 0 < sum(scores) <= 1
    ids = torch.tensor([[*words(SOURCES[0])["input_ids"], 2]])
    out = model.generate(input_ids=ids, num_beams=3, num_return_sequences=3, do_sample=False)
    assert {answer["label"] for answer in answers} == set(words.batch_decode(out, skip_special_tokens=True))


def test_the_greatest_length_is_the_generation_configs_or_the_tasks():
    model = recurrent()
    model.generation_config.update(max_new_tokens=3, eos_token_id=None)
    words, pairs = tokenizer(), TextTranslation().table(dataset(), tokenizer())
    assert all(len(text.split()) <= 3 for text in generate_texts(model, pairs, words, batch_size=8))


def test_a_sentence_far_longer_than_any_in_training_is_translated():
    model, words = recurrent(), tokenizer()
    (answers,) = TextTranslation().predict(model, words, ["犬 " * 700], top_k=1)
    assert isinstance(answers[0]["label"], str)


def test_unknown_characters_are_read_as_the_unknown_token():
    model, words = recurrent(), tokenizer()
    first, second = TextTranslation().predict(model, words, ["犬 ξ 。", "犬 <unk> 。"], top_k=1)
    assert first == second


def test_an_empty_sentence_is_named_and_the_others_are_translated():
    first, *others = TextTranslation().predict(recurrent(), tokenizer(), [" ", SOURCES[0], SOURCES[1]], top_k=1)
    assert first == [{"error": "a text with at least one word is needed, not ' '"}]
    assert others == TextTranslation().predict(recurrent(), tokenizer(), SOURCES[:2], top_k=1)


def test_rows_without_a_source_or_a_target_are_refused():
    rows = Dataset.from_dict({"source": ["犬", "雨"], "target": ["a dog", " "]})
    with pytest.raises(DataError, match="1 of 2 rows has no target in column 'target', the first is row 1"):
        TextTranslation().table(rows, tokenizer())
    rows = Dataset.from_dict({"source": ["", None], "target": ["a dog", "rain"]})
    with pytest.raises(DataError, match="rows have no source in column 'source', the first is row 0"):
        TextTranslation().table(rows, tokenizer())


def test_a_text_longer_than_the_positions_of_a_model_is_refused():
    model, words = marian(max_position_embeddings=16), tokenizer()
    good, bad, last = TextTranslation().predict(model, words, ["犬", "犬 " * 20, "犬"], top_k=1)
    assert bad == [{"error": "the text has 21 tokens with its ends, and the model reads 16 at most"}]
    assert good == last and "label" in good[0]
    rows = Dataset.from_dict({"source": ["犬", "犬 " * 20], "target": ["a dog", "dogs"]})
    table = TextTranslation().table(rows, words)
    with pytest.raises(DataError, match="row 2 has 21 tokens"):
        TextTranslation().predictions(model, table, batch_size=2)


def test_top_k_below_one_is_refused():
    with pytest.raises(OptionError, match="top_k must be at least 1, not 0"):
        TextTranslation().predict(recurrent(), tokenizer(), ["犬"], top_k=0)


def test_a_target_without_an_end_token_gets_one():
    batch = TextTranslation().table(dataset(), tokenizer()).batch([0, 3])
    ends = (batch["labels"] == 2).sum(1)
    assert ends.tolist() == [1, 1]
    assert batch["labels"][0, -1] == 2


def test_mismatched_columns_are_refused(tmp_path):
    """Two files of sentences that differ in their number of lines make no data set at all."""
    with pytest.raises(Exception, match=r"expected length 2 but got length 1|same length|Column"):
        Dataset.from_dict({"source": ["a", "b"], "target": ["c"]})
    (tmp_path / "pairs.csv").write_text("source,target\na,b\nc\n", encoding="utf-8")
    data = load_split(str(tmp_path / "pairs.csv"), None)
    with pytest.raises(DataError, match="1 of 2 rows has no target"):
        TextTranslation().table(data, tokenizer())


def test_columns_that_cannot_be_told_apart_are_refused():
    task = TextTranslation()
    with pytest.raises(DataError, match="source and target are the same column"):
        task.columns(Dataset.from_dict({"text": ["a"]}))
    with pytest.raises(DataError, match="several columns of texts"):
        task.columns(Dataset.from_dict({"a": ["a"], "b": ["b"]}))
    with pytest.raises(DataError, match="no rows"):
        task.table(Dataset.from_dict({"source": ["a"], "target": ["b"]}).select([]), tokenizer())


def test_config_fields_follow_from_the_tokenizer():
    words = tokenizer()
    assert TextTranslation().processor_fields(words) == {
        "vocab_size": len(words),
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
