"""Scores of captions against several references a picture: BLEU-1 to BLEU-4 and CIDEr-D.

CIDEr-D (Vedantam, Zitnick and Parikh 2015, section 4 and equation 6) is the mean, over n-grams of one to four words and
over a picture's references, of the cosine between the tf-idf vectors of caption and reference, where the caption's
counts are clipped to the reference's and a Gaussian (sigma 6) punishes another length; times 10. The document of an
n-gram is a picture with all of its references. The paper's stemming is left out, as in the evaluation server of COCO.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ORDER = 4  # longest n-grams
SIGMA = 6.0  # of the length penalty, in words
SCALE = 10.0
_NOT_WORDS = re.compile(r"[^\w'-]+|(?<!\w)['-]+|['-]+(?!\w)")

Ngram = tuple[str, ...]


def caption_words(text: str) -> list[str]:
    """The words of a caption in lower case, without punctuation."""
    return _NOT_WORDS.sub(" ", text.lower()).split()


def plain_caption(text: str) -> str:
    """A caption as its words with spaces between, which is what models learn and scores compare."""
    return " ".join(caption_words(text))


def ngrams(words: Sequence[str]) -> list[Counter[Ngram]]:
    """How often each n-gram occurs, by n from 1 to `ORDER`."""
    return [
        Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1)) for n in range(1, ORDER + 1)
    ]


class CiderD:
    """CIDEr-D with the document frequencies of one set of references.

    Args:
        references: Captions of each picture.

    Attributes:
        pictures: How many pictures the frequencies come from.
        documents: In how many of them each n-gram occurs.
    """

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        self.pictures = len(references)
        self.documents: Counter[Ngram] = Counter()
        for texts in references:
            counts = [ngrams(caption_words(text)) for text in texts]
            self.documents.update({ngram for orders in counts for order in orders for ngram in order})

    def vectors(self, words: Sequence[str]) -> tuple[list[dict[Ngram, float]], list[float]]:
        """The tf-idf vector of a caption for each n, and their lengths."""
        whole = math.log(max(1, self.pictures))
        vectors = [
            {ngram: count * (whole - math.log(max(1, self.documents[ngram]))) for ngram, count in order.items()}
            for order in ngrams(words)
        ]
        return vectors, [math.sqrt(sum(value**2 for value in vector.values())) for vector in vectors]

    def score(self, caption: str, references: Sequence[str]) -> float:
        """CIDEr-D of one caption, from 0 to 10.

        Args:
            caption: What was written.
            references: Captions of its picture.
        """
        words = caption_words(caption)
        written, written_norms = self.vectors(words)
        total = 0.0
        for reference in references:
            other = caption_words(reference)
            wanted, wanted_norms = self.vectors(other)
            penalty = math.exp(-((len(words) - len(other)) ** 2) / (2 * SIGMA**2))
            for n in range(ORDER):
                norm = written_norms[n] * wanted_norms[n]
                if norm:
                    shared = written[n].keys() & wanted[n].keys()
                    product = sum(min(written[n][ngram], wanted[n][ngram]) * wanted[n][ngram] for ngram in shared)
                    total += penalty * product / norm
        return SCALE * total / ORDER / max(1, len(references))


def consensus_caption(candidates: Sequence[str], cider: CiderD) -> str:
    """The caption that agrees best with all others (Devlin et al. 2015), the first of equals.

    Args:
        candidates: At least one.
        cider: Measures how far two agree.
    """
    scores = [
        np.mean([cider.score(one, [other]) for place, other in enumerate(candidates) if place != number] or [0.0])
        for number, one in enumerate(candidates)
    ]
    return candidates[int(np.argmax(scores))]


def bleu_counts(caption: str, references: Sequence[str]) -> list[float]:
    """What the BLEU of a caption is made of: n-grams that a reference has, n-grams, its length and the nearest
    reference's, 2 x `ORDER` + 2 numbers."""
    from sacrebleu.metrics import BLEU

    bleu = BLEU(tokenize="none", effective_order=True)
    score = bleu.sentence_score(plain_caption(caption), [plain_caption(reference) for reference in references])
    return [*score.counts, *score.totals, score.sys_len, score.ref_len]


def bleu_of(counts: NDArray[Any], order: int) -> float:
    """BLEU with n-grams up to `order` of summed counts (2 x `ORDER` + 2,), 0 to 100, smoothed like sacrebleu's."""
    from sacrebleu.metrics import BLEU

    numbers = [round(float(value)) for value in counts]
    correct, total, (written, reference) = numbers[:ORDER], numbers[ORDER : 2 * ORDER], numbers[2 * ORDER :]
    score = BLEU.compute_bleu(
        correct[:order], total[:order], written, reference, smooth_method="exp", max_ngram_order=order
    )
    return float(score.score)
