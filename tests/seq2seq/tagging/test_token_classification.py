from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import transformers
import tsugiki
from datasets import ClassLabel, Dataset, Features, List, Value
from tsugiki.errors import DataError
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.predictions import Predictions
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.tagging.token_classification import TokenClassification, count_row, entities, find_entities
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer
from tsugiki_seq2seq.texts.word_shapes import learn_word_shapes

LABELS = ["O", "B-PER", "I-PER"]
TASK = TokenClassification()
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def tagged(rows: list[tuple[str, str]], names: list[str] | None = LABELS) -> Dataset:
    tag = Value("string") if names is None else ClassLabel(names=names)
    columns = {"tokens": [words.split() for words, _ in rows], "tags": [tags.split() for _, tags in rows]}
    return Dataset.from_dict(columns, features=Features({"tokens": List(Value("string")), "tags": List(tag)}))


def drawn_tags(count: int) -> list[tuple[list[str], list[str]]]:
    draw = random.Random(0)
    return [(draw.choices(TAGS, k=n), draw.choices(TAGS, k=n)) for n in (draw.randrange(1, 12) for _ in range(count))]


def test_entities_and_figures_are_those_of_seqeval():
    seqeval = pytest.importorskip("seqeval.metrics")
    from seqeval.metrics.sequence_labeling import get_entities

    pairs = drawn_tags(300)
    for predicted, _ in pairs:
        assert [(kind, start, end - 1) for kind, start, end in entities(predicted)] == get_entities(predicted)
    counts = np.array([count_row(predicted, right) for predicted, right in pairs], np.float32)
    found = TASK.metrics(Predictions(counts))
    predicted, right = [one for one, _ in pairs], [one for _, one in pairs]
    assert found["f1"].value == pytest.approx(seqeval.f1_score(right, predicted))
    assert found["precision"].value == pytest.approx(seqeval.precision_score(right, predicted))
    assert found["recall"].value == pytest.approx(seqeval.recall_score(right, predicted))
    assert found["accuracy"].value == pytest.approx(seqeval.accuracy_score(right, predicted))


def test_an_entity_counts_only_whole():
    assert count_row(["B-PER", "O", "B-PER"], ["B-PER", "I-PER", "B-PER"]) == [1, 2, 2, 2, 3]
    assert entities(["I-PER", "I-PER", "B-PER", "I-LOC"]) == [("PER", 0, 2), ("PER", 2, 3), ("LOC", 3, 4)]


def test_the_table_pads_tags_with_what_is_not_asked():
    rows = [("said Emma", "O B-PER"), ("Jane Fairfax said no", "B-PER I-PER O O")]
    tokenizer = learn_word_shapes([words.split() for words, _ in rows], min_count=1)
    batch = TASK.table(tagged(rows), tokenizer).batch([0, 1])
    assert batch["labels"].tolist() == [[0, 1, -100, -100], [1, 2, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert tokenizer.convert_ids_to_tokens(batch["input_ids"][1].tolist()) == ["Jane", "Fairfax", "said", "no"]


def test_of_a_word_in_pieces_the_first_has_the_tag():
    tokenizer = learn_tokenizer(["said said Emma"] * 3, kind="bpe", vocab_size=14)
    batch = TASK.table(tagged([("said Emma", "O B-PER")]), tokenizer).batch([0])
    words = tokenizer(["said", "Emma"], is_split_into_words=True).word_ids()
    assert len(words) > 2
    wanted = [-100 if n and words[n - 1] == word else [0, 1][word] for n, word in enumerate(words)]
    assert batch["labels"].tolist() == [wanted]


def test_tags_may_be_strings_and_are_matched_by_name():
    rows = [("said Emma Watson", "O B-PER I-PER")]
    tokenizer = learn_word_shapes([["said"]], min_count=1)
    data = tagged(rows, None)
    assert TASK.label_names(data, TASK.columns(data)) == LABELS
    table = TASK.table(data, tokenizer, label_names=["I-PER", "B-PER", "O"])
    assert table.batch([0])["labels"].tolist() == [[2, 1, 0]]


def test_bad_data_is_refused():
    tokenizer = learn_word_shapes([["said"]], min_count=1)
    with pytest.raises(DataError, match="row 1 has 2 words and 1 tags"):
        TASK.table(tagged([("a", "O"), ("a b", "O")]), tokenizer)
    with pytest.raises(DataError, match="'B-PER' is unknown to the model"):
        TASK.table(tagged([("Emma", "B-PER")]), tokenizer, label_names=["O"])
    with pytest.raises(DataError, match="BIO"):
        TASK.table(tagged([("Emma", "PER")], None), tokenizer)
    with pytest.raises(DataError, match="tokens and tags are the same column"):
        TASK.columns(Dataset.from_dict({"tokens": [["a"]]}))
    with pytest.raises(DataError, match="tokens and tags are the same column"):
        TASK.columns(Dataset.from_dict({"tokens": ["a"], "tags": [["O"]]}))
    with pytest.raises(DataError, match="column 'words' holds string, not lists of texts"):
        TASK.columns(Dataset.from_dict({"words": ["a"], "tags": [["O"]]}), {"tokens": "words"})
    with pytest.raises(DataError, match="column 'n' holds List, not tags; name a column of lists of ClassLabel"):
        TASK.columns(Dataset.from_dict({"tokens": [["a"]], "n": [[1.5]]}), {"tags": "n"})
    with pytest.raises(DataError, match="no rows"):
        TASK.table(tagged([]), tokenizer)


NAMES = ["Emma", "Jane", "Harriet", "Frank", "George", "Isabella", "Augusta", "Robert"]
PLACES = ["Bath", "Highbury", "London", "Surrey", "Richmond", "Weymouth"]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    """A tagger of names by their neighbours, whose own names are all unknown words to it."""
    draw = random.Random(0)
    rows = []
    for _ in range(100):
        name, other, place = draw.choice(NAMES), draw.choice(NAMES), draw.choice(PLACES)
        rows += [
            (f"Mr. {name} {other} went to {place} .", "O B-PER I-PER O O O O"),
            (f"said {name} , in {place} .", "O B-PER O O O O"),
        ]
    data = tagged(rows)
    common = [[word for word in words.split() if word not in NAMES + PLACES] for words, _ in rows]
    tokenizer = learn_word_shapes(common, min_count=1)
    torch.manual_seed(0)
    fields = {**TASK.processor_fields(tokenizer), **TASK.config_fields(LABELS)}
    model = tsugiki.create_model(
        "recurrent", "token-classification", hidden_size=16, bidirectional=True, pooling="last", **fields
    )
    folder = tmp_path_factory.mktemp("tagger")
    arguments = {"num_train_epochs": 4, "per_device_train_batch_size": 20, "learning_rate": 0.02, "save_strategy": "no"}
    table = TASK.table(data, tokenizer)
    fit(model, TrainingJob(table, folder / "run", arguments, validation=table, task=TASK, progress=False))
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return model, tokenizer, folder / "model", table


def test_names_never_seen_are_found_by_their_neighbours(tagger):
    model, tokenizer, _, table = tagger
    assert isinstance(task_named("token-classification"), TokenClassification)
    metrics = TASK.metrics(predict_table(model, table, task=TASK))
    assert metrics["f1"].value == 1
    found = find_entities(model, tokenizer, "Mr. Willoughby Brandon went to Delaford.")
    assert [(one["label"], one["entity"], one["start"], one["end"]) for one in found] == [
        ("Willoughby Brandon", "PER", 4, 22)
    ]
    assert TASK.predict(model, tokenizer, ["said Elinor, in Norland.", ""])[1] == []


@pytest.mark.parametrize("text", ["", "  "])
def test_the_pipeline_refuses_what_is_no_text(tagger, text):
    _, _, folder, _ = tagger
    with pytest.raises(DataError, match="a text with at least one word is needed"):
        tsugiki.pipeline(folder, task="token-classification")(text)


def test_batches_do_not_change_what_is_found(tagger):
    model, _, _, table = tagger
    one = predict_table(model, table, task=TASK, batch_size=1)
    many = predict_table(model, table, task=TASK, batch_size=64)
    np.testing.assert_array_equal(one.outputs, many.outputs)


def test_the_pipeline_of_transformers_works(tagger):
    _, _, folder, _ = tagger
    tsugiki.register()
    text = "said Elinor, in Norland."
    pipe = transformers.pipeline("token-classification", model=str(folder), aggregation_strategy="simple")
    (found,) = pipe(text)
    assert found["entity_group"] == "PER"
    assert text[found["start"] : found["end"]] == "Elinor"
    assert tsugiki.pipeline(folder, aggregation_strategy="simple")(text) == [{**found, "word": "Elinor"}]
    assert [each["word"] for each in tsugiki.pipeline(folder)([text])[0]] == ["Elinor"]


@pytest.mark.parametrize(
    ("words", "tags", "said"),
    [(["Mr.", "Darcy"], ["O", None], "row 1 has no tag at place 1"), (["Mr.", None], ["O", "O"], "no word at place 1")],
)
def test_a_missing_tag_or_word_is_named(words, tags, said):
    rows = Dataset.from_dict({"tokens": [["said", "Elinor"], words], "tags": [["O", "B-PER"], tags]})
    with pytest.raises(DataError, match=said):
        TASK.table(rows, None)
