"""The pipeline of language models: continuations that join their prompts, and prompts that begin as texts do."""

import pytest
import torch
import tsugiki
from tsugiki.errors import DataError
from tsugiki_seq2seq.language_models.continuation_pipeline import ContinuationPipeline
from tsugiki_seq2seq.recurrent.recurrent import RecurrentConfig, RecurrentForCausalLM
from tsugiki_seq2seq.texts.tokenizer_training import learn_tokenizer

TEXTS = ["the old house stood by the river .", "she said , the boat was lost .", "a boat by the old river ."] * 4


def make(kind, **options):
    """A pipeline of an untrained model, and what it reads: the token ids of each call of `generate`."""
    tokenizer = learn_tokenizer(TEXTS, kind=kind, vocab_size=60, **options)
    torch.manual_seed(0)
    model = RecurrentForCausalLM(
        RecurrentConfig(
            vocab_size=len(tokenizer),
            hidden_size=8,
            embedding_size=8,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    ).eval()
    pipeline = ContinuationPipeline(model=model, tokenizer=tokenizer)
    seen, generate = [], model.generate

    def watched(input_ids=None, **more):
        seen.append(input_ids.tolist())
        return generate(input_ids=input_ids, **more)

    model.generate = watched
    return pipeline, tokenizer, seen


KINDS = [("word", {"separate_signs": True, "lowercase": True}), ("word", {}), ("bpe", {}), ("unigram", {})]
GREEDY = {"do_sample": False, "max_new_tokens": 5, "suppress_tokens": [0, 1, 2, 3]}


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_continuation_joins_its_prompt_as_the_whole_text_is_written(kind, options):
    pipeline, tokenizer, _ = make(kind, **options)
    prompt = "the old house"
    [record] = pipeline(prompt, return_tensors=True, **GREEDY)
    whole = tokenizer.decode(record["generated_token_ids"], skip_special_tokens=True)
    assert whole.startswith(prompt) and len(whole) > len(prompt)
    assert pipeline(prompt, **GREEDY) == [{"generated_text": whole}]
    assert pipeline(prompt, return_full_text=False, **GREEDY) == [{"generated_text": whole[len(prompt) :]}]


def test_the_prompt_stays_as_it_was_written():
    pipeline, _, _ = make("word", separate_signs=True, lowercase=True)
    plain = pipeline("the old house", **GREEDY)[0]["generated_text"]
    assert pipeline("The OLD house", **GREEDY)[0]["generated_text"] == "The OLD house" + plain[len("the old house") :]
    assert pipeline("the old house ", **GREEDY)[0]["generated_text"] == plain


def test_characters_join_without_a_space():
    pipeline, tokenizer, _ = make("character")
    [record] = pipeline("the ol", **GREEDY)
    [tokens] = pipeline("the ol", return_tensors=True, **GREEDY)
    assert record["generated_text"] == tokenizer.decode(tokens["generated_token_ids"], skip_special_tokens=True)
    assert len(record["generated_text"]) == len("the ol") + 5


def test_an_end_of_text_stands_before_the_prompt():
    pipeline, tokenizer, seen = make("word")
    pipeline(["the old", ""], **GREEDY)
    words = tokenizer("the old", add_special_tokens=False)["input_ids"]
    assert seen == [[[tokenizer.eos_token_id, *words]], [[tokenizer.eos_token_id]]]


def test_prompts_of_different_lengths_in_one_batch_are_answered_as_alone():
    pipeline, _, _ = make("word")
    prompts = ["the old house stood", "she"]
    alone = [pipeline(prompt, **GREEDY) for prompt in prompts]
    assert pipeline(prompts, batch_size=2, **GREEDY) == alone


def test_what_is_no_text_is_refused():
    pipeline, _, _ = make("word")
    for given in (None, 5):
        with pytest.raises(DataError, match="a text is needed to go on from"):
            pipeline(given)


def test_several_continuations_of_one_prompt():
    pipeline, _, _ = make("word")
    found = pipeline("the old", num_beams=3, num_return_sequences=3, **GREEDY)
    assert len({record["generated_text"] for record in found}) == 3
    assert all(record["generated_text"].startswith("the old ") for record in found)


@pytest.mark.parametrize("name", [info.name for info in tsugiki.list_models(task="text-generation")])
def test_prompts_in_a_batch_go_on_as_each_does_alone(name):
    model, tokenizer = tsugiki.load(name), tsugiki.load_processor(name)
    words = [word for word, number in tokenizer.get_vocab().items() if number > len(tokenizer.all_special_tokens)][:6]
    prompts = [" ".join(words), words[-1]]

    def written(batch: list[str]) -> list[str]:
        inputs = tokenizer(batch, padding=True, return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=4, do_sample=False)[:, inputs["input_ids"].shape[1] :]
        return tokenizer.batch_decode(tokens, skip_special_tokens=True)

    assert written(prompts) == [text for prompt in prompts for text in written([prompt])]
