"""Word lists of the bias measures: those of Bolukbasi et al. 2016 as a data set, those of Caliskan et al. 2017 here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

DATA = "tsugiki/debiaswe"
SOURCE = "https://github.com/tolga-b/debiaswe at 6bb03ee2a0d7214339e513ca71cd0a99069dc29c"


@dataclass(frozen=True)
class WeatTest:
    """Two sets of targets and two of attributes (Caliskan et al. 2017, table 1 and its supplement).

    Attributes:
        name: What is compared with what.
        first_targets: X; a positive effect says that they lie nearer to the first attributes.
        second_targets: Y.
        first_attributes: A.
        second_attributes: B.
    """

    name: str
    first_targets: tuple[str, ...]
    second_targets: tuple[str, ...]
    first_attributes: tuple[str, ...]
    second_attributes: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ARTS = "poetry art dance literature novel symphony drama sculpture"

WEAT_TESTS = (
    WeatTest(
        "WEAT 6: male and female names, career and family",
        _words("John Paul Mike Kevin Steve Greg Jeff Bill"),
        _words("Amy Joan Lisa Sarah Diana Kate Ann Donna"),
        _words("executive management professional corporation salary office business career"),
        _words("home parents children family cousins marriage wedding relatives"),
    ),
    WeatTest(
        "WEAT 7: mathematics and arts, male and female terms",
        _words("math algebra geometry calculus equations computation numbers addition"),
        _words(_ARTS),
        _words("male man boy brother he him his son"),
        _words("female woman girl sister she her hers daughter"),
    ),
    WeatTest(
        "WEAT 8: science and arts, male and female terms",
        _words("science technology physics chemistry Einstein NASA experiment astronomy"),
        _words(_ARTS.replace("sculpture", "Shakespeare")),
        _words("brother father uncle grandfather son he his him"),
        _words("sister mother aunt grandmother daughter she hers her"),
    ),
)


@dataclass(frozen=True)
class BiasLists:
    """The lists of Bolukbasi et al. 2016.

    Attributes:
        definitional: Pairs (female, male) that define gender.
        equalize: Pairs that are to differ in nothing but gender, (male, female) for the most part.
        gender_specific: Words that have a gender by definition, such as "sister"; all others should have none.
        professions: Professions, of which some are gender-specific.
    """

    definitional: tuple[tuple[str, str], ...]
    equalize: tuple[tuple[str, str], ...]
    gender_specific: frozenset[str]
    professions: tuple[str, ...]

    @classmethod
    def load(cls, data: str = DATA) -> BiasLists:
        """Read the lists from their data set.

        Args:
            data: Its id or folder, with the configurations ``pairs``, ``words`` and ``professions``.

        Raises:
            DataError: It is missing.
        """
        from tsugiki.data.load_data import load_split

        pairs, words, professions = (
            load_split(data, "train", config=name, source=SOURCE) for name in ("pairs", "words", "professions")
        )
        kinds = pairs.features["kind"].names
        by_kind: dict[str, list[tuple[str, str]]] = {name: [] for name in kinds}
        for row in pairs:
            by_kind[kinds[row["kind"]]].append((row["word1"], row["word2"]))
        return cls(
            definitional=tuple(by_kind["definitional"]),
            equalize=tuple(by_kind["equalize"]),
            gender_specific=frozenset(words["word"]),
            professions=tuple(professions["profession"]),
        )


def known_words(index: Mapping[str, int], words: Iterable[str]) -> list[str]:
    """The words of a list that a vocabulary has, as written there or in lower case, each once, in the list's order."""
    found = (_as_known(index, word) for word in words)
    return list(dict.fromkeys(word for word in found if word is not None))


def known_pairs(index: Mapping[str, int], pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of which a vocabulary has both words, as `known_words` finds them, each pair once."""
    found: dict[tuple[str, str], None] = {}
    for one, other in pairs:
        first, second = _as_known(index, one), _as_known(index, other)
        if first is not None and second is not None and first != second:
            found[first, second] = None
    return list(found)


def _as_known(index: Mapping[str, int], word: str) -> str | None:
    return next((form for form in (word, word.lower()) if form in index), None)
