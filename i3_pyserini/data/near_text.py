"""Which texts say nearly the same: an exact join by the trigrams of their words.

Two texts of a Jaccard similarity of at least `overlap` share two of the rarest trigrams of each
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
SHARED = 2  # rare trigrams of a pair: two texts of an overlap of 0.5 or more share so many
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
        self._rare = self._prefixes(self._sets, self._sizes).T.tocsr()
        self._having = np.diff(self._rare.indptr)

    def near(self, others: Sequence[str]) -> Iterator[Near]:
        """Yields all pairs of other texts and these texts, in the order of the others."""
        for start in range(0, len(others), READ):
            grams = [trigrams(text) for text in others[start : start + READ]]
            for near in self._near(self._matrix(grams), _lengths(grams)):
                yield near._replace(other=near.other + start)

    def _near(self, sets: csr_matrix, sizes: Rows) -> Iterator[Near]:
        rare = self._prefixes(sets, sizes)
        work = np.cumsum(rare @ self._having)
        first = 0
        while first < len(sizes):
            done = work[first - 1] if first else 0
            end = max(first + 1, int(np.searchsorted(work, done + WORK, side="right")))
            product = (rare[first:end] @ self._rare).tocoo()
            shared = product.data >= SHARED
            other, text = product.row[shared].astype(np.int64) + first, product.col[shared]
            order = np.lexsort((text, other))
            yield from self._compare(sets, sizes, (other[order], text[order].astype(np.int64)))
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
        known = np.diff(sets.indptr)
        least = np.ceil(self.overlap * sizes - ROUNDING).astype(np.int64)  # that a pair shares
        lengths = np.clip(known - least + SHARED, 0, known)
        places = np.arange(sets.nnz) - np.repeat(sets.indptr[:-1], known)
        kept = places < np.repeat(lengths, known)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return csr_matrix((sets.data[kept], sets.indices[kept], starts), shape=sets.shape)


def _lengths(grams: Sequence[set[str]]) -> Rows:
    return np.array([len(own) for own in grams], dtype=np.int64)
