"""Which texts say nearly the same: an exact join by the trigrams of their words."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from tqdm import tqdm

SHARED = 2  # rare trigrams of a pair: texts of an overlap from 0.6 on share so many
PAIRS = 1 << 20  # that are looked at at a time
COMPARED = 1 << 17
ROUNDING = 1e-9
BITS = 256  # of a signature
BIT_COUNTS = np.array([byte.bit_count() for byte in range(256)], dtype=np.uint8)
Rows = np.ndarray[Any, np.dtype[np.int64]]
Signatures = np.ndarray[Any, np.dtype[np.uint8]]


def trigrams(text: str) -> set[str]:
    """Trigrams of a text's words, each word with blanks around it, as PostgreSQL's pg_trgm.

    Case, punctuation and the order of words make no difference.
    """
    words = (f"  {word} " for word in re.findall(r"\w+", text.casefold()))
    return {word[start : start + 3] for word in words for start in range(len(word) - 2)}


def near_pairs(
    texts: Sequence[str], overlap: float, groups: Callable[[Rows], Rows]
) -> Iterator[tuple[int, int]]:
    """Yields the pairs of texts that share at least `overlap` of their trigrams.

    All such pairs share two of their rarest trigrams (prefix filter; Chaudhuri, Ganti and
    Kaushik, ICDE 2006), so that only those are compared. Memory: about 16 bytes for each two of
    these, some 30 a query.

    Args:
        texts: N of them.
        overlap: the least share, shared trigrams over all of both texts (Jaccard), from 0.6 on.
        groups: the group of each of some texts; pairs that are in one group already are left out.
    """
    sets = _matrix(texts)
    sizes = np.diff(sets.indptr).astype(np.int64)
    signatures = _signatures(sets)
    rows, later = _candidates(sets, sizes, overlap)
    until = np.cumsum(later)
    with tqdm(total=len(rows), desc="near texts", unit=" keys", unit_scale=True, delay=2) as shown:
        first = 0
        while first < len(rows):
            done = until[first - 1] if first else 0
            end = max(first + 1, int(np.searchsorted(until, done + PAIRS, side="right")))
            counts = later[first:end]
            left = np.repeat(np.arange(first, end), counts)
            right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
            yield from _near(sets, signatures, rows[left], rows[right], overlap, groups)
            shown.update(end - first)
            first = end


def _near(
    sets: csr_matrix,
    signatures: Signatures,
    left: Rows,
    right: Rows,
    overlap: float,
    groups: Callable[[Rows], Rows],
) -> Iterator[tuple[int, int]]:
    """The pairs that share enough, of those in different groups."""
    sizes = np.diff(sets.indptr).astype(np.int64)
    most = _most_shared(signatures, sizes, left, right)
    alike = most >= overlap * (sizes[left] + sizes[right] - most) - ROUNDING
    pairs = np.unique(np.stack([left[alike], right[alike]]), axis=1)
    if not pairs.size:
        return
    known, where = np.unique(pairs, return_inverse=True)
    group = groups(known)[where.reshape(pairs.shape)]
    one, other = pairs[:, group[0] != group[1]]
    for start in range(0, len(one), COMPARED):
        a, b = one[start : start + COMPARED], other[start : start + COMPARED]
        shared = np.asarray(sets[a].multiply(sets[b]).sum(axis=1)).ravel()
        near = shared >= overlap * (sizes[a] + sizes[b] - shared) - ROUNDING
        yield from zip(a[near].tolist(), b[near].tolist(), strict=True)


def _signatures(sets: csr_matrix) -> Signatures:
    """Bits of the texts, uint8 [N, BITS / 8]: each trigram sets one, which others may share."""
    found = np.empty((sets.shape[0], BITS // 8), dtype=np.uint8)
    for start in range(0, len(found), 1 << 16):
        some = sets[start : start + (1 << 16)]
        bits = np.zeros((some.shape[0], BITS), dtype=np.bool_)
        bits[np.repeat(np.arange(len(bits)), np.diff(some.indptr)), some.indices % BITS] = True
        found[start : start + len(bits)] = np.packbits(bits, axis=1)
    return found


def _most_shared(signatures: Signatures, sizes: Rows, left: Rows, right: Rows) -> Rows:
    """How many trigrams texts share at most: those whose bit the other has."""
    one, other = signatures[left], signatures[right]
    lacking = BIT_COUNTS[one & ~other].sum(axis=1, dtype=np.int64)
    missing = BIT_COUNTS[other & ~one].sum(axis=1, dtype=np.int64)
    most: Rows = np.minimum(sizes[left] - lacking, sizes[right] - missing)
    return most


def _matrix(texts: Sequence[str]) -> csr_matrix:
    """Which text has which trigram: int32 [N, V], the rarest trigrams first."""
    numbers: dict[str, int] = {}
    columns: list[int] = []
    starts = [0]
    for text in texts:
        columns += [numbers.setdefault(gram, len(numbers)) for gram in sorted(trigrams(text))]
        starts.append(len(columns))
    place = np.empty(len(numbers), dtype=np.int64)
    counts = np.bincount(columns, minlength=len(numbers))
    place[np.argsort(counts, kind="stable")] = np.arange(len(numbers))
    ones = np.ones(len(columns), dtype=np.int32)
    where = place[np.array(columns, dtype=np.int64)]
    sets = csr_matrix((ones, where, starts), shape=(len(texts), len(numbers)))
    sets.sort_indices()
    return sets


def _candidates(sets: csr_matrix, sizes: Rows, overlap: float) -> tuple[Rows, Rows]:
    """Texts by the pairs of rare trigrams that they have.

    Returns:
        A text for each pair of its rarest trigrams that another text has, too, the texts of a pair
        one after the other; and how many of these follow each.
    """
    least = np.ceil(overlap * sizes - ROUNDING).astype(np.int64)  # that a text must share
    lengths = np.minimum(sizes - least + SHARED, sizes)
    keys, rows = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for length in np.unique(lengths[lengths >= SHARED]).tolist():
        own = np.flatnonzero(lengths == length)
        rarest = sets.indices[sets.indptr[own][:, None] + np.arange(length)].astype(np.int64)
        first, second = np.triu_indices(length, 1)
        keys.append((rarest[:, first] * sets.shape[1] + rarest[:, second]).ravel())
        rows.append(np.repeat(own, len(first)))
    key, row = np.concatenate(keys), np.concatenate(rows)
    order = np.lexsort((row, key))
    key, row = key[order], row[order]
    ends = np.searchsorted(key, key, side="right")
    later = ends - np.arange(len(key)) - 1
    kept = later + (np.arange(len(key)) - np.searchsorted(key, key)) > 0
    return row[kept], later[kept]
