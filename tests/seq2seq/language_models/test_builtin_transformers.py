"""Families whose classes are transformers' own: made, trained, saved, loaded, searched with and piped."""

from __future__ import annotations

import datasets
import pytest
import torch
import transformers
import tsugiki
from tsugiki.errors import OptionError
from tsugiki.evaluation import task_named
from tsugiki.evaluation.evaluate import predict_table
from tsugiki.registry import registry
from tsugiki.testing import check_family
from tsugiki.training.fit import fit
from tsugiki.training.job import TrainingJob
from tsugiki_seq2seq.texts.tokenizer_training import train_tokenizer

SENTENCES = ["the cat sat on the mat", "a dog ran over the hill", "birds fly home", "he sleeps in a small old house"]
ROWS = {"text": SENTENCES * 4, "source": SENTENCES * 4, "target": [text[::-1] for text in SENTENCES] * 4}
TASKS = {"marian": "text-translation", "bert": "fill-mask", "gpt2": "text-generation"}
GIVEN = {"marian": {"source": "source", "target": "target"}, "bert": {"text": "text"}, "gpt2": {"text": "text"}}
OPTIONS = {"max_steps": 1, "per_device_train_batch_size": 4, "learning_rate": 0.01, "optim": "adamw_torch", "seed": 0}


@pytest.fixture(scope="module", params=TASKS)
def trained(request, tmp_path_factory):
    """Family, a model after one step, its tokenizer and the rows it learnt from; the first two saved."""
    family, task = request.param, task_named(TASKS[request.param])
    folder = tmp_path_factory.mktemp(family)
    data = datasets.Dataset.from_dict(ROWS)
    columns = task.columns(data, GIVEN[family])
    tokenizer = train_tokenizer(data, columns, kind="bpe", vocab_size=60, mask_token=family == "bert")
    torch.manual_seed(0)
    sizes = {**registry().family(family).declaration.example, **task.processor_fields(tokenizer)}
    model = tsugiki.create_model(family, TASKS[family], **sizes)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train = registry().family(family).trainer(TASKS[family]) or fit
    table = task.table(data, tokenizer, columns)
    job = TrainingJob(table, folder / "run", OPTIONS, task=task, validation=table, progress=False)
    result = train(model, job)
    assert result.history[-1]["eval_loss"] > 0
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    fixed = {name for name in before if name.endswith(("embed_positions.weight", "final_logits_bias"))}
    assert changed == set(before) - fixed
    model.save_pretrained(folder / "saved")
    tokenizer.save_pretrained(folder / "saved")
    return family, model, tokenizer, table, folder / "saved"


def inputs(tokenizer, texts: list[str], *, side: str = "right") -> dict[str, torch.Tensor]:
    return dict(tokenizer(texts, padding=True, return_tensors="pt", padding_side=side))


def logits(model, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    decoder = {"decoder_input_ids": batch["input_ids"]} if model.config.is_encoder_decoder else {}
    with torch.inference_mode():
        return model(**batch, **decoder).logits


def test_loaded_by_tsugiki_every_tensor_is_the_saved_one(trained):
    _, model, tokenizer, _, folder = trained
    state = torch.get_rng_state()
    loaded = tsugiki.load(folder)
    assert torch.equal(torch.get_rng_state(), state)
    assert type(loaded) is type(model)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    batch = inputs(tokenizer, SENTENCES)
    assert torch.equal(logits(loaded, batch), logits(model, batch))
    assert len(list(loaded.parameters())) == len(list(model.parameters()))  # tied ones are one


def test_loaded_from_half_precision_what_is_computed_is_not_rounded(trained, tmp_path):
    family, model, _, _, folder = trained
    half = type(model).from_pretrained(folder).half()
    half.save_pretrained(tmp_path)
    loaded = tsugiki.load(tmp_path)
    if family == "marian":
        positions = loaded.model.encoder.embed_positions.weight
        assert torch.equal(positions, model.model.encoder.embed_positions.weight)
        place, size = torch.arange(positions.shape[0], dtype=torch.float64)[:, None], positions.shape[1]
        angle = place / 10000 ** (torch.arange(0, size, 2, dtype=torch.float64) / size)
        expected = torch.cat([angle.sin(), angle.cos()], dim=1)  # Vaswani et al. 2017, section 3.5, halves apart
        torch.testing.assert_close(positions.double(), expected, rtol=0, atol=1e-5)
    assert all(value.isfinite().all() for value in loaded.state_dict().values())


def test_auto_classes_and_tokenizer_load_the_folder(trained):
    family, model, tokenizer, _, folder = trained
    auto = {
        "marian": transformers.AutoModelForSeq2SeqLM,
        "bert": transformers.AutoModelForMaskedLM,
        "gpt2": transformers.AutoModelForCausalLM,
    }[family]
    batch = inputs(tokenizer, SENTENCES)
    assert torch.equal(logits(auto.from_pretrained(folder).eval(), batch), logits(model, batch))
    for loaded in (transformers.AutoTokenizer.from_pretrained(folder), tsugiki.load_processor(folder)):
        assert loaded(SENTENCES)["input_ids"] == tokenizer(SENTENCES)["input_ids"]
        assert loaded.decode(tokenizer(SENTENCES[0])["input_ids"]) == SENTENCES[0]


def test_pipeline_answers(trained):
    family, _, _, _, folder = trained
    pipe = tsugiki.pipeline(folder)
    if family == "marian":
        assert set(pipe("the cat sat")[0]) == {"translation_text"}
        return
    prompt = "the <mask> sat on" if family == "bert" else "the cat"
    options = {} if family == "bert" else {"max_new_tokens": 3, "do_sample": False}
    alone = [pipe(one, **options) for one in (prompt, prompt + " the mat")]
    together = pipe([prompt, prompt + " the mat"], **options)
    key = "token_str" if family == "bert" else "generated_text"
    assert [[part[key] for part in one] for one in alone] == [[part[key] for part in one] for one in together]


@pytest.mark.parametrize("trained", ["gpt2"], indirect=True)
def test_an_empty_prompt_begins_as_a_text_does(trained):
    _, model, tokenizer, _, _ = trained
    assert model.config.bos_token_id == tokenizer.eos_token_id
    start = torch.tensor([[tokenizer.eos_token_id]])
    expected = model.generate(start, attention_mask=torch.ones_like(start), max_new_tokens=4, do_sample=False)
    assert torch.equal(model.generate(max_new_tokens=4, do_sample=False), expected)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("trained", ["marian", "gpt2"], indirect=True)  # BERT writes nothing
def test_batched_generation_is_that_of_single_texts(trained, beams, use_cache):
    family, model, tokenizer, _, _ = trained
    options = {"max_new_tokens": 8, "num_beams": beams, "do_sample": False, "use_cache": use_cache}
    side = "right" if family == "marian" else "left"
    batch = inputs(tokenizer, SENTENCES, side=side)
    together = model.generate(**batch, **options)
    for row, text in enumerate(SENTENCES):
        alone = model.generate(**inputs(tokenizer, [text]), **options)[0]
        first = batch["input_ids"].shape[1] if family == "gpt2" else 0  # behind the prompt
        begin = len(tokenizer(text)["input_ids"]) if family == "gpt2" else 0
        written, expected = together[row, first:].tolist(), alone[begin:].tolist()
        assert written[: len(expected)] == expected
        assert set(written[len(expected) :]) <= {model.config.pad_token_id}


@pytest.mark.parametrize("trained", ["marian"], indirect=True)
def test_a_translator_starts_and_ends_with_our_tokens(trained):
    _, model, tokenizer, _, folder = trained
    saved = tsugiki.load(folder).generation_config
    assert (saved.decoder_start_token_id, saved.eos_token_id, saved.pad_token_id) == (1, 2, 0)
    assert saved.forced_eos_token_id is None
    model.train(False)
    out = model.generate(**inputs(tokenizer, SENTENCES[:1]), max_new_tokens=5, min_new_tokens=5, do_sample=False)
    assert out[0, 0] == 1 and out.shape == (1, 6)
    assert model.config._attn_implementation == "sdpa"


def test_figures_are_the_same_after_loading(trained):
    family, model, _, table, folder = trained
    task = task_named(TASKS[family])
    loaded = tsugiki.load(folder)
    if family == "marian":
        model.generation_config.max_new_tokens = loaded.generation_config.max_new_tokens = 5
    rows = table.select(range(min(4, len(table))))
    ours, theirs = (predict_table(one, rows, task=task).outputs for one in (model, loaded))
    assert (ours == theirs).all()


@pytest.mark.parametrize("family", TASKS)
def test_families_pass_the_conformance_checks(family):
    check_family("seq2seq", family)


def test_examples_read_what_the_task_gives():
    """Sizes in the manifest fit the rows of the tasks: windows of 128 and 256 tokens."""
    for family, longest in (("bert", 128), ("gpt2", 256)):
        model = tsugiki.create_model(family, TASKS[family], **registry().family(family).declaration.example)
        assert model.config.max_position_embeddings >= longest


@pytest.mark.parametrize("trained", ["marian"], indirect=True)
def test_attention_is_computed_another_way_while_it_trains(trained, tmp_path):
    _, model, _, table, folder = trained
    model, seen = tsugiki.load(folder), []
    model.register_forward_pre_hook(lambda module, _: seen.append(module.config._attn_implementation))
    arguments = {**OPTIONS, "attn_implementation": "eager"}
    fit(model, TrainingJob(table, tmp_path, arguments, progress=False))
    assert seen == ["eager"]
    assert model.config._attn_implementation == "sdpa"
    with pytest.raises(OptionError, match="Did you mean 'eager'"):
        fit(model, TrainingJob(table, tmp_path, {**arguments, "attn_implementation": "eagre"}, progress=False))
    assert model.config._attn_implementation == "sdpa"
