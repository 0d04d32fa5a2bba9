from __future__ import annotations

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from tsugiki.errors import DataError, OptionError
from tsugiki.testing import check_family
from tsugiki.text_table import text_table
from tsugiki.training.job import TrainingJob
from tsugiki_embeddings.training.fasttext_training import set_fasttext, train_fasttext
from tsugiki_embeddings.vectors.fasttext import FastTextConfig, FastTextModel
from tsugiki_embeddings.words.subwords import character_ngrams, fnv1a, subword_ids
from tsugiki_embeddings.words.word_tokenizer import SPECIAL, train_word_tokenizer, word_list, word_tokenizer

WORDS = ["banana", "river", "rivers", "größe", "日本語", "a", "naïve"]
UNKNOWN_WORDS = ["bananas", "riverside", "Größen", "日本", "übergrößenträger", "don't"]


@pytest.fixture(scope="module")
def gensim_vectors():
    from gensim.models import FastText

    generator = np.random.default_rng(0)
    sentences = [list(generator.choice(WORDS, 8)) for _ in range(60)]
    model = FastText(sentences, vector_size=12, min_count=1, bucket=97, min_n=3, max_n=6, epochs=2, seed=1, workers=1)
    return model.wv


@pytest.fixture
def model(gensim_vectors) -> FastTextModel:
    model = FastTextModel(FastTextConfig(vocab_size=len(WORDS) + SPECIAL, hidden_size=12, num_buckets=97))
    set_fasttext(model, gensim_vectors, ["<pad>", "<unk>", *WORDS])
    return model.eval()


def test_fnv1a_has_the_published_values():
    """Test vectors of the 32 bit FNV-1a hash (Fowler, Noll and Vo, draft-eastlake-fnv, appendix C)."""
    assert fnv1a(b"") == 0x811C9DC5
    assert fnv1a(b"a") == 0xE40C292C
    assert fnv1a(b"foobar") == 0xBF9CF968


@pytest.mark.parametrize("sizes", [(3, 6), (1, 2), (2, 4)])
@pytest.mark.parametrize("word", WORDS + UNKNOWN_WORDS)
def test_buckets_are_those_of_gensim(word, sizes):
    from gensim.models.fasttext_inner import compute_ngrams_bytes, ft_hash_bytes

    smallest, largest = sizes
    expected = [ngram.decode() for ngram in compute_ngrams_bytes(word, smallest, largest)]
    assert sorted(character_ngrams(word, smallest, largest)) == sorted(expected)
    hashes = [ft_hash_bytes(ngram.encode()) % 24_000 for ngram in character_ngrams(word, smallest, largest)]
    assert subword_ids(word, num_buckets=24_000, min_n=smallest, max_n=largest) == hashes


def test_known_and_unknown_words_have_gensims_vectors(model, gensim_vectors):
    for number, word in enumerate(WORDS, SPECIAL):
        np.testing.assert_allclose(model.embeddings.weight[number].detach(), gensim_vectors[word], atol=1e-6)
    composed = model.compose(UNKNOWN_WORDS)
    for row, word in zip(composed, UNKNOWN_WORDS, strict=True):
        np.testing.assert_allclose(row.detach(), gensim_vectors[word], atol=1e-6)
    assert torch.equal(model.vector("bananas"), composed[0])


def test_a_text_with_unknown_words_is_the_mean_of_their_vectors(model, gensim_vectors):
    tokenizer = word_tokenizer(WORDS)
    texts = [["river", "riverside", "banana"], ["bananas"]]
    encoded = tokenizer([" ".join(words) for words in texts], padding=True, return_tensors="pt")
    output = model(**encoded, subword_ids=model.subwords(texts, encoded["input_ids"]))
    for row, words in zip(output.pooler_output, texts, strict=True):
        np.testing.assert_allclose(row.detach(), np.mean([gensim_vectors[word] for word in words], axis=0), atol=1e-6)
    without = model(**encoded).pooler_output
    mean = (gensim_vectors["river"] + gensim_vectors["banana"]) / 2
    np.testing.assert_allclose(without[0].detach(), mean, atol=1e-6)
    assert not without[1].any()


def test_subwords_of_known_words_and_padding_do_not_count(model):
    ids = torch.tensor([[SPECIAL, 0]])
    plain = model(ids, torch.tensor([[1, 0]]))
    with_buckets = model(ids, torch.tensor([[1, 0]]), torch.tensor([[[3, 4], [5, -1]]]))
    assert torch.equal(plain.last_hidden_state, with_buckets.last_hidden_state)


def test_gradients_reach_words_and_buckets(model):
    ids = torch.tensor([[SPECIAL, 1]])
    model(ids, subword_ids=torch.tensor([[[-1, -1], [3, 4]]])).pooler_output.sum().backward()
    assert model.embeddings.weight.grad[SPECIAL].all()
    assert model.buckets.weight.grad[[3, 4]].all() and not model.buckets.weight.grad[5].any()


def test_a_word_without_ngrams_is_zero():
    model = FastTextModel(FastTextConfig(vocab_size=5, hidden_size=4, num_buckets=7, min_n=4))
    assert not model.vector("a").any()
    assert model.vector("ab").any()


def test_training_is_gensims_and_the_same_by_seed():
    texts = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog"] * 20
    tokenizer = train_word_tokenizer(texts, min_count=2)
    table = text_table(tokenizer(texts, add_special_tokens=False)["input_ids"])

    def train(seed: int) -> FastTextModel:
        model = FastTextModel(FastTextConfig(vocab_size=len(tokenizer), hidden_size=8, num_buckets=50))
        arguments = {"epochs": 2, "seed": seed, "save_strategy": "epoch"}
        train_fasttext(model, TrainingJob(table, "unused", arguments, processor=tokenizer))
        return model

    first, again, other = train(1), train(1), train(2)
    assert torch.equal(first.embeddings.weight, again.embeddings.weight)
    assert not torch.equal(first.embeddings.weight, other.embeddings.weight)
    assert not first.embeddings.weight[:SPECIAL].any()
    words = word_list(tokenizer)
    joined = " ".join(texts).split()
    assert first.counts[SPECIAL:].tolist() == [joined.count(word) for word in words[SPECIAL:]]

    from gensim.models import FastText

    sentences = [text.split() for text in texts]
    reference = FastText(
        vector_size=8, window=5, negative=5, sg=1, sample=1e-4, workers=1, bucket=50, min_count=1, seed=1
    )
    reference.build_vocab_from_freq({word: joined.count(word) for word in words[SPECIAL:]})
    reference.train(sentences, total_examples=len(sentences), epochs=2)
    for number, word in enumerate(words[SPECIAL:], SPECIAL):
        np.testing.assert_allclose(first.embeddings.weight[number].detach(), reference.wv[word], atol=1e-6)


def test_training_without_what_it_needs_is_refused():
    tokenizer = word_tokenizer(["one", "two"])
    model = FastTextModel(FastTextConfig(vocab_size=4, hidden_size=3, num_buckets=5))
    table = text_table([[2, 3, 2], [3]])

    def train(rows=table, model=model, processor=tokenizer, **arguments):
        train_fasttext(model, TrainingJob(rows, "unused", arguments, processor=processor))

    with pytest.raises(OptionError, match="give the tokenizer"):
        train(processor=None)
    with pytest.raises(OptionError, match="Did you mean 'epochs'"):
        train(epoch=3)
    with pytest.raises(OptionError, match="window must be"):
        train(window=0)
    with pytest.raises(OptionError, match="the tokenizer has 5 words"):
        train(processor=word_tokenizer(["one", "two", "three"]))
    for rows in ([[0, 1]], [[2, 2]], []):
        with pytest.raises(DataError, match="different words of the vocabulary; vectors need at least two"):
            train(text_table(rows))


def test_vectors_of_other_sizes_are_refused(gensim_vectors):
    model = FastTextModel(FastTextConfig(vocab_size=len(WORDS) + SPECIAL, hidden_size=12, num_buckets=98))
    with pytest.raises(DataError, match="other sizes"):
        set_fasttext(model, gensim_vectors, ["<pad>", "<unk>", *WORDS])


@pytest.mark.parametrize("fields", [{"num_buckets": 0}, {"min_n": 0}, {"min_n": 5, "max_n": 4}, {"vocab_size": 2}])
def test_sizes_that_hold_no_vectors_are_refused(fields):
    with pytest.raises(StrictDataclassClassValidationError, match="must be"):
        FastTextConfig(**fields)


def test_saved_vectors_come_back(model, tmp_path):
    model.counts[3] = 7
    model.save_pretrained(tmp_path)
    loaded = FastTextModel.from_pretrained(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_family_passes_the_conformance_checks():
    check_family("embeddings", "fasttext")
