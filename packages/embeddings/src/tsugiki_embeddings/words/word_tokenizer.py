"""Word-level tokenizers: a text becomes the numbers of its words, the commonest first.

They are plain tokenizers of the `tokenizers` library, so that ``AutoTokenizer`` loads them from a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from tsugiki.errors import DataError, OptionError
from tsugiki.plain_text import plain_text_steps

from .spelling import APOSTROPHE

if TYPE_CHECKING:
    from datasets import Dataset

PAD, UNKNOWN = 0, 1
PAD_TOKEN, UNKNOWN_TOKEN = "<pad>", "<unk>"
SPECIAL = 2  # the words begin behind the two special tokens
WORDS = r"\p{L}+(?:'\p{L}+)*"  # letters, with apostrophes inside; a hyphen parts two words


def train_word_tokenizer(
    texts: Iterable[str],
    *,
    min_count: int = 5,
    max_words: int | None = None,
    lowercase: bool = True,
    pattern: str = WORDS,
) -> PreTrainedTokenizerFast:
    """Learn a vocabulary: the words of the texts by falling count, ties by the alphabet.

    Args:
        texts: The corpus.
        min_count: Rarer words are left out.
        max_words: Only so many words are kept.
        lowercase: Whether case is ignored.
        pattern: Regular expression of a word; what lies between is dropped.

    Returns:
        A tokenizer whose numbers 0 and 1 are ``<pad>`` and ``<unk>``, with the words from 2 on.

    Raises:
        OptionError: An option is out of range.
        DataError: Fewer than two words are left.
    """
    if min_count < 1 or (max_words is not None and max_words < 1):
        raise OptionError(f"min_count and max_words must be at least 1, not {min_count} and {max_words}")
    tokenizer = _untrained(lowercase=lowercase, pattern=pattern)
    trainer = trainers.WordLevelTrainer(
        vocab_size=2**31 if max_words is None else max_words + SPECIAL,
        min_frequency=min_count,
        special_tokens=[PAD_TOKEN, UNKNOWN_TOKEN],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if (words := tokenizer.get_vocab_size() - SPECIAL) < 2:
        raise DataError(
            f"the corpus has {'no word' if words == 0 else 'one word only'} that occurs {min_count} times or more; "
            "vectors need at least two: take more text or a lower min_count"
        )
    return _wrapped(tokenizer)


def word_tokenizer(words: Iterable[str], *, lowercase: bool = True, pattern: str = WORDS) -> PreTrainedTokenizerFast:
    """A tokenizer of a given vocabulary; the words get the numbers from 2 on, in their order.

    Raises:
        DataError: A word stands twice, or has the name of a special token.
    """
    vocabulary = {PAD_TOKEN: PAD, UNKNOWN_TOKEN: UNKNOWN}
    for word in words:
        if word in vocabulary:
            raise DataError(f"the vocabulary holds {word!r} twice")
        vocabulary[word] = len(vocabulary)
    return _wrapped(_untrained(vocabulary, lowercase=lowercase, pattern=pattern))


def train_tokenizer(dataset: Dataset, columns: Mapping[str, str], **options: Any) -> PreTrainedTokenizerFast:
    """Learn the vocabulary from the text column of training rows; the ``processor_trainer`` of families of words.

    Args:
        dataset: The training rows.
        columns: Columns by role; the words are those of the role ``text``.
        **options: As `train_word_tokenizer` takes them.
    """
    texts = (text for text in dataset.with_format(None)[columns["text"]] if text)
    return train_word_tokenizer(texts, **options)


def word_list(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Every token of a tokenizer, by number."""
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _untrained(vocabulary: dict[str, int] | None = None, *, lowercase: bool = True, pattern: str = WORDS) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(vocabulary or {}, unk_token=UNKNOWN_TOKEN))
    case = [normalizers.Lowercase()] if lowercase else []
    steps = [*plain_text_steps(), normalizers.Replace(APOSTROPHE, "'"), *case]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
    return tokenizer


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        unk_token=UNKNOWN_TOKEN,
        model_input_names=["input_ids", "attention_mask"],
    )
