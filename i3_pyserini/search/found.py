"""Hits with titles, texts and metadata, and how they are printed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import shorten, wrap
from types import MappingProxyType
from typing import Any, NamedTuple

from i3_pyserini.search.window import Window

SHOWN = 240  # characters of a text
WIDTH = 96
INDENT = " " * 4


class PassageHit(NamedTuple):
    """A search hit.

    Attributes:
        docid: its id.
        score: its inner product with the query.
        rank: its rank, starting at 1.
        title: its title; None if it has none, or the corpus does not exist.
        text: its text; None if the corpus does not exist.
        metadata: further fields that the corpus was imported with, such as a price.
        window: of a document, its best window, which `text` is the text of; None for a passage.
    """

    docid: str
    score: float
    rank: int
    title: str | None = None
    text: str | None = None
    metadata: Mapping[str, Any] = MappingProxyType({})
    window: Window | None = None


@dataclass(frozen=True)
class FoundPassages:
    """The hits of a query; prints as a list.

    Attributes:
        query: the query.
        hits: best first.
    """

    query: str
    hits: tuple[PassageHit, ...]

    def __str__(self) -> str:
        return "\n".join(map(_shown, self.hits)) or "no hits"

    def to_json(self) -> str:
        """The query and its hits, with whole texts."""
        hits = [
            {
                **{"rank": hit.rank, "score": hit.score, "id": hit.docid},
                **{"title": hit.title, "text": hit.text, "metadata": dict(hit.metadata)},
                **({"window": hit.window.to_json()} if hit.window else {}),
            }
            for hit in self.hits
        ]
        return json.dumps({"query": self.query, "hits": hits}, ensure_ascii=False)


def _shown(hit: PassageHit) -> str:
    """A hit on some lines: rank, score, id and title; the beginning of the text; metadata."""
    lines = [f"{hit.rank:>3}  {hit.score:.4f}  {hit.docid}  {hit.title or ''}".rstrip()]
    if hit.text:
        text = shorten(hit.text, SHOWN, placeholder=" …")
        lines += wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    if hit.window:
        lines.append(f"{INDENT}({hit.window})")
    if hit.metadata:
        values = (f"{name}: {_word(value)}" for name, value in hit.metadata.items())
        lines.append(f"{INDENT}{', '.join(values)}")
    return "\n".join(lines)


def _word(value: Any) -> str:
    word = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shorten(word, SHOWN, placeholder=" …")
