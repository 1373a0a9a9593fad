"""Cuts documents into windows whose ends are ends of words, sentences or paragraphs.

A *piece* is what is not divided: a word, or a part of one. In scripts that write no blanks between
words, such as Chinese and Thai, a word is divided at the tokens of the model, or else after each
letter; everywhere, a word that is too long for a window is divided too.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple, Protocol, get_args

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.sentences import Span, paragraphs, sentences

By = Literal["tokens", "sentences", "paragraphs"]
LEAST = 8  # ids or words that a window must have room for, besides the title
WORD = re.compile(r"\S+")
# Thai, Lao, Tibetan, Burmese, Khmer, kana, and Chinese characters.
CONTINUOUS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)


class Piece(NamedTuple):
    """A part of a text.

    Attributes:
        start: its first code point.
        end: the first one behind it.
        size: its length in ids or words.
        pieces: of how many pieces it consists.
    """

    start: int
    end: int
    size: int
    pieces: int = 1


class Measure(Protocol):
    """How long texts are.

    Attributes:
        longest: the longest passage that is read as a whole; None if there is no limit.
    """

    longest: int | None

    def overheads(self, titles: Sequence[str | None]) -> list[int]:
        """The length of all that stands around a text: title, prefix and special tokens."""
        ...

    def pieces(self, texts: Sequence[str], longest: Sequence[int]) -> list[list[Piece]]:
        """The pieces of texts; words longer than `longest` are divided."""
        ...

    def lengths(self, texts: Sequence[str], titles: Sequence[str | None]) -> list[int]:
        """The lengths of passages, with everything around the texts."""
        ...


@dataclass(frozen=True)
class Windowing:
    """How to cut.

    Attributes:
        by: "tokens" (words, see the module), or whole "sentences" or "paragraphs" as long as they
            fit; a longer paragraph is divided into sentences, a longer sentence into words.
        size: longest window, in the unit of the measure, with everything around its text.
        overlap: how much of a window the next one repeats at most: ids or words for "tokens",
            otherwise sentences or paragraphs.
    """

    by: By
    size: int
    overlap: int = 0


@dataclass(frozen=True)
class Windows:
    """The windows of a document.

    Attributes:
        title: the title of each: the document's, or its beginning if it is too long.
        places: of the windows in the document's text, in order; one at least.
        too_long: number of windows longer than the size: a piece that cannot be divided.
    """

    title: str | None
    places: list[Span]
    too_long: int = 0


class Cutter:
    """Cuts documents into windows.

    Args:
        how: see `Windowing`.
        measure: counts ids or words.

    Raises:
        I3Error: there is no such way to cut, the size has no room for a text or is longer than the
            model reads, or the overlap is negative or as long as a window.
    """

    def __init__(self, how: Windowing, measure: Measure) -> None:
        if how.by not in get_args(By):
            raise I3Error(f"by {how.by!r}: expected {', '.join(get_args(By))}")
        self.how, self.measure = how, measure
        (self._around,) = measure.overheads([None])
        room = how.size - self._around
        if room < LEAST:
            raise I3Error(
                f"size {how.size} leaves {max(room, 0)} for the text beside prefix and special "
                f"tokens; use at least {self._around + LEAST}"
            )
        if measure.longest is not None and how.size > measure.longest:
            raise I3Error(
                f"size {how.size} is more than the {measure.longest} ids that the model reads of "
                f"a passage: windows would be cut; use {measure.longest} at most"
            )
        if how.overlap < 0:
            raise I3Error(f"overlap is {how.overlap}, must be at least 0")
        if how.by == "tokens" and how.overlap >= room:
            raise I3Error(
                f"overlap {how.overlap} is not less than the {room} that size {how.size} leaves "
                f"for the text; use {room - 1} at most"
            )

    def cut(self, documents: Sequence[Passage]) -> list[Windows]:
        """The windows of each document.

        A window is measured again as the passage that it becomes. Where tokens depend on what
        stands beside them, it can be longer than the sum of its pieces; its document is then cut
        again into shorter windows.
        """
        titles = self._titles([one.title for one in documents])
        rooms = [self.how.size - around for around in self.measure.overheads(titles)]
        found: dict[int, Windows] = {}
        left = list(range(len(documents)))
        while left:
            texts = [documents[row].text for row in left]
            pieces = self.measure.pieces(texts, [rooms[row] for row in left])
            cut = [
                list(self._windows(text, of_text, rooms[row]))
                for text, of_text, row in zip(texts, pieces, left, strict=True)
            ]
            lengths = iter(self._lengths(texts, [titles[row] for row in left], cut))
            again = []
            for row, windows in zip(left, cut, strict=True):
                excess = [next(lengths) - self.how.size for _ in windows]
                divisible = [
                    over for over, one in zip(excess, windows, strict=True) if one.pieces > 1
                ]
                if max(divisible, default=0) > 0:
                    rooms[row] -= max(divisible)
                    again.append(row)
                else:
                    places = [(one.start, one.end) for one in windows]
                    too_long = sum(over > 0 for over in excess)
                    found[row] = Windows(titles[row], places, too_long)
            left = again
        return [found[row] for row in range(len(documents))]

    def _titles(self, titles: Sequence[str | None]) -> list[str | None]:
        """Titles, of which those that take more than half of the room are shortened to it."""
        half = (self.how.size - self._around) // 2
        shorter = list(titles)
        for row, around in enumerate(self.measure.overheads(titles)):
            title = titles[row]
            if title and around - self._around > half:
                (pieces,) = self.measure.pieces([title], [half])
                (first, *_) = pack(pieces, half)
                shorter[row] = title[: first.end]
        return shorter

    def _windows(self, text: str, pieces: Sequence[Piece], room: int) -> Iterator[Piece]:
        if not pieces:
            return iter([Piece(0, 0, 0)])
        if self.how.by == "tokens":
            return pack(pieces, room, self.how.overlap)
        kinds = [sentences] if self.how.by == "sentences" else [paragraphs, sentences]
        return pack(list(_units(text, pieces, room, kinds)), room, self.how.overlap, lambda _: 1)

    def _lengths(
        self,
        texts: Sequence[str],
        titles: Sequence[str | None],
        windows: Sequence[Sequence[Piece]],
    ) -> list[int]:
        pairs = [
            (text[one.start : one.end], title)
            for text, title, of_text in zip(texts, titles, windows, strict=True)
            for one in of_text
        ]
        return self.measure.lengths([text for text, _ in pairs], [title for _, title in pairs])


def pack(
    units: Sequence[Piece],
    room: int,
    overlap: int = 0,
    cost: Callable[[Piece], int] = lambda unit: unit.size,
) -> Iterator[Piece]:
    """Packs as many units as fit, one after the other, into each window.

    Args:
        units: in order.
        room: the longest window; a longer unit is a window by itself.
        overlap: how much of a window the next one repeats at most.
        cost: what a repeated unit counts for.

    Yields:
        The windows. Each ends behind the one before it.
    """
    ends = list(accumulate((unit.size for unit in units), initial=0))
    first = 0
    while True:
        last = first + 1
        while last < len(units) and ends[last + 1] - ends[first] <= room:
            last += 1
        chosen = units[first:last]
        size, pieces = ends[last] - ends[first], sum(unit.pieces for unit in chosen)
        yield Piece(chosen[0].start, chosen[-1].end, size, pieces)
        if last == len(units):
            return
        back, repeated = last, 0
        while overlap and back - 1 > first:  # a unit without ids, such as a BOM, costs nothing
            repeated += cost(units[back - 1])
            if repeated > overlap:
                break
            back -= 1
        while back < last and ends[last + 1] - ends[back] > room:  # nothing new would fit
            back += 1
        first = back


def _units(
    text: str,
    pieces: Sequence[Piece],
    room: int,
    kinds: Sequence[Callable[[str], Iterator[Span]]],
) -> Iterator[Piece]:
    """Units of the first kind; of a longer one, those of the next kind, and at last of pieces."""
    if not kinds:
        yield from pack(pieces, room)
        return
    split, *finer = kinds
    origin, starts = pieces[0].start, [piece.start for piece in pieces]
    spans = [origin + start for start, _ in split(text[origin : pieces[-1].end])]
    # A piece belongs to the unit that it begins in.
    bounds = [0, *(bisect_left(starts, start) for start in spans[1:]), len(pieces)]
    for first, last in pairwise(bounds):
        inside = pieces[first:last]
        if not inside:
            continue
        size = sum(piece.size for piece in inside)
        if size > room:
            yield from _units(text, inside, room, finer)
        else:
            yield Piece(inside[0].start, inside[-1].end, size, len(inside))


def divide(start: int, end: int, text: str, places: Sequence[int]) -> list[Span]:
    """Divides a word at those of some places where no mark belongs to the letter before it."""
    inner = sorted(
        {
            place
            for place in places
            if start < place < end and not unicodedata.category(text[place]).startswith("M")
        }
    )
    return list(zip([start, *inner], [*inner, end], strict=True))


class Words:
    """Measures texts in words, for cutting without a model; titles count for nothing.

    A letter of a script without blanks between words is a word.
    """

    longest: int | None = None

    def overheads(self, titles: Sequence[str | None]) -> list[int]:
        """Nothing; see `Measure`."""
        return [0] * len(titles)

    def pieces(self, texts: Sequence[str], longest: Sequence[int]) -> list[list[Piece]]:
        """The words; see `Measure`."""
        return [
            [
                Piece(start, end, 1)
                for word in WORD.finditer(text)
                for start, end in self._divided(text, *word.span())
            ]
            for text in texts
        ]

    def lengths(self, texts: Sequence[str], titles: Sequence[str | None]) -> list[int]:
        """Numbers of words; see `Measure`."""
        return [len(pieces) for pieces in self.pieces(texts, [0] * len(texts))]

    def _divided(self, text: str, start: int, end: int) -> list[Span]:
        if not CONTINUOUS.search(text, start, end):
            return [(start, end)]
        letters = [CONTINUOUS.match(text, place) is not None for place in range(start, end)]
        both = zip(letters, [False, *letters], strict=False)
        return divide(start, end, text, [start + row for row, two in enumerate(both) if any(two)])
