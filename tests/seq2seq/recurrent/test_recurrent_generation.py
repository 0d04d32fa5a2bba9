"""What every recurrent model that generates shows to transformers' search, and what its decoder reads of labels."""

import pytest
import torch
from torch import nn
from transformers import GenerationMixin
from tsugiki.registry import import_string
from tsugiki_seq2seq.captions.image_captioner import ImageCaptionerConfig, ImageCaptionerForConditionalGeneration
from tsugiki_seq2seq.plugin import plugin
from tsugiki_seq2seq.recurrent.recurrent_generation import RecurrentGenerationMixin, read_before
from tsugiki_seq2seq.translation.encoder_decoder import RecurrentForConditionalGeneration, RecurrentSeq2SeqConfig

ENCODED = {"recurrent-seq2seq", "hred", "vhred", "image-captioner"}


def generating_models():
    for family in plugin.families:
        for path in () if family.is_builtin else family.models.values():
            model_class = import_string(path)
            if issubclass(model_class, GenerationMixin):
                yield pytest.param((family, model_class), id=model_class.__name__)


@pytest.fixture(params=generating_models())
def model_of_family(request):
    family, model_class = request.param
    return family, model_class(import_string(family.config)(**(family.example or {})))


def test_all_of_them_carry_a_state_instead_of_a_cache(model_of_family):
    _, model = model_of_family
    assert isinstance(model, RecurrentGenerationMixin)
    assert model.can_generate()
    assert model._is_stateful
    assert not model._supports_default_dynamic_cache()


def test_embeddings_and_output_matrix_can_be_replaced(model_of_family):
    _, model = model_of_family
    assert model.get_output_embeddings() is model.lm_head
    assert isinstance(model.get_input_embeddings(), nn.Embedding)
    table, matrix = nn.Embedding(7, 3), nn.Linear(3, 7)
    model.set_input_embeddings(table)
    model.set_output_embeddings(matrix)
    assert model.get_input_embeddings() is table
    assert model.get_output_embeddings() is model.lm_head is matrix


def test_encoder_runs_once_before_the_search(model_of_family):
    family, model = model_of_family
    assert (model.get_encoder() is getattr(model, "encoder", None)) == (family.name in ENCODED)


def test_new_tokens_enlarge_both_ends(model_of_family):
    _, model = model_of_family
    size = model.config.vocab_size + 5
    model.resize_token_embeddings(size)
    assert model.get_input_embeddings().num_embeddings == model.lm_head.out_features == model.config.vocab_size == size


def test_decoder_reads_the_start_token_and_all_but_the_last_label():
    labels = torch.tensor([[5, 6, 2], [7, -100, -100]])
    config = RecurrentSeq2SeqConfig(decoder_start_token_id=1, pad_token_id=0)
    assert read_before(labels, config).tolist() == [[1, 5, 6], [1, 7, 0]]


@pytest.mark.parametrize("model_class", [RecurrentForConditionalGeneration, ImageCaptionerForConditionalGeneration])
def test_nothing_to_write_is_refused(model_class):
    config = {RecurrentForConditionalGeneration: RecurrentSeq2SeqConfig}.get(model_class, ImageCaptionerConfig)()
    inputs = model_class(config).dummy_inputs
    source = {name: value for name, value in inputs.items() if name not in ("decoder_input_ids", "labels")}
    with pytest.raises(ValueError, match="give decoder_input_ids or labels"):
        model_class(config)(**source)
