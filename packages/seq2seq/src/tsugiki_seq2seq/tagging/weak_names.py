"""Names of persons in a book by rule, without a list of names: what stands behind a title, and its later mentions.

Weak labels: they are wrong now and then, and a tagger learns from them what is usual. Three rules, over one book:

1. Behind a title ("Mr. Darcy", "Lady Catherine") stand names; so does what a speaker is called ("said Emma",
   "Emma replied").
2. A word found so twice is a name of this book, if it is hardly ever written with a small letter in it, and hardly ever
   stands behind "in" or "at" as places do.
3. Every mention of a name of the book is one; names side by side are one name ("Jane Eyre"), and so is a capitalised
   word right before a known one ("Archibald Craven"), unless a word such as "Street" follows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

LABELS = ["O", "B-PER", "I-PER"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words(
    "Mr Mr. Mrs Mrs. Miss Misses Messrs Messrs. Ms Ms. Dr Dr. Doctor Professor Prof. Lady Lord Sir Dame Madame Mme "
    "Mme. Monsieur Mademoiselle Mlle. Signor Signora Captain Capt. Colonel Col. Major General Gen. Lieutenant Lieut. "
    "Sergeant Admiral Rev. Reverend Squire Aunt Uncle Cousin Master Mister Mistress Baron Baroness Count Countess "
    "Inspector Hon. Farmer Brother Sister Nurse Don Donna Herr Frau Fraulein"
)
_SPEECH = _words(
    "said cried asked replied answered exclaimed whispered returned murmured inquired enquired remarked observed "
    "continued repeated added interrupted retorted muttered shouted sighed laughed faltered responded rejoined"
)
_PLACE_BEFORE = frozenset(("in", "at", "near", "through"))
_PLACE_BEHIND = _words(
    "Street Road Lane Hall House Park Abbey Castle Square Court Land Place Inn Hotel Bridge Farm Church Hill Island "
    "Bay River Palace Row Terrace Gardens Common Wood Cottage Lodge Grange Priory Manor College"
)
# Ranks, relatives, powers and days, which stand behind "Lord" or a verb of speech and name nobody.
_NOBODY = _words(
    "Chancellor Mayor Bishop Justice Lieutenant Almighty God Heaven Christ Jesus Lord Lords Ladyship Lordship Majesty "
    "Prince Princess King Queen Duke Duchess Earl Emperor Mother Father Papa Mamma Mama Baby Granny "
    "Highness Grace Excellency Reverence Worship Honour Superior General Advocate Provost Treasurer Commissioner "
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August "
    "September October November December Christmas Easter English French German Italian Spanish Irish Scotch Russian "
    "Englishman Frenchman Indian Indians American Americans"
)
_QUOTES = frozenset("\"'”\u2019")
MOST_WORDS = 3  # of a name behind a title
MIN_MENTIONS = 2  # of a name behind a title or beside a verb of speech
SMALL_SHARE = 0.1  # of a name's mentions that may begin with a small letter
PLACE_SHARE = 0.15  # of its mentions that may stand behind a preposition of place


@dataclass(frozen=True)
class BookNames:
    """What the rules found in a book.

    Attributes:
        names: Words that are names of persons wherever they stand.
        common: Words that are written with a small letter too, as names only behind a title.
    """

    names: frozenset[str]
    common: frozenset[str]


def is_capitalised(word: str) -> bool:
    """Whether a word begins with a capital letter and is neither "I" nor a form of it ("I'll")."""
    return word[0].isupper() and word.replace("\u2019", "'").split("'")[0] != "I"


def find_names(sentences: Iterable[Sequence[str]]) -> BookNames:
    """The names of persons of one book.

    Args:
        sentences: All sentences of the book, as words.
    """
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    places: Counter[str] = Counter()
    evidence: Counter[str] = Counter()
    for sentence in sentences:
        for place, word in enumerate(sentence):
            if not word[0].isalpha():
                continue
            if not is_capitalised(word):
                small[word.lower()] += 1
                continue
            if word.isupper():  # headings shout everything
                continue
            capital[word] += 1
            before = sentence[place - 1] if place else ""
            if before in _PLACE_BEFORE:
                places[word] += 1
            elif before in _SPEECH and word not in TITLES:
                evidence[word] += 1
            if sentence[place + 1 : place + 2] and sentence[place + 1] in _SPEECH and before in _QUOTES:
                evidence[word] += word not in TITLES
        for start, end in titled_spans(sentence):
            evidence.update(sentence[start:end])
    common = frozenset(word for word in capital if small[word.lower()] > SMALL_SHARE * capital[word])
    names = frozenset(
        word
        for word, count in evidence.items()
        if count >= MIN_MENTIONS
        and word not in common
        and word not in _NOBODY
        and word not in TITLES
        and places[word] <= PLACE_SHARE * capital[word]
        and len(word) > 1
    )
    return BookNames(names, common)


def titled_spans(sentence: Sequence[str]) -> list[tuple[int, int]]:
    """Where names stand behind titles: begin and end in words, the titles left out."""
    spans = []
    for place, word in enumerate(sentence[:-1]):
        if word not in TITLES:
            continue
        end = place + 1
        while end < len(sentence) and end - place <= MOST_WORDS and _may_be_name(sentence[end]):
            end += 1
        if end > place + 1:
            spans.append((place + 1, end))
    return spans


def _may_be_name(word: str) -> bool:
    return word[0].isalpha() and is_capitalised(word) and word not in TITLES and word not in _NOBODY


def name_spans(sentence: Sequence[str], book: BookNames) -> list[tuple[int, int]]:
    """The names of persons in a sentence: begin and end in words, none overlapping.

    Args:
        sentence: Words.
        book: What `find_names` found in the sentence's book.
    """
    inside = [_is_known(word, book.names) for word in sentence]
    for start, end in titled_spans(sentence):
        for place in range(start, end):
            # The first word behind a title is a name, whatever it is elsewhere ("Miss Young").
            inside[place] = inside[place] or place == start or sentence[place] not in book.common
    for place in range(len(sentence) - 2, -1, -1):
        word = sentence[place]
        # Not a sentence's first word, whose capital letter says nothing.
        if inside[place + 1] and place and _may_be_name(word) and word not in book.common and word[-1] != ".":
            inside[place] = inside[place] or not word.isupper()
    for place in range(len(sentence) - 1):
        if inside[place] and not inside[place + 1] and sentence[place + 1] in _PLACE_BEHIND:
            inside[place] = False
    return _runs(inside)


def _is_known(word: str, names: Collection[str]) -> bool:
    """Whether a word is a name of the book, in a heading's capital letters too."""
    return word in names or (word.isupper() and len(word) > 1 and word.capitalize() in names)


def _runs(inside: Sequence[bool]) -> list[tuple[int, int]]:
    """Begin and end of the runs of True."""
    spans = []
    start: int | None = None
    for place, here in enumerate([*inside, False]):
        if here and start is None:
            start = place
        elif not here and start is not None:
            spans.append((start, place))
            start = None
    return spans


def span_tags(words: int, spans: Iterable[tuple[int, int]]) -> list[str]:
    """BIO tags of a sentence of so many words (Ramshaw and Marcus 1995)."""
    tags = [LABELS[0]] * words
    for start, end in spans:
        tags[start:end] = [LABELS[1], *[LABELS[2]] * (end - start - 1)]
    return tags
