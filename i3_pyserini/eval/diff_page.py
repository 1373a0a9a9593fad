"""A diff as text, as Markdown and as JSON."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from tabulate import tabulate

from i3_pyserini.eval.diff_texts import one_line
from i3_pyserini.eval.diffing import ChangedQuery, Diff, Moved

QUERY_LENGTH = 200  # characters
MARKS = re.compile(r"([\\`*_{}\[\]<|~&$#])")  # special characters of Markdown


def as_json(diff: Diff, made: Mapping[str, Any] = MappingProxyType({})) -> str:
    """All results, with all digits.

    Args:
        diff: the differences.
        made: what made each run, by name.
    """
    found = {**asdict(diff), "provenance": dict(made)}
    return json.dumps(found, indent=2, ensure_ascii=False)


def as_text(diff: Diff) -> str:
    """Text for a terminal."""
    parts = ["\n".join(_summary(diff))]
    for title, query in _titled(diff):
        parts.append("\n".join([title, _figures(query, diff), _text_table(query.passages)]))
    return "\n\n".join(parts)


def as_markdown(diff: Diff) -> str:
    """GitHub Markdown, with escaped texts and file names."""
    parts = [escape(line) for line in _summary(diff)]
    for title, query in _titled(diff):
        table = _markdown_table(query.passages)
        parts += [f"### {escape(title)}", escape(_figures(query, diff)), table]
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """Escapes text for Markdown."""
    return MARKS.sub(r"\\\1", text)


def _summary(diff: Diff) -> list[str]:
    return [
        f"A: {diff.run_a}, B: {diff.run_b}",
        f"{diff.measure}, {diff.queries:,} {'query' if diff.queries == 1 else 'queries'}: "
        f"A {diff.mean_a:.4f}, B {diff.mean_b:.4f}, mean change {diff.mean_change:+.4f}; "
        f"B wins {diff.wins}, ties {diff.ties}, loses {diff.losses}",
        f"judged@{diff.depth}: A {diff.judged_a:.4f}, B {diff.judged_b:.4f}",
        *(f"note: {note}" for note in diff.notes),
    ]


def _titled(diff: Diff) -> Iterator[tuple[str, ChangedQuery]]:
    for name, queries in (("lost", diff.lost), ("gained", diff.gained)):
        for place, query in enumerate(queries, start=1):
            text = f": {one_line(query.text, QUERY_LENGTH)}" if query.text else ""
            yield f"{name} {place}: query {query.query_id}{text}", query


def _figures(query: ChangedQuery, diff: Diff) -> str:
    return (
        f"{diff.measure} {query.value_a:.4f} -> {query.value_b:.4f} ({query.change:+.4f}), "
        f"judged@{diff.depth} {query.judged_a:.2f} -> {query.judged_b:.2f}"
    )


def _text_table(passages: list[Moved]) -> str:
    """The passages; pseudo-query words have a line of their own, since the first is long."""
    rows = []
    for one in passages:
        text = one.shown.text if one.shown else ""
        words = f"\npseudo-query: {_words(one)}" if _words(one) else ""
        rows.append([_ranks(one), _relevance(one), one.passage, text + words])
    return _table(["A -> B", "judged", "passage", ""], rows, "plain")


def _markdown_table(passages: list[Moved]) -> str:
    columns = {
        "A -> B": [_ranks(one) for one in passages],
        "judged": [_relevance(one) for one in passages],
        "passage": [escape(one.passage) for one in passages],
        "text": [escape(one.shown.text) if one.shown else "" for one in passages],
        "pseudo-query": [escape(_words(one)) for one in passages],
    }
    told = {name: column for name, column in columns.items() if any(column)}
    return _table(list(told), list(zip(*told.values(), strict=True)), "github")


def _table(header: list[str], rows: Sequence[Sequence[str]], style: str) -> str:
    align = ["right", "right", *["left"] * (len(header) - 2)]
    return tabulate(rows, header, tablefmt=style, disable_numparse=True, colalign=align)


def _ranks(moved: Moved) -> str:
    return " -> ".join("-" if rank is None else str(rank) for rank in (moved.rank_a, moved.rank_b))


def _relevance(moved: Moved) -> str:
    return "?" if moved.relevance is None else str(moved.relevance)


def _words(moved: Moved) -> str:
    return ", ".join(moved.shown.words) if moved.shown else ""
