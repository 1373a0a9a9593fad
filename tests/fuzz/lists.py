"""Readers of lists: ids, lines, what lies beside runs, and what training and reports read."""

import gzip
import hashlib
import json
import math
from pathlib import Path
from typing import Any
from unittest.mock import patch

from i3_pyserini.data.candidates import NegativesFile
from i3_pyserini.eval.groups import read_groups
from i3_pyserini.eval.report.costs import read_costs
from i3_pyserini.formats import docids
from i3_pyserini.formats.docids import Docids, IdFile, count_ids, read_docids
from i3_pyserini.formats.lines import read_tsv
from i3_pyserini.formats.metadata_files import SUFFIX
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run
from i3_pyserini.train.mixture import read_sources
from tests.formats.readers import DOCIDS
from tests.fuzz import plain
from tests.fuzz.columns import RUN
from tests.fuzz.target import Target, fixed, notes


def _docids(path: Path) -> object:
    """One id a line, read in blocks or as a stream."""
    with patch.object(docids, "BLOCK", 16):
        found = list(Docids.read(path))
    assert list(read_docids(path)) == found, "as a stream"
    content = path.read_bytes().removeprefix(plain.MARK)
    lines = content.decode("utf-8").split("\n")
    lines = lines[:-1] if not lines[-1] else lines
    assert found == [line.rstrip() for line in lines], "other ids"
    assert all(one.split() == [one] for one in found), "white space in an id"
    return found


def _id_file(path: Path) -> object:
    """Ids that differ, in a file that is whole."""
    file = IdFile(path)
    file.refuse_cut_off()
    (count,) = count_ids([file])
    found = [docid for _, docid in file]
    assert len(set(found)) == count == len(found), f"{count} ids of {len(found)} lines"
    content = path.read_bytes()
    assert not content or content.endswith(b"\n"), "a last line without end"
    return count


def _lines(path: Path) -> object:
    found = list(read_tsv(path))
    content = plain.content_of(path)
    if content is not None:
        assert [cells for _, _, cells in found] == plain.tsv_rows(content), "other cells"
        lines = content.decode().split("\n")
        for number, place, cells in found:
            assert lines[number - 1].removesuffix("\r") == "\t".join(cells), f"line {number}"
            assert place == f"{path}, line {number}", place
    return found


def _with_metadata(path: Path) -> object:
    """A run with what is beside it: metadata of other bytes is not used, and this is noted."""
    run = path.with_name(path.name.removesuffix(SUFFIX))
    run.write_bytes(RUN)
    with notes() as said:
        found = read_run(run)
    assert found.metadata is not None or path.name in said.getvalue(), "ignored in silence"
    if found.metadata is not None:
        assert found.metadata.run is not None
        assert found.metadata.run.sha256 == hashlib.sha256(RUN).hexdigest(), "of other bytes"
        written = found.metadata.to_json()
        assert json.loads(json.dumps(written)) is not None
    assert len(found.lines) == len(plain.words(RUN)), "hits were lost"
    return found


def _beside() -> bytes:
    known: dict[str, Any] = {"sha256": hashlib.sha256(RUN).hexdigest(), "hits": 4, "queries": 2}
    content = {
        "schema-version": 0.2,
        "tag": "x",
        "method": {"automatic": True, "retrieval": [{"name": "first", "method": "bm25"}]},
        "data": {"test collection": {"name": "c", "passages": 3}},
        "run": {**known, "file": "run.txt"},
        "inputs": [{"file": "a", "metadata": {"tag": "y"}}],
        "mine": [1, {"a": None}],
    }
    return json.dumps(content).encode()


def _judged(folder: Path) -> Any:
    path = folder / "qrels.txt"
    path.write_text("q1 0 d1 1\nq2 0 d1 1\n", encoding="utf-8")
    return read_qrels(str(path))


def _groups(path: Path) -> object:
    """Every query that is in the qrels is in its groups; all others are counted."""
    groups, said = read_groups(path, _judged(path.parent))
    rows = plain.tsv_rows(plain.content_of(path) or b"")
    queries = {(row[0] if len(row) > 1 else row[0].split(None, 1)[0]).strip() for row in rows}
    grouped = {query for own in groups.values() for query in own}
    assert grouped == queries & {"q1", "q2"}, "queries were lost"
    strangers, rest = len(queries - grouped), {"q1", "q2"} - grouped
    assert any(f" {strangers:,} queries" in one for one in said) == bool(strangers), said
    assert any("in no group" in one for one in said) == bool(rest), said
    return groups


def _sources(path: Path) -> object:
    found = read_sources(path, ["q1", "q2"])
    rows = {
        cells[0].strip(): cells[1].strip()
        for cells in plain.tsv_rows(plain.content_of(path) or b"")
    }
    assert found == [rows["q1"], rows["q2"]], "other sources"
    return found


def _negatives(path: Path) -> object:
    known = {"q1": "an egg", "q2": "hot"}
    file = NegativesFile(path, known, {"q1": ["1"], "q2": ["2"]})
    found = list(file)
    lines = [
        line for line in path.read_bytes().removeprefix(plain.MARK).split(b"\n") if line.strip()
    ]
    assert len(found) == len(file.ids()) == len(lines), f"{len(found)} of {len(lines)} lines"
    for own, line in zip(found, lines, strict=True):
        listed = line.decode().split()[1:]
        assert own.negatives == [pid for pid in ",".join(listed).split(",") if pid], f"{own}"
    return found


def _costs(path: Path) -> object:
    found = read_costs(path, ["a"])
    assert all(
        0 < one.queries_per_second < math.inf and 0 < one.index_bytes < math.inf
        for one in found.values()
    )
    return found


TARGETS = [
    Target(
        "run-metadata", f"run.txt{SUFFIX}", _with_metadata, lambda: [_beside(), b"a: 1\n", b"[1]"]
    ),
    Target(
        "docids",
        "docid",
        _docids,
        fixed(DOCIDS, DOCIDS.rstrip()),
        fixed(b"a\n\nb\n", b"a b\n", b"\xff", gzip.compress(b"a\nb\n", mtime=0)),
    ),
    Target("id-file", "docid", _id_file, fixed(DOCIDS), fixed(b"a\nb\na\n", b"a\nb")),
    Target("lines", "lines.tsv", _lines, fixed(b"1\ta\tb\r\n\n2\n"), fixed(b"a\n\xff\n")),
    Target(
        "groups",
        "groups.tsv",
        _groups,
        fixed(b"q1\tshort\nq2 long one\nq3\tx\n"),
        fixed(b"q9\ta\n"),
    ),
    Target(
        "sources",
        "sources.tsv",
        _sources,
        fixed(b"q1\ta\nq2\tb\n"),
        fixed(b"q1\ta\n", b"q1\ta\nq1\tb\n"),
    ),
    Target(
        "negatives",
        "negatives.tsv",
        _negatives,
        fixed(b"q1\t3,4\nq2\t5\n"),
        fixed(b"q3\t1\n", b"q1 1 2\n"),
    ),
    Target(
        "costs",
        "costs.tsv",
        _costs,
        fixed(b"run\tqueries_per_second\tindex_bytes\na\t10\t1000\n"),
        fixed(b"", b"run\tqueries_per_second\tindex_bytes\na\t0\t1\n"),
    ),
]
