"""MiniLM of another distribution against transformers' own BERT and against sentence-transformers."""

from __future__ import annotations

import importlib.metadata

import pytest
import torch
import tsugiki
from tsugiki_embeddings.sentences.minilm_weights import MINILM
from tsugiki_embeddings.sentences.text_vectors import text_vectors

NAME = "all-minilm-l6-v2"
TEXTS = [
    "A film that moved me.",
    "the picture touched my heart",
    "Stock prices fell sharply on Monday, after two weeks of gains.",
    "long " * 400,
]


@pytest.fixture(scope="module")
def folder():
    declared = MINILM[NAME]
    return importlib.metadata.distribution(declared.distribution).locate_file(declared.weights.path).parent


def test_states_and_gradients_are_those_of_transformers_own_bert(folder):
    from transformers import AutoTokenizer, BertModel

    reference = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    model, tokenizer = tsugiki.load(NAME, task="base"), AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXTS[:3], padding=True, return_tensors="pt")
    found, expected = model(**batch).last_hidden_state, reference(**batch).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    for states in (found, expected):
        states.square().mean().backward()
    ours = dict(model.named_parameters())
    for name, parameter in reference.named_parameters():
        torch.testing.assert_close(ours[name].grad, parameter.grad, rtol=0, atol=1e-5)


def test_vectors_are_those_of_sentence_transformers(folder):
    library = pytest.importorskip("sentence_transformers")
    published = library.SentenceTransformer(str(folder), device="cpu")
    expected = published.encode(TEXTS, normalize_embeddings=True, convert_to_numpy=True)
    found = torch.nn.functional.normalize(torch.from_numpy(text_vectors(NAME, TEXTS)))
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-5)


def test_the_tokenizer_reads_as_much_as_its_authors_let_it(folder):
    tokenizer = tsugiki.load_processor(NAME)
    assert tokenizer.model_max_length == 256
    assert len(tokenizer(TEXTS[3], truncation=True)["input_ids"]) == 256
