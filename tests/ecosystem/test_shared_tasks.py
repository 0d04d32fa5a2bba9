"""Tasks that plugins share belong to none of them: each plugin alone serves its models, and several go together."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import tsugiki
from datasets import ClassLabel, Dataset, Features, Image
from PIL import Image as Pillow
from tsugiki import cli
from tsugiki.inputs import KINDS
from tsugiki.registry import refresh, registry

from ..task_labels import check_labels

LABELS = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
SPEECH = """
    from tsugiki import Family, Plugin

    plugin = Plugin(
        "speech",
        families=[
            Family(
                "vocal",
                config="fake_speech.net:VocalConfig",
                models={"audio-classification": "fake_speech.net:VocalForAudioClassification"},
            )
        ],
        tasks={"audio-classification": "fake_speech.tasks:Listening"},
    )
"""
FLOWER = """
    from tsugiki import Family, Plugin

    plugin = Plugin(
        "FLOWER",
        families=[
            Family(
                "FLOWER",
                config="fake_FLOWER.net:FLOWERConfig",
                models={"image-classification": "fake_FLOWER.net:FLOWERForImageClassification"},
                processor="tsugiki.picture_processing:GrayscaleImageProcessor",
            )
        ],
    )
"""
NETWORK = """
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput

class FLOWERConfig(PreTrainedConfig):
    model_type = "tsugiki_FLOWER"

class FLOWERForImageClassification(PreTrainedModel):
    config_class = FLOWERConfig
    main_input_name = "pixel_values"

    def __init__(self, config):
        super().__init__(config)
        self.classifier = nn.Linear(32 * 32, config.num_labels)
        self.post_init()

    def forward(self, pixel_values, labels=None, return_dict=True):
        return ImageClassifierOutput(logits=self.classifier(pixel_values.flatten(1)))
"""


def test_a_plugin_alone_serves_its_text_classifier(monkeypatch, tmp_path, capsys):
    from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

    monkeypatch.setenv("TSUGIKI_PLUGINS", "seq2seq")
    assert list(refresh().plugins) == ["seq2seq"]
    tokenizer = learn_tokenizer(["a good film", "a bad film"], kind="word")
    fields = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "hidden_size": 4, **LABELS}
    tsugiki.create_model("recurrent", "text-classification", **fields).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    data = Dataset.from_dict({"text": ["a good film", "a bad film"], "label": ["yes", "no"]})
    assert tsugiki.evaluate(tmp_path, data)["accuracy"].n == 2
    assert cli.main(["predict", str(tmp_path), "a good film", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    piped = tsugiki.pipeline(tmp_path)("a good film", top_k=None)
    assert {guess["label"]: guess["score"] for guess in answer["predictions"]} == {
        guess["label"]: pytest.approx(guess["score"], abs=1e-6) for guess in piped
    }
    monkeypatch.undo()
    refresh()


def test_a_stranger_who_declares_a_shared_task_disturbs_nobody(install_plugin, tmp_path, capsys):
    install_plugin("speech", SPEECH)
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(8000) / 9), 8000)
    assert cli.main(["predict", "conv1d-digits", str(tmp_path / "a.wav"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["predictions"]) == 5


def test_two_plugins_with_models_for_one_task_both_work(install_plugin, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32), dtype=np.uint8)
    features = Features({"image": Image(), "label": ClassLabel(names=["no", "yes"])})
    rows = {"image": [Pillow.fromarray(one) for one in pixels], "label": [0, 1] * 3}
    data = Dataset.from_dict(rows, features=features)
    for flower in ("rose", "briar"):
        folder = install_plugin(flower, FLOWER.replace("FLOWER", flower))
        (folder / "net.py").write_text(NETWORK.replace("FLOWER", flower))
    for flower in ("rose", "briar"):
        model = tsugiki.create_model(flower, **LABELS)
        model.save_pretrained(tmp_path / flower)
        registry().family(flower).processor_class()().save_pretrained(tmp_path / flower)
        metric = tsugiki.evaluate(tmp_path / flower, data)["accuracy"]
        inputs = tsugiki.load_processor(tmp_path / flower)(images=rows["image"], return_tensors="pt")
        answers = model(**inputs).logits.argmax(1).numpy()
        assert metric.value == pytest.approx((answers == [0, 1] * 3).mean())
        result = tsugiki.finetune(tmp_path / flower, data, output_dir=tmp_path / f"{flower} tuned", depth="head")
        assert tsugiki.load(result.path).config.model_type == f"tsugiki_{flower}"


@pytest.mark.parametrize("name", sorted(registry().tasks()))
def test_only_tasks_with_labels_take_their_names(name):
    check_labels(registry().task_class(name))


def test_every_task_says_what_it_reads():
    for name in registry().tasks():
        assert registry().task_class(name).inputs in KINDS, name
