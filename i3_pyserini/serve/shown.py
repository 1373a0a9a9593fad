"""Passages as they are shown: marked words, metadata, and the ranks in other rankings."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from i3_pyserini.formats.passage_fields import Passage
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
        shown: the passage.
        also: its ranks in the other rankings that found it, by their names.
    """

    rank: int
    score: float
    shown: Shown
    also: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The hit for the HTTP API: the passage as it is, not as it is shown."""
        passage = self.shown.passage
        return {
            "rank": self.rank,
            "id": self.shown.docid,
            "score": self.score,
            "title": passage.title if passage else None,
            "text": passage.text if passage else None,
            "metadata": dict(passage.extra) if passage else {},
            "ranks": self.also,
        }


def shown_passages(query: str, passages: Mapping[str, Passage | None]) -> dict[str, Shown]:
    """Passages as they are shown for a query.

    Args:
        query: the query, whose words are marked.
        passages: passages by id; None for one that is not in the corpus.

    Returns:
        By id.
    """
    texts: list[str] = []
    for passage in passages.values():
        own = (passage.title or "", passage.text) if passage else ("", "")
        texts += [*map(without_markup, own), own[1]]
    marked = iter(zip(texts, find_words(query, texts), strict=True))
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
