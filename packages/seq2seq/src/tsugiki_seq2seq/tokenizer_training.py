"""Tokenizers learnt from the training texts with the `tokenizers` library: subwords, words or characters.

All have four special tokens, in this order: ``<pad>`` 0, ``<s>`` 1, ``</s>`` 2, ``<unk>`` 3. They are plain fast
tokenizers, so that ``AutoTokenizer`` loads them from a snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from tsugiki.errors import DataError, OptionError, did_you_mean

from .text_columns import column_texts

if TYPE_CHECKING:
    from datasets import Dataset

Kind = Literal["bpe", "unigram", "word", "character"]
KINDS: tuple[str, ...] = get_args(Kind)
PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL_TOKENS = ["<pad>", "<s>", "</s>", "<unk>"]


def train_tokenizer(
    dataset: Dataset,
    columns: Mapping[str, str],
    *,
    kind: Kind = "bpe",
    vocab_size: int = 8000,
    min_count: int = 1,
    lowercase: bool = False,
    bleu_tokenize: str | None = None,
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer from all text columns that play a role: one vocabulary for source and target.

    Args:
        dataset: The training rows.
        columns: Column by role, as a task finds them.
        kind: As `learn_tokenizer` takes it, as the next three.
        vocab_size: Tokens at most.
        min_count: Rarer words or characters become ``<unk>``.
        lowercase: Whether case is ignored.
        bleu_tokenize: How BLEU splits this tokenizer's texts into words, by sacrebleu's name: ``13a`` for plain text,
            ``none`` for texts that come as tokens with spaces between. It is kept in ``tokenizer_config.json``.

    Raises:
        OptionError: An option is out of range.
        DataError: The texts are empty.
    """
    texts = [text for column in dict.fromkeys(columns.values()) for text in column_texts(dataset, column)]
    more = {} if bleu_tokenize is None else {"bleu_tokenize": bleu_tokenize}
    return learn_tokenizer(texts, kind=kind, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase, **more)


def learn_tokenizer(
    texts: Iterable[str],
    *,
    kind: Kind = "bpe",
    vocab_size: int = 8000,
    min_count: int = 1,
    lowercase: bool = False,
    **more: Any,
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer.

    Args:
        texts: What from.
        kind: ``bpe`` (Sennrich, Haddow and Birch 2016), ``unigram`` (Kudo 2018), ``word`` between spaces, or
            ``character``.
        vocab_size: Tokens at most, the special ones among them.
        min_count: Rarer words or characters become ``<unk>``.
        lowercase: Whether case is ignored.
        **more: Kept in ``tokenizer_config.json``.

    Returns:
        A tokenizer that adds no special tokens by itself, and whose ``decode`` gives the text back.

    Raises:
        OptionError: An option is out of range.
        DataError: There is nothing to learn from.
    """
    if kind not in KINDS:
        raise OptionError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}.{did_you_mean(str(kind), KINDS)}")
    if vocab_size <= len(SPECIAL_TOKENS) or min_count < 1:
        raise OptionError(f"vocab_size must be above 4 and min_count at least 1, not {vocab_size} and {min_count}")
    options: dict[str, Any] = {
        "vocab_size": vocab_size,
        "special_tokens": SPECIAL_TOKENS,
        "show_progress": False,
    }
    match kind:
        case "bpe":
            tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
            trainer: Any = trainers.BpeTrainer(min_frequency=max(2, min_count), **options)
        case "unigram":
            tokenizer = Tokenizer(models.Unigram())
            trainer = trainers.UnigramTrainer(unk_token="<unk>", **options)
        case "word":
            tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
            trainer = trainers.WordLevelTrainer(min_frequency=min_count, **options)
        case "character":
            tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
            trainer = trainers.WordLevelTrainer(min_frequency=min_count, **options)
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    if kind == "character":
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
    elif kind == "word":
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() <= len(SPECIAL_TOKENS):
        raise DataError("the texts hold nothing to learn a vocabulary from; give texts that are not empty")
    if kind == "unigram":
        tokenizer = _canonical_unigram(tokenizer)
    return wrap_tokenizer(tokenizer, **more)


def wrap_tokenizer(tokenizer: Tokenizer, **more: Any) -> PreTrainedTokenizerFast:
    """A transformers tokenizer around one whose special tokens are `SPECIAL_TOKENS`."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        **more,
    )


def _canonical_unigram(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer without the noise of parallel sums: scores to six digits, ties by the alphabet."""
    plan = json.loads(tokenizer.to_str())
    vocabulary = [(token, round(score, 6)) for token, score in plan["model"]["vocab"]]
    special, rest = vocabulary[: len(SPECIAL_TOKENS)], vocabulary[len(SPECIAL_TOKENS) :]
    plan["model"]["vocab"] = special + sorted(rest, key=lambda pair: (-pair[1], pair[0]))
    return Tokenizer.from_str(json.dumps(plan))
