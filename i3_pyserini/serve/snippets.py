"""Texts as the page shows them: a query's words marked, the rest of a long text folded away."""

from collections.abc import Set
from dataclasses import dataclass

from i3_pyserini.serve.bm25 import WORD, stop_words

SHOWN = 600  # characters, more than most passages of MS MARCO have
Pieces = list[tuple[str, bool]]


@dataclass(frozen=True)
class Snippet:
    """A text in two parts; a piece is a text and whether it is one of the query's words.

    Attributes:
        head: the beginning.
        rest: what follows; empty for a text that is short enough.
    """

    head: Pieces
    rest: Pieces


def snippet(text: str, words: Set[str]) -> Snippet:
    """Cuts a long text between two words, and marks words.

    Args:
        text: the text.
        words: to mark, in lower case.
    """
    end = len(text)
    if end > SHOWN:
        end = text.rfind(" ", 0, SHOWN) + 1 or SHOWN
    return Snippet(_marked(text[:end], words), _marked(text[end:], words))


def words_of(query: str) -> frozenset[str]:
    """A query's words, in lower case, without stop words unless it has no others."""
    words = frozenset(WORD.findall(query.lower()))
    return words - stop_words() or words


def _marked(text: str, words: Set[str]) -> Pieces:
    """Text in pieces: words that are to be marked, and whatever is between them."""
    pieces: Pieces = []
    done = 0
    for match in WORD.finditer(text):
        if match[0].lower() in words:
            pieces += [(text[done : match.start()], False), (match[0], True)]
            done = match.end()
    pieces.append((text[done:], False))
    return [(piece, marked) for piece, marked in pieces if piece]
