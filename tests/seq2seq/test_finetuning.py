"""Fine-tuning of every kind of sequence model, a step or two: what moves, what stays, and that the card holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import tsugiki
from datasets import Dataset
from safetensors.torch import load_file
from tsugiki import cli
from tsugiki.errors import OptionError
from tsugiki.evaluation import task_named
from tsugiki.picture_processing import ColorImageProcessor
from tsugiki.snapshots.provenance import Provenance
from tsugiki_seq2seq.captions.image_captioner_processor import ImageCaptionerProcessor
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

from . import tiny_translators
from .captions.captioned_squares import SIZES, squares

STEPS = {"max_steps": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-2, "progress": False}
SENTENCES = [f"{one} {what} in the rain ." for one in ("he", "she", "the dog", "a cat") for what in ("ran", "sat")]
TAGS = ["O", "B-PER", "I-PER"]
TRANSFORMER = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
GPT2 = {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 256}


@dataclass
class Case:
    """A tiny base and data that it can go on learning from.

    Attributes:
        family: Its family.
        task: Its task.
        fields: Of its config.
        data: Makes the data.
        head: Parameters that a depth of the head trains.
        tokenizer: Options of the tokenizer.
    """

    family: str
    task: str
    fields: dict[str, Any]
    data: Callable[[], Dataset]
    head: set[str]
    tokenizer: dict[str, Any]


def texts() -> Dataset:
    return Dataset.from_dict({"text": SENTENCES})


def pairs() -> Dataset:
    return Dataset.from_dict({"source": SENTENCES, "target": [text.replace("rain", "mat") for text in SENTENCES]})


def dialogues() -> Dataset:
    return Dataset.from_dict({"dialog": [[text, "why ?", "he sat ."] for text in SENTENCES]})


def tagged(kind: str = "PER") -> Dataset:
    words = [text.split() for text in SENTENCES]
    tags = [[f"B-{kind}", *["O"] * (len(row) - 1)] for row in words]
    return Dataset.from_dict({"tokens": words, "tags": tags})


LM_HEAD = {"lm_head.weight", "lm_head.bias"}
CASES = {
    "tagger": Case(
        "recurrent", "token-classification", {"hidden_size": 8, "bidirectional": True}, tagged,
        {"classifier.weight", "classifier.bias"}, {},
    ),
    "recurrent": Case("recurrent", "text-generation", {"hidden_size": 8}, texts, LM_HEAD, {}),
    "gpt2": Case("gpt2", "text-generation", GPT2, texts, {"transformer.wte.weight"}, {}),
    "bert": Case(
        "bert", "fill-mask", TRANSFORMER, texts,
        {"bert.embeddings.word_embeddings.weight", "cls.predictions.bias", "cls.predictions.transform.dense.weight",
         "cls.predictions.transform.dense.bias", "cls.predictions.transform.LayerNorm.weight",
         "cls.predictions.transform.LayerNorm.bias"},
        {"mask_token": True},
    ),
    "translator": Case(
        "recurrent-seq2seq", "text-translation", {"hidden_size": 8}, pairs,
        {"encoder.embeddings.weight", "lm_head.bias"}, {},
    ),
    "hred": Case("hred", "dialogue", {"hidden_size": 8}, dialogues, {"encoder.embeddings.weight", "lm_head.bias"}, {}),
}  # fmt: skip


def write_base(case: Case, folder: Path) -> Path:
    tokenizer = learn_tokenizer([*SENTENCES, "mat why ? he sat ."], kind="word", **case.tokenizer)
    task: Any = task_named(case.task)
    fields = {**case.fields, **task.processor_fields(tokenizer)}
    if case.task == "token-classification":
        fields |= task.config_fields(TAGS)
    torch.manual_seed(0)
    for part in (tsugiki.create_model(case.family, case.task, **fields), tokenizer):
        part.save_pretrained(folder)
    return folder


def moved(before: Path, after: Path) -> set[str]:
    """Names of the stored weights that differ."""
    first, second = (load_file(folder / "model.safetensors") for folder in (before, after))
    assert first.keys() == second.keys()
    return {name for name in first if not torch.equal(first[name], second[name])}


@pytest.mark.parametrize("name", CASES)
def test_training_goes_on_and_the_head_alone_moves_where_that_is_asked_for(name, tmp_path):
    case = CASES[name]
    base = write_base(case, tmp_path / "base")
    case.data().save_to_disk(tmp_path / "data")
    result = tsugiki.finetune(base, tmp_path / "data", output_dir=tmp_path / "mine", depth="head", **STEPS)
    assert "its training goes on" in str(result.report)
    assert moved(base, result.path) == case.head
    assert tsugiki.verify(result.path, tmp_path / "data").ok
    assert task_named(case.task).main_metric in result.metrics
    assert tsugiki.load_processor(result.path).get_vocab() == tsugiki.load_processor(base).get_vocab()


def test_what_means_nothing_for_a_task_is_not_repeated_or_is_refused(tmp_path):
    base = write_base(CASES["tagger"], tmp_path / "base")
    for name in ("tagger", "translator", "recurrent"):
        other = write_base(CASES[name], tmp_path / name)
        with pytest.raises(OptionError, match="augmentation changes pictures"):
            tsugiki.finetune(
                other, CASES[name].data(), output_dir=tmp_path / "mine", augmentation={"flip": True}, **STEPS
            )
    tagged().save_to_disk(tmp_path / "data")
    options = [f"--{name.replace('_', '-')}={value}" for name, value in STEPS.items() if name != "progress"]
    call = ["finetune", str(base), str(tmp_path / "data"), "--output-dir", str(tmp_path / "mine"), "--depth", "head"]
    assert cli.main([*call, "--head", "logistic", *options]) == 0
    assert "--head" not in Provenance.read(tmp_path / "mine").command


def test_a_tag_that_the_base_does_not_know_takes_a_new_head(tmp_path):
    base = write_base(CASES["tagger"], tmp_path / "base")
    result = tsugiki.finetune(base, tagged("LOC"), output_dir=tmp_path / "mine", depth="head", **STEPS)
    assert list(result.model.config.id2label.values()) == ["O", "B-LOC"]
    assert "a new head for the labels 'O', 'B-LOC'" in str(result.report)
    assert "a new head" in (result.path / "README.md").read_text()
    first, second = (load_file(folder / "model.safetensors") for folder in (base, result.path))
    assert second["classifier.weight"].shape[0] == 2
    assert all(torch.equal(first[name], second[name]) for name in first if not name.startswith("classifier."))


def test_a_new_head_is_trained_alone_before_what_is_below_it(tmp_path, monkeypatch):
    from tsugiki.transfer import resumable_run as runs

    trained = []
    fit = runs.fit
    monkeypatch.setattr(runs, "fit", lambda model, job, **more: trained.append(job.title) or fit(model, job, **more))
    base = write_base(CASES["tagger"], tmp_path / "base")
    tsugiki.finetune(base, tagged("LOC"), output_dir=tmp_path / "mine", depth="all", **STEPS)
    assert trained == ["new final", "transfer final"]


def write_captioner(folder: Path) -> Path:
    captions = [text for row in squares(4).remove_columns("image") for text in row.values()]
    tokenizer = learn_tokenizer([text.lower().rstrip(" .!") for text in captions], kind="word")
    processor = ImageCaptionerProcessor(ColorImageProcessor(size={"height": 32, "width": 32}), tokenizer)
    torch.manual_seed(0)
    model = tsugiki.create_model("image-captioner", "image-captioning", **{**SIZES, "vocab_size": len(tokenizer)})
    for part in (model, processor):
        part.save_pretrained(folder)
    return folder


def test_captions_of_other_pictures_leave_the_encoder_as_it_is(tmp_path):
    base = write_captioner(tmp_path / "base")
    squares(8).save_to_disk(tmp_path / "data")
    result = tsugiki.finetune(base, tmp_path / "data", output_dir=tmp_path / "mine", compare_scratch=True, **STEPS)
    changed = moved(base, result.path)
    assert changed
    assert not any(name.startswith("encoder.") for name in changed)
    frozen = result.report.scratch.model.encoder.state_dict()
    assert all(torch.equal(value, frozen[name]) for name, value in result.model.encoder.state_dict().items())
    assert tsugiki.verify(result.path, tmp_path / "data").ok


def test_a_translator_of_transformers_searches_as_its_base_does(tmp_path):
    base = tiny_translators.save(tiny_translators.marian(), tmp_path / "base")
    data = tiny_translators.dataset()
    result = tsugiki.finetune(base, data, output_dir=tmp_path / "mine", depth=1, compare_scratch=True, **STEPS)
    loaded = tsugiki.load(result.path)
    assert loaded.generation_config.max_new_tokens == 8
    assert result.report.scratch.model.generation_config.max_new_tokens == 8
    assert {name.split(".")[1] for name in moved(base, result.path)} >= {"decoder", "shared"}
    assert not any("encoder.layers" in name for name in moved(base, result.path))
    assert "nrefs:1|case:mixed" in (result.path / "README.md").read_text()


def other(sentences: list[str]) -> dict[str, Callable[[], Dataset]]:
    """Rows of every kind with these sentences."""
    return {
        "tagger": lambda: Dataset.from_dict(
            {"tokens": [one.split() for one in sentences], "tags": [["O"] * len(one.split()) for one in sentences]}
        ),
        "recurrent": lambda: Dataset.from_dict({"text": sentences}),
        "gpt2": lambda: Dataset.from_dict({"text": sentences}),
        "bert": lambda: Dataset.from_dict({"text": sentences}),
        "translator": lambda: Dataset.from_dict({"source": SENTENCES, "target": sentences}),
        "hred": lambda: Dataset.from_dict({"dialog": [[one, one] for one in sentences]}),
    }


FRENCH = [
    f"{one} {what} sous la pluie ." for one in ("il", "elle", "le chien", "un chat") for what in ("court", "dort")
]


@pytest.mark.parametrize("name", CASES)
def test_new_words_get_rows_that_are_trained_and_saved(name, tmp_path):
    case = CASES[name]
    base = write_base(case, tmp_path / "base")
    other(FRENCH)[name]().save_to_disk(tmp_path / "data")
    result = tsugiki.finetune(base, tmp_path / "data", output_dir=tmp_path / "mine", depth="head", **STEPS)
    old, new = tsugiki.load_processor(base), tsugiki.load_processor(result.path)
    assert "new tokens with rows of their own" in str(result.report)
    assert "new tokens with rows of their own" in (result.path / "README.md").read_text()
    assert result.model.config.vocab_size == len(new) > len(old)
    assert {token: new.get_vocab()[token] for token in old.get_vocab()} == old.get_vocab()
    assert {"pluie", "sous", "la"} <= set(new.get_vocab())
    assert tsugiki.verify(result.path, tmp_path / "data").ok
    first, second = (load_file(folder / "model.safetensors") for folder in (base, result.path))
    wider = [key for key in first if first[key].shape != second[key].shape]
    assert wider and all(second[key].shape[0] == len(new) for key in wider)


def check_killed_and_resumed(base: Path, data: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at its second training and called again, a fine-tuning gives the weights of one that nobody killed."""
    from tsugiki.transfer import resumable_run as runs

    options = {**STEPS, "depth": "all", "compare_scratch": True}
    whole = tsugiki.finetune(base, data, output_dir=folder / "whole", **options)
    fit, calls = runs.fit, []

    def dies_at_the_second(*given, **named):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(given[1].title)
        return fit(*given, **named)

    monkeypatch.setattr(runs, "fit", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        tsugiki.finetune(base, data, output_dir=folder / "mine", **options)
    assert (folder / "mine.partial").exists() and not (folder / "mine").exists()
    again = []
    monkeypatch.setattr(runs, "fit", lambda *given, **named: again.append(given[1].title) or fit(*given, **named))
    resumed = tsugiki.finetune(base, data, output_dir=folder / "mine", **options)
    assert again and calls[0] not in again
    assert moved(whole.path, resumed.path) == set()
    assert whole.metrics == resumed.metrics
    assert whole.report.scratch_metrics == resumed.report.scratch_metrics


@pytest.mark.parametrize("name", ["gpt2", "translator", "hred", "tagger", "bert", "recurrent"])
def test_killed_with_new_words_and_resumed_gives_the_same_weights(name, tmp_path, monkeypatch):
    check_killed_and_resumed(write_base(CASES[name], tmp_path / "base"), other(FRENCH)[name](), tmp_path, monkeypatch)


def test_captions_killed_and_resumed_give_the_same_weights(tmp_path, monkeypatch):
    check_killed_and_resumed(write_captioner(tmp_path / "base"), squares(8), tmp_path, monkeypatch)


def test_a_translator_of_transformers_killed_and_resumed_gives_the_same_weights(tmp_path, monkeypatch):
    base = tiny_translators.save(tiny_translators.marian(), tmp_path / "base")
    check_killed_and_resumed(base, tiny_translators.dataset(), tmp_path, monkeypatch)
