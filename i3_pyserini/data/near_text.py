"""Which texts say nearly the same: an exact join by the trigrams of their words.

Two texts of a Jaccard similarity of at least `overlap` share several of the rarest trigrams of each
(prefix filter; Chaudhuri, Ganti and Kaushik, ICDE 2006). A product of two sparse matrices of these
rare trigrams finds the pairs that do; only those are compared.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

LEAST = 0.6  # overlap: smaller ones are not of texts that say nearly the same
ALWAYS_SHARED = 2  # rare trigrams of any pair, be its texts of one letter
SHARED = 5  # rare trigrams of a pair, where both texts are long enough to have to share so many
READ = 1 << 14  # texts that are compared at a time
WORK = 1 << 24  # entries of a product before it is reduced to pairs
COMPARED = 1 << 17
ROUNDING = 1e-9
Rows = np.ndarray[Any, np.dtype[np.int64]]
Pairs = tuple[Rows, Rows]


class Near(NamedTuple):
    """Two texts that say nearly the same.

    Attributes:
        other: the row of the one among those that were compared.
        text: the row of the other among the texts that they were compared with.
        overlap: shared trigrams over all trigrams of both, from 0 to 1.
    """

    other: int
    text: int
    overlap: float


class _Blanks(dict[int, int]):
    """A table for `str.translate`: letters, digits and their marks stay, others become blanks."""

    def __missing__(self, code: int) -> int:
        sign = chr(code)
        is_word = sign.isalnum() or unicodedata.category(sign).startswith("M")
        self[code] = code if is_word else ord(" ")
        return self[code]


@lru_cache(maxsize=1)
def _blanks() -> _Blanks:
    return _Blanks()


def words_only(text: str) -> str:
    """A text's words with single blanks: without case, punctuation and compatibility forms.

    A text of nothing but signs is left as it is.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.translate(_blanks()).split()) or " ".join(folded.split())


def trigrams(text: str) -> set[str]:
    """Trigrams of a text's words, each word with blanks around it, as PostgreSQL's pg_trgm.

    Case, punctuation and the order of words make no difference. Where a script has no blanks
    between words, they are trigrams of characters.
    """
    words = (f"  {word} " for word in words_only(text).split())
    return {word[start : start + 3] for word in words for start in range(len(word) - 2)}


class NearTexts:
    """Texts with which others are compared, as often as needed.

    Memory: about 300 bytes for each text of six words, and 0.3 GB for a comparison.

    Args:
        texts: N of them.
        overlap: the least share of common trigrams of a pair, from `LEAST` to 1.
    """

    def __init__(self, texts: Sequence[str], overlap: float) -> None:
        self.overlap = overlap
        self._numbers: dict[str, int] = {}
        grams = [trigrams(text) for text in texts]
        for own in grams:
            for gram in sorted(own):
                self._numbers.setdefault(gram, len(self._numbers))
        sets = self._matrix(grams)
        frequencies = np.bincount(sets.indices, minlength=len(self._numbers))
        places = np.empty(len(self._numbers), dtype=np.int64)
        places[np.argsort(frequencies, kind="stable")] = np.arange(len(places))
        self._numbers = {gram: int(places[own]) for gram, own in self._numbers.items()}
        self._sets, self._sizes = self._matrix(grams), _lengths(grams)
        self._rare = self._prefixes(self._sets, self._sizes)

    def near(self, others: Sequence[str]) -> Iterator[Near]:
        """Yields all pairs of other texts and these texts, in the order of the others."""
        for start in range(0, len(others), READ):
            grams = [trigrams(text) for text in others[start : start + READ]]
            sets, sizes = self._matrix(grams), _lengths(grams)
            for pairs in self._candidates(self._prefixes(sets, sizes), sizes, self._rare):
                for near in self._compare(sets, sizes, pairs):
                    yield near._replace(other=near.other + start)

    def among(self) -> Iterator[Near]:
        """Yields all pairs of these texts, each pair once, the later text as `other`."""
        for start in range(0, len(self._sizes), READ):
            rows = slice(start, start + READ)
            rare, before = self._rare[rows], self._rare[: start + READ]
            for other, text in self._candidates(rare, self._sizes[rows], before):
                earlier = text < other + start
                pairs = other[earlier] + start, text[earlier]
                yield from self._compare(self._sets, self._sizes, pairs)

    def _candidates(self, rare: csr_matrix, sizes: Rows, texts: csr_matrix) -> Iterator[Pairs]:
        """Rows of other texts and of the first of these texts that share rare trigrams."""
        having = texts.T.tocsr()
        work = np.cumsum(rare @ np.diff(having.indptr))
        first = 0
        while first < len(sizes):
            done = work[first - 1] if first else 0
            end = max(first + 1, int(np.searchsorted(work, done + WORK, side="right")))
            product = rare[first:end] @ having
            found = np.flatnonzero(product.data >= ALWAYS_SHARED)
            other = np.searchsorted(product.indptr, found, side="right") - 1 + first
            text = product.indices[found].astype(np.int64)
            size, length = sizes[other], self._sizes[text]
            alike = np.minimum(size, length) >= self.overlap * np.maximum(size, length) - ROUNDING
            needed = np.minimum(self._least(np.minimum(size, length)), SHARED)
            likely = np.flatnonzero(alike & (product.data[found] >= needed))
            order = likely[np.lexsort((text[likely], other[likely]))]
            yield other[order], text[order]
            first = end

    def _compare(self, sets: csr_matrix, sizes: Rows, pairs: Pairs) -> Iterator[Near]:
        """The pairs that share enough of all their trigrams."""
        for start in range(0, len(pairs[0]), COMPARED):
            other, text = (rows[start : start + COMPARED] for rows in pairs)
            shared = np.asarray(sets[other].multiply(self._sets[text]).sum(axis=1)).ravel()
            overlap = shared / (sizes[other] + self._sizes[text] - shared)
            near = overlap >= self.overlap - ROUNDING
            found = (other[near].tolist(), text[near].tolist(), overlap[near].tolist())
            yield from map(Near, *found)

    def _matrix(self, grams: Sequence[set[str]]) -> csr_matrix:
        """Which text has which known trigram: int32 [texts, trigrams], in ascending columns."""
        columns: list[int] = []
        starts = [0]
        for own in grams:
            columns += sorted(self._numbers[gram] for gram in own if gram in self._numbers)
            starts.append(len(columns))
        values = np.ones(len(columns), dtype=np.int32)
        where = np.array(columns, dtype=np.int64)
        return csr_matrix((values, where, starts), shape=(len(grams), len(self._numbers)))

    def _prefixes(self, sets: csr_matrix, sizes: Rows) -> csr_matrix:
        """The rarest trigrams of texts, as `_matrix`; those that are unknown are the rarest."""
        known, least = np.diff(sets.indptr), self._least(sizes)
        lengths = np.clip(known - least + np.minimum(least, SHARED), 0, known)
        places = np.arange(sets.nnz) - np.repeat(sets.indptr[:-1], known)
        kept = places < np.repeat(lengths, known)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return csr_matrix((sets.data[kept], sets.indices[kept], starts), shape=sets.shape)

    def _least(self, sizes: Rows) -> Rows:
        """How many trigrams texts must share with another at least."""
        least: Rows = np.ceil(self.overlap * sizes - ROUNDING).astype(np.int64)
        return least


def _lengths(grams: Sequence[set[str]]) -> Rows:
    return np.array([len(own) for own in grams], dtype=np.int64)
