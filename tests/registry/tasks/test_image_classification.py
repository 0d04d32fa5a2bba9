from __future__ import annotations

import io

import datasets
import numpy as np
import PIL.Image
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, Value
from tsugiki.errors import DataError, OptionError
from tsugiki.predictions import Predictions
from tsugiki.tasks.image_classification import ImageClassification
from tsugiki_toy.pictures import PlainConfig, PlainForImageClassification
from tsugiki_toy.processing import ToyColorProcessor, ToyGrayProcessor

TASK = ImageClassification()
PROCESSOR = ToyGrayProcessor(size={"height": 8, "width": 8}, image_mean=[0.3], image_std=[0.2])


def picture(shade: int) -> PIL.Image.Image:
    return PIL.Image.new("L", (8, 8), shade)


def shades(labels, feature=None, image_feature=None, **columns) -> Dataset:
    """A set whose row k is a plain picture of shade 10 k."""
    features = Features({"image": image_feature or Image(), "label": feature or ClassLabel(names=["cat", "dog"])})
    for name in columns:
        features[name] = Value("string")
    rows = {"image": [picture(10 * row) for row in range(len(labels))], "label": labels, **columns}
    return Dataset.from_dict(rows, features=features)


def test_finds_columns_by_their_types():
    data = shades([0, 1]).rename_columns({"image": "photo", "label": "animal"})
    assert TASK.columns(data) == {"image": "photo", "label": "animal"}


@pytest.mark.parametrize("name", ["label", "labels", "class", "target"])
@pytest.mark.parametrize("feature", [Value("string"), Value("int64")], ids=["strings", "integers"])
def test_finds_labels_that_are_no_class_label_by_their_name(name, feature):
    data = shades(["1", "2"] if feature.dtype == "string" else [1, 2], feature).rename_columns(
        {"label": name, "image": "x"}
    )
    assert TASK.columns(data) == {"image": "x", "label": name}


def test_takes_columns_that_the_user_names():
    data = shades([0, 1], kind=["tabby", "poodle"])
    assert TASK.columns(data, {"label": "kind"}) == {"image": "image", "label": "kind"}


def test_several_label_columns_ask_for_a_choice():
    data = shades([0, 1]).add_column("coarse", [0, 1]).cast_column("coarse", ClassLabel(names=["pet", "wild"]))
    with pytest.raises(DataError, match=r"several columns of classes .*: label, coarse; name the one to use with col"):
        TASK.columns(data)
    assert TASK.columns(data, {"label": "coarse"})["label"] == "coarse"


def test_data_without_pictures_says_what_it_has():
    with pytest.raises(DataError, match=r"no column of pictures .* out of text, label"):
        TASK.columns(Dataset.from_dict({"text": ["a"], "label": [0]}))


def test_data_without_labels_says_what_it_has():
    with pytest.raises(DataError, match=r"no column of classes .* out of image"):
        TASK.columns(shades([0, 1]).remove_columns("label"))


def test_unknown_column_suggests_the_nearest():
    with pytest.raises(DataError, match=r"no column 'lable', only image, label\. Did you mean 'label'"):
        TASK.columns(shades([0, 1]), {"label": "lable"})


def test_unknown_role_suggests_the_nearest():
    with pytest.raises(DataError, match=r"no role 'labels', only image and label\. Did you mean 'label'"):
        TASK.columns(shades([0, 1]), {"labels": "label"})


def test_label_column_of_the_wrong_type_is_refused():
    with pytest.raises(DataError, match="label column 'label' holds float64, not classes; it must hold class names"):
        TASK.columns(shades([0.5, 1.0], Value("float64")))
    with pytest.raises(DataError, match="label column 'image' holds Image, not classes"):
        TASK.columns(shades([0, 1]), {"label": "image"})


def test_image_column_of_the_wrong_type_is_refused():
    with pytest.raises(DataError, match="column 'label' holds ClassLabel, not pictures"):
        TASK.columns(shades([0, 1]), {"image": "label"})


@pytest.mark.parametrize(
    ("labels", "feature", "names"),
    [
        ([1, 0], ClassLabel(names=["dog", "cat"]), ["dog", "cat"]),
        (["dog", "cat", "dog"], Value("string"), ["cat", "dog"]),
        ([10, 2, 10], Value("int32"), ["2", "10"]),
        ([True, False], Value("bool"), ["False", "True"]),
    ],
    ids=["ClassLabel", "strings", "integers", "booleans"],
)
def test_names_classes_in_order(labels, feature, names):
    data = shades(labels, feature)
    assert TASK.label_names(data, TASK.columns(data)) == names


def test_class_without_rows_is_named():
    data = shades([0, 2, 0], ClassLabel(names=["cat", "dog", "fox"]))
    with pytest.raises(DataError, match="class 'dog' of column 'label' has no rows to learn from; add examples"):
        TASK.label_names(data, TASK.columns(data))


@pytest.mark.parametrize("labels", [[0, None, 1], [0, -1, 1]], ids=["null", "-1"])
def test_row_without_a_label_is_named(labels):
    with pytest.raises(DataError, match="1 of 3 rows has no label in column 'label', the first is row 1"):
        TASK.table(shades(labels), PROCESSOR)


def test_single_class_is_refused():
    with pytest.raises(DataError, match="holds 1 class; a classifier needs two or more"):
        TASK.table(shades(["cat", "cat"], Value("string")), PROCESSOR)


def test_config_fields_make_a_config_with_these_labels():
    config = PlainConfig(**TASK.config_fields(["cat", "dog", "fox"]))
    assert config.num_labels == 3
    assert config.id2label[1] == "dog"
    assert config.label2id["fox"] == 2


def test_table_holds_what_the_processor_gives():
    data = shades([0, 1, 1])
    table = TASK.table(data, PROCESSOR)
    assert table.columns["pixel_values"].dtype == torch.uint8
    assert table.labels.tolist() == [0, 1, 1]
    expected = PROCESSOR(images=list(data["image"]), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(table.batch([0, 1, 2])["pixel_values"], expected, rtol=0, atol=1e-5)


def test_table_matches_labels_by_name():
    data = shades([0, 1, 1], ClassLabel(names=["dog", "cat"]))
    assert TASK.table(data, PROCESSOR, label_names=["bird", "cat", "dog"]).labels.tolist() == [2, 1, 1]


def test_table_matches_integers_with_names_of_digits():
    assert TASK.table(shades([7, 3], Value("int64")), PROCESSOR, label_names=list("0123456789")).labels.tolist() == [
        7,
        3,
    ]


def test_label_that_the_model_does_not_know_is_named():
    with pytest.raises(
        DataError, match="label 'dog' of column 'label' is unknown to the model, which tells apart 'cat'"
    ):
        TASK.table(shades([0, 1]), PROCESSOR, label_names=["cat", "fox"])


def test_evaluation_data_may_lack_a_class():
    data = shades([0, 0], ClassLabel(names=["cat", "dog"]))
    assert TASK.table(data, PROCESSOR, label_names=["cat", "dog"]).labels.tolist() == [0, 0]


def test_data_without_rows_is_refused():
    with pytest.raises(DataError, match="the data has no rows"):
        TASK.table(shades([0]).select([]), PROCESSOR, label_names=["cat", "dog"])


def test_picture_that_does_not_decode_is_named():
    broken = {"bytes": b"not a picture", "path": "cats/7.jpg"}
    data = shades([0, 1]).cast_column("image", Image(decode=False))
    data = Dataset.from_dict({"image": [data[0]["image"], broken], "label": [0, 1]}, features=data.features)
    with pytest.raises(DataError, match=r"image 'cats/7\.jpg' \(row 1\) does not decode"):
        TASK.table(data.cast_column("image", Image()), PROCESSOR)


def test_missing_picture_is_named_by_its_row():
    data = Dataset.from_dict({"image": [picture(0), None], "label": [0, 1]}, features=shades([0, 1]).features)
    with pytest.raises(DataError, match="row 1 does not decode as an image: it is empty"):
        TASK.table(data, PROCESSOR)


def test_reads_encoded_bytes_and_file_names(tmp_path):
    buffer = io.BytesIO()
    picture(90).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    for column in ([buffer.getvalue()] * 2, [str(tmp_path / "a.png")] * 2):
        data = Dataset.from_dict({"file": column, "label": ["cat", "dog"]})
        table = TASK.table(data, PROCESSOR, {"image": "file"})
        assert table.columns["pixel_values"].unique().tolist() == [90]


def test_reads_a_folder_of_classes(tmp_path):
    for name, shade in (("cat", 30), ("dog", 200)):
        (tmp_path / name).mkdir()
        picture(shade).save(tmp_path / name / "1.png")
    data = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path), split="train", cache_dir=str(tmp_path / "cache")
    )
    table = TASK.table(data, PROCESSOR)
    assert table.columns["pixel_values"][:, 0, 0, 0].tolist() == [30, 200]
    assert TASK.label_names(data, TASK.columns(data)) == ["cat", "dog"]


def test_format_of_the_data_changes_nothing():
    data = shades([0, 1])
    table = TASK.table(data.with_format("torch"), PROCESSOR)
    assert torch.equal(table.columns["pixel_values"], TASK.table(data, PROCESSOR).columns["pixel_values"])


def test_accuracy_counts_right_answers():
    predictions = Predictions(np.eye(3, dtype=np.float32)[[0, 1, 2, 2]], np.array([0, 1, 2, 0]))
    assert TASK.correct(predictions).tolist() == [True, True, True, False]
    accuracy = TASK.metrics(predictions)["accuracy"]
    assert (accuracy.value, accuracy.n) == (0.75, 4)
    assert accuracy.low <= 0.75 <= accuracy.high


@pytest.fixture
def model() -> PlainForImageClassification:
    torch.manual_seed(0)
    config = PlainConfig(conv_channels=(3, 4), **TASK.config_fields(["cat", "dog", "fox"]))
    return PlainForImageClassification(config)


def test_predict_gives_the_likeliest_classes_first(model):
    processor = ToyGrayProcessor()
    pictures = [picture(shade).convert("RGB") for shade in (0, 128, 255)] * 30  # more than one batch
    model.train()
    answers = TASK.predict(model, processor, pictures, top_k=2)
    assert model.training
    probabilities = model.eval()(**processor(pictures, return_tensors="pt")).logits.softmax(-1)
    assert [len(answer) for answer in answers] == [2] * 90
    for answer, row in zip(answers, probabilities, strict=True):
        scores, labels = row.topk(2)
        assert [entry["label"] for entry in answer] == [model.config.id2label[label] for label in labels.tolist()]
        assert [entry["score"] for entry in answer] == pytest.approx(scores.tolist(), abs=1e-5)


def test_predict_gives_no_more_classes_than_there_are(model):
    (answer,) = TASK.predict(model, ToyGrayProcessor(), [picture(7)])
    assert {entry["label"] for entry in answer} == {"cat", "dog", "fox"}
    assert sum(entry["score"] for entry in answer) == pytest.approx(1)


def test_predict_works_in_half_precision(model):
    (answer,) = TASK.predict(model.to(torch.bfloat16), ToyGrayProcessor(), [picture(7)], top_k=1)
    assert 0 < answer[0]["score"] <= 1


def test_predict_refuses_to_return_nothing(model):
    with pytest.raises(OptionError, match="top_k must be at least 1, not 0"):
        TASK.predict(model, ToyGrayProcessor(), [picture(7)], top_k=0)


def test_colour_pictures_make_a_table_of_three_channels():
    processor = ToyColorProcessor(size={"height": 4, "width": 4})
    assert TASK.table(shades([0, 1]), processor).columns["pixel_values"].shape == (2, 3, 4, 4)
