"""Tokenizers learnt from the training texts with the `tokenizers` library: subwords, words or characters.

All begin with the tokens of `special_tokens` and are plain fast tokenizers, so that ``AutoTokenizer`` loads them from a
snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from tsugiki.columns import read_texts
from tsugiki.errors import DataError, OptionError, did_you_mean
from tsugiki.plain_text import plain_text_steps

from .named_texts import named_texts
from .special_tokens import MASK_TOKEN, SPECIAL_TOKENS, wrap_tokenizer
from .text_task import LABEL
from .word_shapes import train_word_shapes

if TYPE_CHECKING:
    from datasets import Dataset

Kind = Literal["bpe", "unigram", "word", "character"]
KINDS: tuple[str, ...] = get_args(Kind)
WORD_OR_SIGN = r"[^\W_]+(?:['\u2019][^\W_]+)*|[^\w\s]|_"  # apostrophes, straight or curved, belong to a word


def train_tokenizer(
    dataset: Dataset,
    columns: Mapping[str, str],
    *,
    kind: Kind | Literal["word-shape"] = "bpe",
    vocab_size: int = 8000,
    min_count: int = 1,
    lowercase: bool = False,
    keep_lines: bool = False,
    separate_signs: bool = False,
    mask_token: bool = False,
    bleu_tokenize: str | None = None,
    more_texts: Mapping[str, Any] | None = None,
    group_column: str | None = None,
    min_groups: int = 1,
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer from all text columns that play a role: one vocabulary for source and target.

    Args:
        dataset: The training rows.
        columns: Column by role, as a task finds them; that of the role `label` is not read.
        kind: As `learn_tokenizer` takes it, as the next three; or ``word-shape``, of lists of words, see
            `word_shapes.learn_word_shapes`.
        vocab_size: Tokens at most.
        min_count: Rarer words or characters become ``<unk>``.
        lowercase: Whether case is ignored.
        keep_lines: Whether the end of a line is kept, of texts to which lines belong, such as verse; any other white
            space is one space.
        separate_signs: As `learn_tokenizer` takes it, as the next.
        mask_token: Whether there is a ``<mask>``.
        bleu_tokenize: How BLEU splits this tokenizer's texts into words, by sacrebleu's name: ``13a`` for plain text,
            ``none`` for texts that come as tokens with spaces between. It is kept in ``tokenizer_config.json``.
        more_texts: Another data set whose texts count too, as `named_texts.named_texts` takes it: what a model is
            pre-trained on.
        group_column: Of kind ``word-shape``: what each row belongs to, such as its book.
        min_groups: Of kind ``word-shape``: words of fewer groups become their shape.

    Raises:
        OptionError: An option is out of range.
        DataError: The texts are empty, or the other data set is missing.
    """
    if kind == "word-shape":
        shaped = {"vocab_size": vocab_size, "min_count": min_count, "min_groups": min_groups}
        return train_word_shapes(dataset, columns, group_column=group_column, **shaped)
    read = dict.fromkeys(column for role, column in columns.items() if role != LABEL)
    texts = [text for column in read for text in read_texts(dataset, column)]
    if more_texts is not None:
        texts += named_texts(more_texts, where="more_texts")
    more = {} if bleu_tokenize is None else {"bleu_tokenize": bleu_tokenize}
    return learn_tokenizer(
        texts,
        kind=kind,
        vocab_size=vocab_size,
        min_count=min_count,
        lowercase=lowercase,
        keep_lines=keep_lines,
        separate_signs=separate_signs,
        mask_token=mask_token,
        **more,
    )


def learn_tokenizer(
    texts: Iterable[str],
    *,
    kind: Kind = "bpe",
    vocab_size: int = 8000,
    min_count: int = 1,
    lowercase: bool = False,
    keep_lines: bool = False,
    separate_signs: bool = False,
    mask_token: bool = False,
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
        keep_lines: Whether the end of a line is kept, of texts to which lines belong, such as verse; any other white
            space is one space.
        separate_signs: Of kind ``word``, whether punctuation and hyphens are words of their own.
        mask_token: Whether there is a ``<mask>``, which stands for a word that is to be guessed.
        **more: Kept in ``tokenizer_config.json``.

    Returns:
        A tokenizer that adds no special tokens by itself, and whose ``decode`` gives the text back.

    Raises:
        OptionError: An option is out of range.
        DataError: There is nothing to learn from.
    """
    if kind not in KINDS:
        raise OptionError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}.{did_you_mean(str(kind), KINDS)}")
    special = [*SPECIAL_TOKENS, *([MASK_TOKEN] if mask_token else [])]
    if vocab_size <= len(special) or min_count < 1:
        raise OptionError(
            f"vocab_size must be above {len(special)} and min_count at least 1, not {vocab_size} and {min_count}"
        )
    if separate_signs and kind != "word":
        raise OptionError(f"separate_signs is for kind 'word', not {kind!r}; leave it out")
    if mask_token:
        more["mask_token"] = MASK_TOKEN
    options: dict[str, Any] = {
        "vocab_size": vocab_size,
        "special_tokens": special,
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
    case = [normalizers.Lowercase()] if lowercase else []
    tokenizer.normalizer = normalizers.Sequence([*plain_text_steps(keep_lines=keep_lines), *case])
    if kind == "character":
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
    elif kind == "word" and separate_signs:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_OR_SIGN), "removed", invert=True)
    elif kind == "word":
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() <= len(special):
        raise DataError("the texts hold nothing to learn a vocabulary from; give texts that are not empty")
    if kind == "unigram":
        tokenizer = _canonical_unigram(tokenizer, len(special))
    return wrap_tokenizer(tokenizer, **more)


def _canonical_unigram(tokenizer: Tokenizer, special_tokens: int) -> Tokenizer:
    """The same tokenizer without the noise of parallel sums: scores to six digits, ties by the alphabet."""
    plan = json.loads(tokenizer.to_str())
    vocabulary = [(token, round(score, 6)) for token, score in plan["model"]["vocab"]]
    special, rest = vocabulary[:special_tokens], vocabulary[special_tokens:]
    plan["model"]["vocab"] = special + sorted(rest, key=lambda pair: (-pair[1], pair[0]))
    return Tokenizer.from_str(json.dumps(plan))
