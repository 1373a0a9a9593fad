"""Passages as they are shown: marked words, metadata, and the ranks in other rankings."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from i3_pyserini.formats.chunks import OFFSETS
from i3_pyserini.formats.languages import ENGLISH
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.search.window import Window, without_offsets
from i3_pyserini.serve.markup import without_markup
from i3_pyserini.serve.snippets import Pieces, Snippet, find_words, pieces_of, snippet

LONGEST_VALUE = 200  # characters of metadata


@dataclass(frozen=True)
class Fact:
    """A field of a passage's metadata.

    Attributes:
        name: the field's name.
        value: its value, as text.
        url: the value if it is an address of the web; None otherwise.
    """

    name: str
    value: str
    url: str | None


@dataclass(frozen=True)
class Shown:
    """A passage as it is shown.

    Attributes:
        docid: its id.
        passage: the passage; None if it is not in the corpus.
        title: its title without markup; empty if it has none.
        snippet: the part of its text, without markup, that the query's words are in.
        whole: the text as it is, if the snippet is not all of it; empty otherwise.
        facts: its metadata.
    """

    docid: str
    passage: Passage | None
    title: Pieces
    snippet: Snippet
    whole: Pieces
    facts: list[Fact]


@dataclass(frozen=True)
class Hit:
    """A hit of a ranking.

    Attributes:
        rank: from 1.
        score: of this ranking.
        docid: of the passage, or of the document that it is a window of.
        shown: the passage.
        also: its ranks in the other rankings that found it, by their names.
        window: where the window stands in its document; None for a passage.
    """

    rank: int
    score: float
    docid: str
    shown: Shown
    also: dict[str, int]
    window: Window | None = None

    @property
    def facts(self) -> list[Fact]:
        """The passage's metadata, without those that the window has of its own."""
        return [one for one in self.shown.facts if not self.window or one.name not in OFFSETS]

    def to_json(self) -> dict[str, Any]:
        """The hit for the HTTP API: the passage as it is, not as it is shown."""
        passage = self.shown.passage
        metadata = dict(passage.extra) if passage else {}
        found = {
            "rank": self.rank,
            "id": self.docid,
            "score": self.score,
            "title": passage.title if passage else None,
            "text": passage.text if passage else None,
            "metadata": without_offsets(metadata) if self.window else metadata,
            "ranks": self.also,
        }
        return {**found, "window": self.window.to_json()} if self.window else found


def shown_passages(
    query: str, passages: Mapping[str, Passage | None], language: str = ENGLISH
) -> dict[str, Shown]:
    """Passages as they are shown for a query.

    Args:
        query: the query, whose words are marked.
        passages: passages by id; None for one that is not in the corpus.
        language: see `find_words`.

    Returns:
        By id.
    """
    texts: list[str] = []
    for passage in passages.values():
        own = (passage.title or "", passage.text) if passage else ("", "")
        texts += [*map(without_markup, own), own[1]]
    marked = iter(zip(texts, find_words(query, texts, language), strict=True))
    shown = {}
    for docid, passage in passages.items():
        title, short, whole = next(marked), next(marked), next(marked)
        part = snippet(*short)
        complete = not part.before and not part.after and short[0] == " ".join(whole[0].split())
        shown[docid] = Shown(
            docid,
            passage,
            pieces_of(*title),
            part,
            [] if complete else pieces_of(*whole),
            list(_facts(passage.extra if passage else {})),
        )
    return shown


def _facts(metadata: Mapping[str, Any]) -> Iterable[Fact]:
    for name, value in metadata.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text = "–" if value is None else text
        cut = text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
        yield Fact(name, cut, text if is_web_address(text) else None)


def is_web_address(text: str) -> bool:
    """Whether a text is an address that a link may lead to: http or https, and nothing else."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return False
    plain = text.isprintable() and text == "".join(text.split())
    return plain and parts.scheme in ("http", "https") and bool(host)
