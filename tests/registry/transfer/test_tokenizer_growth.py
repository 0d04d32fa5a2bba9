from __future__ import annotations

import json
from itertools import pairwise

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from tsugiki.transfer.tokenizer_growth import (
    FEWEST_SYMBOLS,
    LONGER,
    UNKNOWN,
    Fit,
    can_grow,
    grown_tokenizer,
    measure_fit,
)
from tsugiki.transfer.vocabulary import adapted_vocabulary, spelling

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
ENGLISH = ["the lower the newer the wider", "a low new wide thing", "she is newer and wider than the lower one"] * 3
FRENCH = ["où est la forêt", "la forêt est là où elle était", "elle est là dans la forêt"] * 3
KINDS = ["WordLevel", "characters", "BPE", "byte BPE", "Unigram", "WordPiece"]


def tokenizer(kind: str, texts=ENGLISH, **options) -> PreTrainedTokenizerFast:
    special = {"special_tokens": SPECIAL, "show_progress": False}
    split = pre_tokenizers.Metaspace(prepend_scheme="always")
    match kind:
        case "WordLevel" | "characters":
            made, trainer = Tokenizer(models.WordLevel(unk_token="<unk>")), trainers.WordLevelTrainer(**special)
            split = pre_tokenizers.WhitespaceSplit() if kind == "WordLevel" else pre_tokenizers.Split("", "isolated")
        case "BPE":
            made, trainer = Tokenizer(models.BPE(unk_token="<unk>")), trainers.BpeTrainer(vocab_size=60, **special)
            made.decoder = decoders.Metaspace()
        case "byte BPE":
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            made = Tokenizer(models.BPE())
            trainer = trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet, **special)
            split = pre_tokenizers.ByteLevel()
            made.decoder = decoders.ByteLevel()
        case "Unigram":
            made = Tokenizer(models.Unigram())
            trainer = trainers.UnigramTrainer(vocab_size=40, unk_token="<unk>", **special)
            made.decoder = decoders.Metaspace()
        case "WordPiece":
            made = Tokenizer(models.WordPiece(unk_token="<unk>"))
            trainer = trainers.WordPieceTrainer(vocab_size=60, **special)
            split = pre_tokenizers.WhitespaceSplit()
            made.decoder = decoders.WordPiece()
    made.normalizer, made.pre_tokenizer = normalizers.NFC(), split
    made.train_from_iterator(texts, trainer)
    named = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **named, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_old_tokens_keep_their_numbers_and_new_texts_are_shorter_or_known(kind, tmp_path):
    old = tokenizer(kind)
    known = old.get_vocab()
    grown = grown_tokenizer(old, FRENCH)
    assert {token: grown.get_vocab()[token] for token in old.get_vocab()} == old.get_vocab()
    assert sorted(grown.get_vocab().values()) == list(range(len(grown)))
    assert len(old) < len(grown) <= 2 * len(old) + len(set("".join(FRENCH)))
    assert [getattr(grown, f"{name}_token_id") for name in ("pad", "bos", "eos", "unk")] == [0, 1, 2, 3]
    (before, after) = (one(FRENCH, add_special_tokens=False)["input_ids"] for one in (old, grown))
    assert sum(row.count(3) for row in after) == 0
    if kind not in ("WordLevel", "characters"):
        assert sum(map(len, after)) < sum(map(len, before))
        assert [grown.decode(row).strip() for row in after] == FRENCH
    grown.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)(FRENCH)["input_ids"] == grown(FRENCH)["input_ids"]
    assert old.get_vocab() == known  # the old one is left as it is


@pytest.mark.parametrize("kind", ["WordLevel", "characters", "BPE", "byte BPE"])
def test_old_texts_are_split_as_before(kind):
    old = tokenizer(kind)
    grown = grown_tokenizer(old, FRENCH)
    assert grown(ENGLISH)["input_ids"] == old(ENGLISH)["input_ids"]


def test_merges_go_on_as_the_algorithm_on_paper_does():
    """Sennrich, Haddow and Birch 2016, algorithm 1, on the tokens that the old merges leave."""
    old = tokenizer("BPE")
    texts = ["lowest newest widest"] * 4 + ["lowest newest"] * 3
    grown = grown_tokenizer(old, texts)
    words = [old.tokenize(word) for text in texts for word in text.split()]
    assert not any("<unk>" in word for word in words)
    mine, old_merges = (json.loads(one.backend_tokenizer.to_str())["model"]["merges"] for one in (grown, old))
    learnt: list[tuple[str, str]] = []
    while True:
        counts: dict[tuple[str, str], int] = {}
        for word in words:
            for pair in pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        best = max(counts.values(), default=0)
        if best < 4:
            break
        ties = [pair for pair, count in counts.items() if count == best]
        chosen = tuple(mine[len(old_merges) + len(learnt)])
        assert chosen in ties  # of pairs as frequent any may come first
        learnt.append(chosen)
        merged = []
        for word in words:
            joined: list[str] = []
            for piece in word:
                if joined and (joined[-1], piece) == chosen:
                    joined[-1] += piece
                else:
                    joined.append(piece)
            merged.append(joined)
        words = merged
    assert len(mine) == len(old_merges) + len(learnt)


def test_what_stands_once_stays_unknown():
    grown = grown_tokenizer(tokenizer("WordLevel"), ["once twice twice"])
    assert FEWEST_SYMBOLS == 2
    assert "twice" in grown.get_vocab() and "once" not in grown.get_vocab()


def test_tokens_that_were_added_behind_the_vocabulary_keep_their_places():
    for kind in KINDS:
        old = tokenizer(kind)
        old.add_special_tokens({"mask_token": "<mask>"})
        grown = grown_tokenizer(old, FRENCH)
        assert grown.mask_token_id == old.mask_token_id == len(old) - 1
        assert sorted(grown.get_vocab().values()) == list(range(len(grown)))
        assert grown("où <mask>")["input_ids"].count(grown.mask_token_id) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_that_serves_stays(kind):
    old = tokenizer(kind)
    found = adapted_vocabulary(old, ENGLISH)
    assert found.processor is old and found.grow is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_that_does_not_serve_grows_and_says_why(kind):
    old = tokenizer(kind)
    found = adapted_vocabulary(old, FRENCH)
    assert len(found.processor) > len(old) and found.grow is not None
    assert f"{len(found.processor) - len(old)} new tokens" in found.why


def test_the_fit_is_counted_on_texts_that_were_not_learnt_from():
    old = tokenizer("WordLevel")
    fit = measure_fit(old, ["the été"] * 4 + ["the été hiver"])
    assert fit == Fit(unknown=2 / 3, unknown_grown=1 / 3, longer=1.0)
    assert not fit.serves
    assert Fit(UNKNOWN, 0.0, LONGER).serves and not Fit(0.0, 0.0, LONGER + 0.01).serves
    assert Fit(0.3, 0.3, 1.0).serves  # what no vocabulary would know is no reason for a new one


def test_the_same_texts_give_the_same_tokenizer():
    for kind in KINDS:
        old = tokenizer(kind)
        first, second = (grown_tokenizer(old, FRENCH).backend_tokenizer.to_str() for _ in range(2))
        assert first == second, kind


def test_what_cannot_grow_is_left():
    marked = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(end_of_word_suffix="</w>")))
    assert not can_grow(marked) and not can_grow(object())
    assert adapted_vocabulary(marked, FRENCH).processor is marked
    assert adapted_vocabulary(None, []).grow is None


def test_spelling_is_by_old_tokens():
    old = tokenizer("WordPiece")
    grown = grown_tokenizer(old, ["lowerness widerness"] * 5)
    names = {number: token for token, number in grown.get_vocab().items()}
    found = spelling(old, grown)
    assert found
    for number, pieces in found.items():
        assert "".join(names[piece].removeprefix("##") for piece in pieces) == names[number].removeprefix("##")
        assert all(names[piece].startswith("##") for piece in pieces[1:])
        assert names[pieces[0]].startswith("##") == names[number].startswith("##")
