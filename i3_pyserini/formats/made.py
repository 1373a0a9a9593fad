"""The mark of queries and judgments that were made, not collected from people.

The manifest of their folder has it, for each file that came of the making. Commands that read such
a file say so, and commands that write files from it carry the mark on.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.records import MANIFEST, Record, read_object, read_record

KEY = "made"  # of a file's record in the manifest


@dataclass(frozen=True)
class Made(Record):
    """How queries and their judgments were made.

    Attributes:
        source: what they were made from: titles, first-sentences, model or llm.
        model: the model that wrote them; None if none did.
        host: host and port of the server that ran the model; None if it ran here.
        prompt_sha256: hash of the prompt's template.
        date: the day on which they were made, as 2026-01-31.
        passages: number of passages that they were made for.
        queries: number of queries.
        round_trip: the filter that they passed; None without one.
    """

    source: str = ""
    model: str | None = None
    host: str | None = None
    prompt_sha256: str | None = None
    date: str | None = None
    passages: int | None = None
    queries: int | None = None
    round_trip: str | None = None

    def __str__(self) -> str:
        where = f" at {self.host}" if self.host else ""
        by = f"by {self.model}{where}" if self.model else f"from {self.source.replace('-', ' ')}"
        kept = f", kept by {self.round_trip}" if self.round_trip else ""
        return f"made {by}{kept}"


def made_of(path: Path) -> Made | None:
    """The mark of a file; None if the manifest of its folder has none for it.

    Args:
        path: a file of topics or judgments; a link counts as what it points to.
    """
    with suppress(OSError, I3Error):  # a manifest that cannot be read marks nothing
        path = path.resolve()
        manifest = path.parent / MANIFEST
        files = read_object(manifest).get("files")
        record = files.get(path.name) if isinstance(files, Mapping) else None
        found: Any = record.get(KEY) if isinstance(record, Mapping) else None
        return None if found is None else read_record(Made, found, str(manifest))
    return None


def made_among(paths: Iterable[Path | None]) -> Made | None:
    """The mark of the first of some files that has one."""
    return next((made for path in paths if path and (made := made_of(path))), None)


def made_note(qrels: Any) -> list[str]:
    """What a reader of scores must know if judgments were made; [] if no file says so.

    Args:
        qrels: a path; anything else, such as a frame or the name of a data set, has no mark.
    """
    is_path = isinstance(qrels, str | os.PathLike)
    made = made_of(Path(qrels)) if is_path and Path(qrels).is_file() else None
    if made is None:
        return []
    agrees = "what wrote the queries" if made.model else "the rule that made the queries"
    return [
        f"{Path(qrels).name}: these queries and judgments were {made}, not collected from people: "
        f"scores say which system agrees with {agrees}, and passages that answer a query as well "
        "are unjudged"
    ]


def today() -> date:
    """The date, or that of SOURCE_DATE_EPOCH, for files that are the same on every day."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch), UTC).date()
    return datetime.now().astimezone().date()
