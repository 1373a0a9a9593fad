"""Words of texts in any language, without Java: for the BM25 of SQLite and for marked words.

Words are runs of letters, digits and the marks that belong to them, in lower case and composed
(NFKC), stemmed with Snowball where there is a stemmer. Scripts that are written without blanks
(Chinese characters, kana, Hangul, Thai, Lao, Khmer, Burmese) give overlapping pairs of letters, as
Lucene's CJKAnalyzer does; a letter alone is one term. A letter has its vowel signs and tones.
"""

import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import regex

from i3_pyserini.formats.languages import PRETOKENIZED
from i3_pyserini.formats.scripts import UNSPACED
from i3_pyserini.search.languages import SNOWBALL

_UNSPACED = rf"[{UNSPACED}\p{{Hangul}}]"
MARK = r"[\p{M}\uff9e\uff9f]"  # with the two of kana in half width
# A joiner inside a word comes after a virama, in Indic scripts; elsewhere it ends a word, as in
# Persian.
RUN = regex.compile(
    rf"(?P<pairs>(?:(?=[\p{{L}}\p{{N}}ー々〆]){_UNSPACED}{MARK}*+)+)"
    rf"|(?:(?!{_UNSPACED})[\p{{L}}\p{{N}}]{MARK}*+(?:(?<=\p{{Mn}})[\u200c\u200d](?=\p{{L}}))?)+"
)
LETTER = regex.compile(r"\X")
BLANKS = regex.compile(r"\S+")
JOINERS = dict.fromkeys((0x200C, 0x200D, 0x0640))  # and the Arabic tatweel
LONGEST = 255  # characters of a word; the rest is dropped
TURKIC = {ord("I"): "ı", ord("İ"): "i"}


class Token(NamedTuple):
    """A word of a text.

    Attributes:
        term: what is compared.
        start: where it begins in the text.
        end: where it ends.
    """

    term: str
    start: int
    end: int


class Analyzer:
    """Finds the words of a text.

    Args:
        code: a language of `i3_pyserini.search.languages.SQLITE` but English, which SQLite
            analyzes itself; or none or pretokenized.
    """

    def __init__(self, code: str) -> None:
        self._code = code
        self._stem = lru_cache(1 << 18)(_stemmer(code))  # most words come often

    def tokens(self, text: str) -> Iterator[Token]:
        """The words of a text with their places, in order; those of pairs of letters overlap."""
        if self._code == PRETOKENIZED:
            for found in BLANKS.finditer(text):
                yield Token(found[0][:LONGEST], *found.span())
            return
        for found in RUN.finditer(text):
            if found["pairs"] is None:
                yield Token(self._stem(found[0])[:LONGEST], *found.span())
            else:
                yield from _pairs(found[0], found.start())

    def terms(self, text: str) -> list[str]:
        """The words of a text."""
        return [token.term for token in self.tokens(text)]


def _pairs(run: str, offset: int) -> Iterator[Token]:
    """Overlapping pairs of letters; the letter itself where there is only one."""
    letters = [
        Token(unicodedata.normalize("NFKC", found[0]), found.start() + offset, found.end() + offset)
        for found in LETTER.finditer(run)
    ]
    if len(letters) == 1:
        yield letters[0]
    for one, two in pairwise(letters):
        yield Token(one.term + two.term, one.start, two.end)


def _stemmer(code: str) -> Callable[[str], str]:
    """What makes a term of a word."""

    def plain(word: str) -> str:
        word = word.translate(TURKIC) if code == "tr" else word
        word = unicodedata.normalize("NFKC", word.translate(JOINERS).lower())
        return unicodedata.normalize("NFKC", word)

    if code not in SNOWBALL:
        return plain
    import snowballstemmer  # noqa: PLC0415  (only where it is used)

    stemmer = snowballstemmer.stemmer(SNOWBALL[code])

    def stem(word: str) -> str:
        found: str = stemmer.stemWord(plain(word))
        return found

    return stem
