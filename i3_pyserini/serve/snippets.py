"""Parts of texts around the words of a query, which are marked."""

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

import regex

from i3_pyserini.formats.languages import ENGLISH
from i3_pyserini.search.word_index import TOKENIZE, content_words, stop_words

SHOWN = 250  # characters of a snippet
LEAD = 70  # of them before the first word of a query, at most
LETTER = 32  # characters of one at most: a family of emoji has 7 to 11
SENTENCE_END = regex.compile(r"[.!?؟۔।] |[。！？]")
FROM, TO = "\x01", "\x02"  # around a word that SQLite found; removed from texts
NO_CONTROL = dict.fromkeys((0, 1, 2), " ")
Pieces = list[tuple[str, bool]]  # a text, and whether it is a word of the query
Spans = list[tuple[int, int]]  # where a word begins, and where it ends


@dataclass(frozen=True)
class Snippet:
    """A part of a text.

    Attributes:
        pieces: the part.
        before: whether text before it is left out.
        after: whether text behind it is left out.
    """

    pieces: Pieces
    before: bool
    after: bool


def find_words(query: str, texts: Sequence[str], language: str = ENGLISH) -> list[Spans]:
    """Finds a query's words in texts as BM25 of SQLite does: by stem, in English no stop words.

    Args:
        query: the query; if it has only stop words, they count.
        texts: the texts.
        language: see `i3_pyserini.search.word_index.text_for`.

    Returns:
        The places of the words in each text, in order.
    """
    if language == ENGLISH:
        return _find_english(query, texts)
    from i3_pyserini.search.analysis import Analyzer  # noqa: PLC0415  (not for English)

    analyzer = Analyzer(language)
    terms = set(analyzer.terms(query))
    return [
        _joined((one.start, one.end) for one in analyzer.tokens(text) if one.term in terms)
        for text in texts
    ]


def _joined(spans: Iterable[tuple[int, int]]) -> Spans:
    """Spans in order, of which those that overlap are one."""
    found: Spans = []
    for start, end in spans:
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _find_english(query: str, texts: Sequence[str]) -> list[Spans]:
    words = dict.fromkeys(content_words(query, stop_words()))
    found: list[Spans] = [[] for _ in texts]
    if not words:
        return found
    match = " OR ".join(f'"{word}"' for word in words)
    rows = enumerate(text.translate(NO_CONTROL) for text in texts)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE VIRTUAL TABLE shown USING fts5(text, {TOKENIZE})")
        connection.executemany("INSERT INTO shown(rowid, text) VALUES (?, ?)", rows)
        marked = "SELECT rowid, highlight(shown, 0, ?, ?) FROM shown WHERE text MATCH ?"
        for row, text in connection.execute(marked, (FROM, TO, match)):
            found[row] = _spans(text)
    return found


def pieces_of(text: str, spans: Spans) -> Pieces:
    """A text in pieces: the words of a query, and whatever is between them."""
    pieces: Pieces = []
    done = 0
    for start, end in spans:
        pieces += [(text[done:start], False), (text[start:end], True)]
        done = end
    pieces.append((text[done:], False))
    return [(piece, marked) for piece, marked in pieces if piece]


def snippet(text: str, spans: Spans) -> Snippet:
    """The part of a text that has the most different words of a query; the first of equal ones.

    Args:
        text: the text.
        spans: the places of the words; see `find_words`.
    """
    start, end = _part(text, spans)
    inside = [(max(one, start) - start, min(two, end) - start) for one, two in spans]
    kept = [(one, two) for one, two in inside if one < two]
    return Snippet(pieces_of(text[start:end], kept), start > 0, end < len(text))


def _part(text: str, spans: Spans) -> tuple[int, int]:
    """Where a snippet begins and ends."""
    if len(text) <= SHOWN:
        return 0, len(text)
    words = [text[start:end].lower() for start, end in spans]
    starts = [start for start, _ in spans]

    def count(first: int) -> tuple[int, int]:
        inside = words[bisect_left(starts, first) : bisect_left(starts, first + SHOWN - LEAD)]
        return len(set(inside)), len(inside)

    best = max((0, *starts), key=count)  # the first of equal ones
    start = _beginning(text, best) if best >= SHOWN - LEAD else 0
    if start + SHOWN >= len(text):
        return _word(text, len(text) - SHOWN), len(text)
    end = text.rfind(" ", start + SHOWN // 2, start + SHOWN + 1)
    return start, end if end > 0 else _letter(text, start + SHOWN)


def _beginning(text: str, place: int) -> int:
    """The beginning of the sentence that a place is in, or of a word before it."""
    ends = list(SENTENCE_END.finditer(text, max(0, place - LEAD), place))
    return ends[-1].end() if ends else _word(text, place - LEAD)


def _word(text: str, place: int) -> int:
    """Where the first word at or behind a place begins."""
    blank = text.find(" ", place, place + LEAD)
    return blank + 1 if blank >= 0 else _letter(text, place)


def _letter(text: str, place: int) -> int:
    """Where the letter at a place begins, with the marks that belong to it."""
    if not 0 < place < len(text):
        return place
    first = max(0, place - LETTER)
    letters = regex.finditer(r"\X", text[first : place + 1])
    return first + max(int(one.start()) for one in letters)


def _spans(text: str) -> Spans:
    """Where the words are that have `FROM` and `TO` around them, in the text without those."""
    spans, at = [], 0
    for number, part in enumerate(text.replace(TO, FROM).split(FROM)):
        if number % 2:
            spans.append((at, at + len(part)))
        at += len(part)
    return spans
