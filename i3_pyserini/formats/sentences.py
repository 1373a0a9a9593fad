"""Splits a text into sentences and paragraphs, given by their places in it.

A sentence ends at `.`, `!`, `?` or the like (with closing quotes and brackets) before white space
and a letter that is not small; but not at the full stop of an initial ("J. Smith"), of letters with
stops between ("U.S. Army") or of one of `ABBREVIATIONS`. Where such a word does end the sentence,
the next one is taken with it. Chinese and Japanese full stops end one whatever follows, and so do
blank lines. Thai has no full stops: there a sentence ends at white space between two Thai letters.
"""

import re
from collections.abc import Iterable, Iterator

Span = tuple[int, int]  # start and end, in code points

# Words with a full stop that are mostly followed by a capital inside a sentence.
ABBREVIATIONS = re.compile(
    "al|approx|bros|capt|cf|co|col|corp|dept|dr|figs?|ft|gen|gov|hon|inc|jr|lt|ltd|mr|mrs|ms|mt|"
    r"ph\.d|pres|prof|rep|rev|sen|sgt|sr|st|univ|vol|vs"
    r"|[^\W\d_](\.[^\W\d_])*"  # initials, and letters with stops between
)
MARKS = ".!?…؟۔।"
THAI = "\u0e01-\u0e3a\u0e40-\u0e4e"
# CJK marks, blank lines and blanks in Thai end a sentence whatever follows; the others before white
# space only.
SENTENCE_END = re.compile(
    rf"(?<![{MARKS}])(?P<mark>[{MARKS}]+)[\"'”’»)\]]*(?=\s+[\"'“‘«(\[¿¡]*(?P<next>\w))"
    rf"|[。！？｡]+[”’」』）]*|\n\s*\n|(?<=[{THAI}])(?=\s+[{THAI}])"
)
BLANK_LINES = re.compile(r"\n\s*\n")


def sentences(text: str) -> Iterator[Span]:
    """The places of the sentences of a text, in order, without white space around them."""
    return _trimmed(text, _between(text, sentence_ends(text)))


def paragraphs(text: str) -> Iterator[Span]:
    """The places of the paragraphs of a text, which blank lines separate; see `sentences`."""
    return _trimmed(text, _between(text, (found.end() for found in BLANK_LINES.finditer(text))))


def sentence_ends(text: str) -> Iterator[int]:
    """The places behind a sentence that are not the text's own end."""
    for end in SENTENCE_END.finditer(text):
        before = text[max(0, end.start() - 40) : end.start()]
        if end["mark"] is None or _ends(before, end["mark"], end["next"]):
            yield end.end()


def _ends(before: str, mark: str, following: str) -> bool:
    if not following.isalpha() or following.islower():
        return False
    word = next(iter(before.split()[-1:]), "").lstrip("\"'“‘«([").casefold()
    return mark != "." or not ABBREVIATIONS.fullmatch(word)


def _between(text: str, ends: Iterable[int]) -> Iterator[Span]:
    start = 0
    for end in ends:
        yield start, end
        start = end
    yield start, len(text)


def _trimmed(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Spans without the white space at their ends; those that have nothing else are left out."""
    for start, end in spans:
        part = text[start:end]
        inner = part.lstrip()
        if inner:
            first = end - len(inner)
            yield first, first + len(inner.rstrip())
