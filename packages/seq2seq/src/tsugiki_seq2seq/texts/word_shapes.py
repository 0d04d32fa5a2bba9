"""A tokenizer of words that knows a rare word by its shape: ``<Xxx>`` for a rare capitalised one, ``<xx-ing>``, ….

A tagger has to find names that it has never read. A word that the vocabulary has not becomes the token of its shape
(Bikel, Schwartz and Weischedel 1999, table 3.1, call them word features), so that "Elinor" and "Ivanhoe" are one word
to the network, whose neighbours tell what it is. The replacement is a step of the tokenizer's own normalisation, by
regular expressions over the known words; ``AutoTokenizer`` loads it, and offsets still point into the given text.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from tsugiki.errors import DataError, OptionError
from tsugiki.plain_text import plain_text_steps

from .special_tokens import SPECIAL_TOKENS, wrap_tokenizer
from .text_words import ABBREVIATED, APOSTROPHE, JOINER, LETTER, WORD

if TYPE_CHECKING:
    from datasets import Dataset

INITIAL_SHAPE, NUMBER_SHAPE = "<X.>", "<9>"
_CAPITALS, _CAPITALISED, _OTHER = "<XX>", "<Xxx>", "<xx>"
_ENDINGS = {"<xx-ing>": "ing", "<xx-ed>": "ed", "<xx-ly>": "ly", "<xx-s>": "s"}
SHAPES = [INITIAL_SHAPE, NUMBER_SHAPE, _CAPITALS, _CAPITALISED, *_ENDINGS, _OTHER]

# A word as `text_words.WORD` has it, found in running text: nothing of it before, nothing behind. `<` stands before
# a shape that an earlier step has written.
_START = rf"(?<!<)(?<!{LETTER})(?<!{LETTER}{JOINER})"
_END = rf"(?!{LETTER})(?!{JOINER}(?!s(?!\w)){LETTER})"
_LETTERS = rf"{LETTER}+(?:{JOINER}(?!s(?!\w)){LETTER}+)*"
_WHOLE_WORD = re.compile(_LETTERS)
_WHOLE_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WHOLE_INITIAL = re.compile(r"[A-Z]\.")


def train_word_shapes(
    dataset: Dataset,
    columns: Mapping[str, str],
    *,
    vocab_size: int,
    min_count: int,
    group_column: str | None,
    min_groups: int,
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer from the lists of words in the column that plays the role ``tokens``.

    Raises:
        OptionError: An option is out of range, or there is no such group column.
        DataError: There is no column of words.
    """
    if group_column is not None and group_column not in dataset.features:
        raise OptionError(f"group_column names {group_column!r}; the data has {', '.join(dataset.features)}")
    if "tokens" not in columns:
        raise DataError("a tokenizer of word shapes learns from a column of lists of words, in the role 'tokens'")
    plain = dataset.with_format(None)
    return learn_word_shapes(
        plain[columns["tokens"]][:],
        vocab_size=vocab_size,
        min_count=min_count,
        groups=None if group_column is None else plain[group_column][:],
        min_groups=min_groups,
    )


def shape_of(word: str) -> str | None:
    """The shape of a word; None for a sign, an abbreviated title or a possessive ending, which have none."""
    if _WHOLE_NUMBER.fullmatch(word):
        return NUMBER_SHAPE
    if _WHOLE_INITIAL.fullmatch(word):
        return INITIAL_SHAPE
    return _shape_of_letters(word) if _WHOLE_WORD.fullmatch(word) else None


def _shape_of_letters(word: str) -> str:
    """The shape of a word of letters."""
    if word.isupper() and len(word) > 1:
        return _CAPITALS
    if word[0].isupper():
        return _CAPITALISED
    return next((shape for shape, ending in _ENDINGS.items() if word.endswith(ending)), _OTHER)


def learn_word_shapes(
    sentences: Iterable[Sequence[str]],
    *,
    vocab_size: int = 8000,
    min_count: int = 2,
    groups: Iterable[Any] | None = None,
    min_groups: int = 1,
    **more: Any,
) -> PreTrainedTokenizerFast:
    """Learn a tokenizer with one token a word, in which rare words have shapes.

    Args:
        sentences: Words, as `text_words.split_words` gives them.
        vocab_size: Tokens at most, special ones and shapes among them.
        min_count: Rarer words become their shape.
        groups: What each sentence belongs to, such as its book.
        min_groups: Words of fewer groups become their shape: a name that one book alone uses would otherwise be a
            word of its own in training, and names in other books never are.
        **more: Kept in ``tokenizer_config.json``.

    Raises:
        OptionError: An option is out of range.
        DataError: There is nothing to learn from.
    """
    first = len(SPECIAL_TOKENS) + len(SHAPES)
    if vocab_size <= first or min_count < 1 or min_groups < 1:
        raise OptionError(
            f"vocab_size must be above {first}, min_count and min_groups at least 1, not {vocab_size}, {min_count} "
            f"and {min_groups}"
        )
    counts: Counter[str] = Counter()
    seen: defaultdict[str, set[Any]] = defaultdict(set)
    for sentence, group in _with_groups(sentences, groups):
        counts.update(sentence)
        if min_groups > 1:
            for word in set(sentence):
                seen[word].add(group)
    always_shaped = (NUMBER_SHAPE, INITIAL_SHAPE)
    known = [
        word
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= min_count
        and (min_groups == 1 or len(seen[word]) >= min_groups)
        and shape_of(word) not in always_shaped
        and word not in SHAPES
        and word not in SPECIAL_TOKENS
    ][: vocab_size - first]
    if not known:
        raise DataError("the sentences hold no words to learn a vocabulary from; give some, or lower min_count")
    vocabulary = {word: number for number, word in enumerate([*SPECIAL_TOKENS, *SHAPES, *known])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    shapes = [normalizers.Replace(Regex(pattern), content) for pattern, content in replacements(known)]
    tokenizer.normalizer = normalizers.Sequence([*plain_text_steps(), *shapes])
    # A word that stands alone is read as it is in a text: an initial needs no name behind it there.
    pattern = rf"<[Xx9][^<>\s]*>|^[A-Z]\.\z|{WORD}"
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return wrap_tokenizer(tokenizer, **more)


def _with_groups(sentences: Iterable[Sequence[str]], groups: Iterable[Any] | None) -> Iterable[tuple[Any, Any]]:
    if groups is None:
        return ((sentence, None) for sentence in sentences)
    return zip(sentences, groups, strict=True)


def replacements(known: Iterable[str]) -> list[tuple[str, str]]:
    """Regular expressions and what each match becomes, in the order to replace them in.

    A shape is written in two parts, ``<Xxx`` for the word's first letter and ``>`` for the rest of it, because what
    replaces a match counts as its last character: only so do the token's offsets span the word.
    """
    words: defaultdict[str, list[str]] = defaultdict(list)
    for word in known:
        if (shape := shape_of(word)) is not None:
            words[shape].append(word)
    more = rf"(?:{LETTER}|{JOINER}(?!s(?!\w)){LETTER})"
    capitals = rf"\p{{Lu}}(?:\p{{Lu}}|{JOINER}(?!s(?!\w))\p{{Lu}})+"
    others = "".join(f"(?<!{ending})" for ending in _ENDINGS.values())
    # Each finds its own shape alone, for known words of other shapes still stand in the text.
    bodies = {
        _CAPITALS: capitals,
        _CAPITALISED: rf"(?!{capitals}{_END})\p{{Lu}}{more}*",
        **{shape: rf"(?!\p{{Lu}}){_LETTERS}(?<={ending})" for shape, ending in _ENDINGS.items()},
        _OTHER: rf"(?!\p{{Lu}}){_LETTERS}{others}",
    }
    title = rf"(?!(?:{ABBREVIATED})\.(?!\w))"
    possessive = rf"(?!(?<={APOSTROPHE})s(?!\w))"
    steps = [
        (rf"{_START}[A-Z](?=\.[ ]?[A-Z]|(?<![\s\S][\s\S])\.\z)", INITIAL_SHAPE[:-1]),
        (r"(?<=<X\.)\.", ">"),
        (r"(?<!<)(?<!\d)(?<!\d[.,])\d(?!\d)(?![.,]\d)", NUMBER_SHAPE),
        (r"(?<!<)(?<!\d)(?<!\d[.,])\d(?=[.,]?\d)", NUMBER_SHAPE[:-1]),
        (r"(?<=<9)(?:\d|[.,]\d)+", ">"),
    ]
    for shape, body in bodies.items():
        one = _spared(word for word in words[shape] if len(word) == 1)
        several = _spared(word for word in words[shape] if len(word) > 1)
        begin = rf"{_START}{title}{possessive}"
        whole = rf"(?=(?:{body}){_END})"
        steps += [
            (rf"{begin}{one}{whole}{LETTER}{_END}", shape),
            (rf"{begin}{several}{whole}{LETTER}(?={more})", shape[:-1]),
            (rf"(?<={shape[:-1]})(?!-[a-z]+>){more}+", ">"),  # not what is written already
        ]
    return steps


def _spared(known: Iterable[str]) -> str:
    """A condition that no known word stands here."""
    pattern = trie_pattern(known)
    return rf"(?!(?:{pattern}){_END})" if pattern else ""


def trie_pattern(words: Iterable[str]) -> str:
    """A regular expression of exactly these words, in which common beginnings are read once."""
    trie: dict[str, Any] = {}
    for word in words:
        node = trie
        for letter in word:
            node = node.setdefault(letter, {})
        node[""] = {}
    return _pattern_of(trie)


def _pattern_of(node: dict[str, Any]) -> str:
    branches = [re.escape(letter) + _pattern_of(node[letter]) for letter in sorted(node) if letter]
    if not branches:
        return ""
    if len(branches) == 1 and "" not in node:
        return branches[0]
    return f"(?:{'|'.join(branches)}){'?' if '' in node else ''}"
