"""What an import makes of passages: ids, texts without markup, and metadata."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from i3_pyserini.data.sources import Source
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.made import Made
from i3_pyserini.formats.markup import strip_html
from i3_pyserini.formats.metadata import FieldTypes
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.qrels import Judgements
from i3_pyserini.formats.topics import Topic

ID_LENGTH = 16  # hexadecimal digits: of a billion texts two are alike with a chance of 3%


class Prepared(Source):
    """A source whose passages are changed while they are read.

    Args:
        source: the collection.
        strip_html: remove markup from titles and texts.

    Attributes:
        notes: what was done, after all passages have been read.
    """

    def __init__(self, source: Source, strip_html: bool = False) -> None:
        self._source, self._strips = source, strip_html
        self.name, self.origin, self.duplicates = source.name, source.origin, source.duplicates
        self.keep, self.make_ids = source.keep, source.make_ids
        self.language = source.language
        self.notes: list[str] = []

    def passages(self) -> Iterator[tuple[str, Passage]]:
        """See `Source`."""
        found = self._source.passages()
        if self._strips:
            found = self._stripped(found)
        if self.make_ids:
            found = self._named(found)
        return self._kept(found) if self.keep else found

    def splits(self) -> list[str]:
        """See `Source`."""
        return self._source.splits()

    def topics(self, split: str) -> Iterator[Topic]:
        """See `Source`."""
        return self._source.topics(split)

    def judgements(self, split: str) -> Judgements | None:
        """See `Source`."""
        return self._source.judgements(split)

    def made(self, split: str) -> Made | None:
        """See `Source`."""
        return self._source.made(split)

    def _stripped(self, found: Iterator[tuple[str, Passage]]) -> Iterator[tuple[str, Passage]]:
        changed, first = 0, ""
        for place, passage in found:
            title, text = strip_html(passage.title or ""), strip_html(passage.text)
            if (title, text) != (passage.title or "", passage.text):
                changed, first = changed + 1, first or place
            yield place, replace(passage, title=title or None, text=text)
        where = f" (first: {first})" if first else ""
        self.notes.append(f"markup removed from {changed:,} passages{where}")

    def _named(self, found: Iterator[tuple[str, Passage]]) -> Iterator[tuple[str, Passage]]:
        ids: Counter[str] = Counter()
        repeated, first = 0, ""
        for place, passage in found:
            docid = id_of(passage)
            ids[docid] += 1
            if ids[docid] > 1:
                repeated, first = repeated + 1, first or place
                docid = f"{docid}-{ids[docid]}"
            yield place, replace(passage, docid=docid)
        self.notes.append("ids are made from titles and texts")
        if repeated:
            self.notes.append(
                f"{repeated:,} passages have title and text of an earlier one; "
                f"their ids end in -2, -3 and so on (first: {first})"
            )

    def _kept(self, found: Iterator[tuple[str, Passage]]) -> Iterator[tuple[str, Passage]]:
        types = FieldTypes(self.keep)
        passages = 0
        for place, passage in found:
            extra = {name: value for name, value in passage.extra.items() if _is_value(value)}
            types.add(extra)
            passages += 1
            yield place, replace(passage, extra=extra)
        if absent := [name for name in self.keep if not types.count[name]]:
            raise I3Error(f"{self.origin}: no passage has a value in field {absent[0]!r} (keep)")
        kept = [
            f"{name} ({kind}{_lacking(passages - types.count[name])})"
            for name, kind in types.known.items()
        ]
        self.notes.append(f"kept: {', '.join(kept)}")


def id_of(passage: Passage) -> str:
    """An id made from title and text: the first hexadecimal digits of their SHA-256."""
    content = f"{passage.title or ''}\n{passage.text}"
    return hashlib.sha256(content.encode()).hexdigest()[:ID_LENGTH]


def _is_value(value: Any) -> bool:
    """Whether there is a value that JSON can hold."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _lacking(count: int) -> str:
    return f"; {count:,} passages have none" if count else ""
