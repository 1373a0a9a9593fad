"""Writes a world's collection, topics and judgements, in its file formats."""

import gzip
import json
from pathlib import Path
from typing import Any

from tests.worlds.world import Files, Record, World

MARK = b"\xef\xbb\xbf"


def write_collection(world: World, folder: Path) -> Path:
    """Writes the passages; returns the file or folder that `--corpus` names."""
    files = world.files
    lines = [
        json.dumps(_fields(one, world), ensure_ascii=bool(n % 2))
        for n, one in enumerate(world.records)
    ]
    if not files.files:
        path = folder / "corpus.jsonl"
        path.write_bytes(_content(lines, files, files.compression[0]))
        return path
    corpus = folder / "corpus"
    corpus.mkdir()
    size = -(-len(lines) // files.files)
    for number in range(files.files):
        some = lines[number * size : (number + 1) * size]
        name = f"part-{number}.{'json' if number == 1 else 'jsonl'}"
        (corpus / name).write_bytes(_content(some, files, files.compression[0]))
    return corpus


def write_topics(world: World, folder: Path) -> Path:
    """Writes the topics."""
    files = world.files
    if files.topics == ".jsonl":
        lines = [json.dumps({"_id": q, "text": text}) for q, text in world.topics.items()]
    else:
        lines = [f"{qid}\t{text}" for qid, text in world.topics.items()]
    compression = files.compression[1] if files.topics != ".jsonl" else ""
    suffix = {"": "", "gzip": ".gz", "zstd": ".zst"}[compression]
    path = folder / f"topics{files.topics}{suffix}"
    path.write_bytes(_content(lines, files, compression))
    return path


def write_judgements(world: World, folder: Path) -> Path:
    """Writes the judgements in TREC's four columns."""
    between = "\t" if world.seed % 2 else " "
    lines = [between.join((qid, "0", docid, str(n))) for qid, docid, n in world.judgements]
    path = folder / "qrels.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _fields(record: Record, world: World) -> dict[str, Any]:
    files = world.files
    number = (
        record.docid.isascii() and record.docid.isdigit() and record.docid == str(int(record.docid))
    )
    fields: dict[str, Any] = {files.id_field: int(record.docid) if number else record.docid}
    if files.style == "contents":
        return {**fields, "contents": f"{record.title or ''}\n{record.text}"}
    if files.style == "bare":
        return {**fields, "contents": record.text}
    fields["title"] = record.title
    blank = "  " if world.seed % 3 == 0 else ""
    return {**fields, "text": f"{blank}{record.text}{blank}", "url": "https://example.org/?id=1"}


def _content(lines: list[str], files: Files, compression: str) -> bytes:
    if files.blank_lines and lines:
        lines = [lines[0], "", *lines[1:], ""]
    text = files.line_end.join(lines) + (files.line_end if files.last_end else "")
    content = (MARK if files.mark else b"") + text.encode("utf-8")
    return gzip.compress(content) if compression == "gzip" else content
