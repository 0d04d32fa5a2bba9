"""What transformers asks of models that write, of every one of ours: its own tests of it come in no distribution."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GenerationMixin, PreTrainedModel
from tsugiki.export.example_inputs import example_inputs
from tsugiki.registry import import_string
from tsugiki_seq2seq.plugin import plugin

SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "sampled": {"do_sample": True, "top_k": 5},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "sampled beams": {"num_beams": 3, "do_sample": True},
    "constrained": {"repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "min_new_tokens": 3},
}
WRITTEN_BEFORE = ("labels", "decoder_input_ids")


def writers() -> Any:
    for family in plugin.families:
        for path in () if family.is_builtin else family.models.values():
            model_class = import_string(path)
            if issubclass(model_class, GenerationMixin):
                yield pytest.param((family, model_class), id=family.name)


@pytest.fixture(scope="module", params=writers())
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    """One whose every weight is large, so that what it reads makes a difference."""
    family, model_class = request.param
    torch.manual_seed(0)
    made = model_class(import_string(family.config)(**family.example)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.7)
    made.generation_config.eos_token_id = None  # random texts end at random places
    return made


def inputs_of(model: PreTrainedModel) -> dict[str, Tensor]:
    inputs = example_inputs(model, batch_size=4)
    return {name: value for name, value in inputs.items() if name not in WRITTEN_BEFORE}


def write(model: Any, inputs: dict[str, Tensor], **options: Any) -> Any:
    torch.manual_seed(5)
    return model.generate(**inputs, **{"max_new_tokens": 6, "do_sample": False, **options})


@pytest.mark.parametrize("search", SEARCHES)
def test_what_is_written_does_not_depend_on_the_cache(model: PreTrainedModel, search: str) -> None:
    inputs = inputs_of(model)
    cached, plain = (write(model, inputs, use_cache=use, **SEARCHES[search]) for use in (True, False))
    assert torch.equal(cached, plain)


@pytest.mark.parametrize("search", ["greedy", "beams"])
def test_a_row_is_written_as_if_it_were_alone(model: PreTrainedModel, search: str) -> None:
    inputs = inputs_of(model)
    count = SEARCHES[search].get("num_return_sequences", 1)
    together = write(model, inputs, **SEARCHES[search])
    for row in range(len(together) // count):
        alone = write(model, {name: value[row : row + 1] for name, value in inputs.items()}, **SEARCHES[search])
        assert torch.equal(alone, together[row * count : (row + 1) * count])


def test_padding_on_the_left_changes_nothing_that_is_written(model: PreTrainedModel) -> None:
    inputs = inputs_of(model)
    if "input_ids" not in inputs:
        pytest.skip("it reads pictures")
    padded = {name: torch.nn.functional.pad(value, (2, 0), value=0) for name, value in inputs.items()}
    new, with_padding = write(model, inputs), write(model, padded)
    assert torch.equal(new[:, -6:], with_padding[:, -6:])


def test_scores_are_those_of_the_forward_pass(model: PreTrainedModel) -> None:
    inputs = inputs_of(model)
    found = write(model, inputs, return_dict_in_generate=True, output_logits=True)
    if model.config.is_encoder_decoder:
        logits = model(**inputs, decoder_input_ids=found.sequences[:, :-1]).logits
    else:
        mask = torch.ones_like(found.sequences[:, :-1])
        logits = model(input_ids=found.sequences[:, :-1], attention_mask=mask).logits[:, -6:]
    torch.testing.assert_close(logits, torch.stack(found.logits, dim=1), rtol=0, atol=1e-4)


def test_a_state_that_cannot_go_back_is_no_use_to_an_assistant(model: PreTrainedModel) -> None:
    inputs = {name: value[:1] for name, value in inputs_of(model).items()}
    for options in ({"assistant_model": model}, {"prompt_lookup_num_tokens": 2}):
        with pytest.raises(ValueError, match="stateful"):
            write(model, inputs, **options)
