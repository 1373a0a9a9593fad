"""Reads and writes topics: query ids and texts."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from os import fspath
from pathlib import Path
from typing import Any, TextIO

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.compression import open_bytes
from i3_pyserini.formats.corpus_files import COMPRESSED
from i3_pyserini.formats.datasets import from_ir_datasets
from i3_pyserini.formats.lines import read_jsonl, read_tsv, refuse_surrogates
from i3_pyserini.formats.names import QUERY, TOPIC_ID, find, normal
from i3_pyserini.formats.passage_fields import listed
from i3_pyserini.formats.paths import NameOrPath
from i3_pyserini.formats.tables import AS_NAMED, csv_rows, found_delimiter, read_rows

# Names of Pyserini's and their ir_datasets counterparts.
PYSERINI_NAMES = {
    "msmarco-passage-dev-subset": "msmarco-passage/dev/small",
    "dl19-passage": "msmarco-passage/trec-dl-2019/judged",
    "dl20-passage": "msmarco-passage/trec-dl-2020/judged",
    "dl21": "msmarco-passage-v2/trec-dl-2021/judged",
    "dl22": "msmarco-passage-v2/trec-dl-2022/judged",
}
SUFFIXES = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl"}
SNIFFED = 4096  # bytes of a file whose name does not say what it is
END = "\x00end"  # a row after the last one: it shows whether a quote is still open
PAIR = 2  # columns: an id and a query

Row = tuple[str, str, str]  # "FILE, line N", an id and a query


@dataclass(frozen=True)
class Topic:
    """A query.

    Attributes:
        place: where it is written, for messages ("FILE, line N").
        qid: its id.
        query: its text, without surrounding blanks.

    Raises:
        I3Error: the id or the text is empty, or not valid Unicode.
    """

    place: str
    qid: str
    query: str

    def __post_init__(self) -> None:
        for what, value in (("query id", self.qid), ("query", self.query)):
            if not value.strip():
                raise I3Error(f"{self.place}: the {what} is empty")
            refuse_surrogates(value, self.place)


def read_topics(name_or_path: NameOrPath, quoted: bool = False) -> dict[str, str]:
    """Reads topics.

    Args:
        name_or_path: a file as `topics_of_file` takes it, a name of Pyserini's such as
            `dl19-passage`, or an ir_datasets id.
        quoted: see `topics_of_file`.

    Returns:
        Query text, without surrounding blanks, by query id, in the order of the source.

    Raises:
        I3Error: the file or name does not exist, a line is invalid, an id occurs twice, or there
            are no topics.
    """
    name_or_path = fspath(name_or_path)
    path = Path(name_or_path)
    if path.exists():
        return by_id(topics_of_file(path, quoted), str(path))
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if any(suffix in (*SUFFIXES, ".txt", *COMPRESSED) for suffix in suffixes):
        raise I3Error(f"{name_or_path}: no such topics file")
    found = from_ir_datasets(
        PYSERINI_NAMES.get(name_or_path, name_or_path),
        lambda data: [(query.query_id, query.default_text()) for query in data.queries_iter()],
        "Put the topics into a TSV file (query id, tab, query) and use that file",
    )
    topics = (Topic(f"{name_or_path}, query {qid}", qid, query.strip()) for qid, query in found)
    return by_id(topics, name_or_path)


def topics_of_file(path: Path, quoted: bool = False) -> Iterator[Topic]:
    """The topics of a file, as a stream; plain, gzip or zstd, whatever its name.

    Args:
        path: lines of `qid<TAB>query`, CSV, or JSONL with an id (`id`, `_id`, `qid`, `query_id`, …)
            and a text (`query`, `text`, …). The format is detected by suffix, or by the first line.
            TSV is read literally. TSV and CSV may have a header, which is named on stderr.
        quoted: read double quotes in TSV as the original did (pandas' default): they are removed,
            and an unbalanced quote includes the following lines.

    Raises:
        I3Error: it cannot be read, a line is not UTF-8, has no id or text or a third column, or an
            id is neither a string nor an integer.
    """
    read_tabs = _read_quoted if quoted else _read_tsv
    read = {"tsv": read_tabs, "csv": _read_csv, "jsonl": _read_jsonl}[_kind(path)]
    for row in read(path):
        yield Topic(*row)


def by_id(topics: Iterable[Topic], source: str) -> dict[str, str]:
    """Queries by id.

    Args:
        topics: in order.
        source: what they are called, for messages.

    Raises:
        I3Error: an id occurs twice, or there are no topics.
    """
    queries: dict[str, str] = {}
    for topic in topics:
        if topic.qid in queries:
            raise I3Error(f"{topic.place}: query id {topic.qid!r} occurs a second time")
        queries[topic.qid] = topic.query
    if not queries:
        raise I3Error(f"{source}: no topics")
    return queries


def write_topics(file: TextIO, topics: Iterable[tuple[str, str]]) -> None:
    """Writes topics as TSV, each on one line, so that `read_topics` gives them back.

    A header is written only if the first topic would be read as one.

    Args:
        file: as `atomic.new_file` gives it.
        topics: ids and texts of the queries.
    """
    for number, (qid, query) in enumerate(topics):
        cells = [qid, " ".join(query.split())]
        if number == 0 and (normal(qid) in TOPIC_ID or _is_header(cells)):
            file.write("query_id\tquery\n")
        file.write("\t".join(cells) + "\n")


def topic_of(fields: Mapping[str, Any], place: str) -> tuple[str, str]:
    """Id and text of a topic, from the fields of a JSON object or a data set's row.

    Args:
        fields: values by name.
        place: for messages.

    Raises:
        I3Error: a field is missing, the id is neither a string nor an integer, or the text is no
            string.
    """
    id_name, text_name = find(TOPIC_ID, fields), find(QUERY, fields)
    for what, name, known in (("id", id_name, TOPIC_ID), ("text", text_name, QUERY)):
        if name is None:
            raise I3Error(
                f"{place}: no field {' or '.join(known)} for the {what}; it has {listed(fields)}"
            )
    qid, query = fields[str(id_name)], fields[str(text_name)]
    if isinstance(qid, bool) or not isinstance(qid, str | int):
        raise I3Error(
            f"{place}: field {id_name!r} is {_json(qid)}; expected a string or an integer as id"
        )
    if not isinstance(query, str):
        raise I3Error(f"{place}: field {text_name!r} is {_json(query)}; expected a string")
    return str(qid).strip(), query.strip()


def _json(value: Any) -> str:
    """A value in a message, as JSON writes it."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else f"{value!r:.60}"


def _kind(path: Path) -> str:
    """The format of a file, by its suffix or its first line.

    Raises:
        I3Error: it cannot be read, or is a pipe, which could not be read again.
    """
    if not path.is_file() and not path.is_dir():
        raise I3Error(f"{path}: is not a regular file; write the topics to one")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    kind = SUFFIXES.get(suffixes[-1]) if suffixes else None
    if kind:
        return kind
    with open_bytes(path) as file:
        start = file.read(SNIFFED).decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    first = start.partition("\n")[0]
    if first.startswith("{") and first[1:].lstrip().startswith('"'):  # `{}` may be a query's id
        return "jsonl"
    cells = [cell.strip().strip('"') for cell in first.split(",")]
    return "csv" if "\t" not in first and _is_header(cells) else "tsv"


def _is_header(cells: Sequence[str]) -> bool:
    """Whether columns are called as ids and queries are, or the first of them as ids are."""
    both = find(TOPIC_ID, cells) is not None and find(QUERY, cells) is not None
    return both or (len(cells) > 1 and normal(cells[0]) in TOPIC_ID)


def _read_tsv(path: Path) -> Iterator[Row]:
    return _read_columns(((place, cells) for _, place, cells in read_tsv(path)), "tab")


def _read_csv(path: Path) -> Iterator[Row]:
    if (mark := found_delimiter(path)) != ",":
        note(f"{path}: columns are separated by {mark!r}")
    rows = read_rows(path, "csv", AS_NAMED)
    return _read_columns(((f"{path}, line {number}", cells) for number, cells in rows), "comma")


def _read_columns(rows: Iterable[tuple[str, list[str]]], separator: str) -> Iterator[Row]:
    """Ids and queries of rows of cells; a header says which columns they are."""
    header: list[str] = []
    for number, (place, raw) in enumerate(rows):
        cells = [cell.strip() for cell in raw]
        if number == 0 and _is_header(cells):
            header = _header(cells, place)
            continue
        if len(cells) == 1:
            raise I3Error(
                f"{place}: no {separator}; expected a query id, a {separator} and the query"
            )
        while len(cells) > max(PAIR, len(header)) and not cells[-1]:
            cells.pop()
        yield place, *_columns(cells, header, place)


def _header(cells: list[str], place: str) -> list[str]:
    """Takes note of a header.

    Raises:
        I3Error: none of its columns is called as queries are.
    """
    id_name, text_name = find(TOPIC_ID, cells), find(QUERY, cells)
    if id_name is None or text_name is None:
        raise I3Error(
            f"{place}: {cells[0]!r} is a column name, but no other column is named "
            f"{' or '.join(QUERY)}; rename the query column"
        )
    unread = [name for name in cells if name not in (id_name, text_name)]
    more = f"; not read: {', '.join(unread)}" if unread else ""
    note(f"{place}: is a header: {id_name}, {text_name}{more}")
    return cells


def _columns(cells: Sequence[str], header: Sequence[str], place: str) -> tuple[str, str]:
    """Id and query of a row."""
    if len(cells) != (len(header) or PAIR):
        expected = f"the header has {len(header)}" if header else "expected a query id and a query"
        advice = "" if header else "; add a header with column names (query_id, query, …)"
        raise I3Error(f"{place}: {len(cells)} columns ({cells[-1]!r:.40}); {expected}{advice}")
    if not header:
        return cells[0], cells[1]
    id_name, text_name = find(TOPIC_ID, header), find(QUERY, header)
    return cells[header.index(str(id_name))], cells[header.index(str(text_name))]


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, record in read_jsonl(path):
        place = f"{path}, line {number}"
        yield place, *topic_of(record, place)


def _read_quoted(path: Path) -> Iterator[Row]:
    """Quotes as pandas takes them: `"a"b` is ab, and one that is never closed is an error."""
    return _read_columns(_quoted_rows(path), "tab")


def _quoted_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    with open_bytes(path) as file:
        content = file.read()
    rows: list[tuple[str, list[str]]] = []
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv_rows(chain(text, ["\n", END]), "\t", strict=False)
        start = 1
        for cells in reader:
            rows.append((f"{path}, line {start}", cells))
            start = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise I3Error(f"{path}: not valid UTF-8 at byte {error.start + 1}") from error
    except csv.Error as error:
        raise I3Error(f"{path}, line {start}: cannot be read with quotes ({error})") from error
    place, last = rows.pop()
    if last != [END]:
        raise I3Error(f"{place}: cannot be read with quotes (one is never closed)")
    yield from ((place, cells) for place, cells in rows if any(map(str.strip, cells)))
