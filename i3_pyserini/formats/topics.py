"""Topics: query ids and texts, from a TSV or JSONL file or a name that ir_datasets knows."""

import gzip
import zlib
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.datasets import from_ir_datasets
from i3_pyserini.formats.jsonl import read_jsonl

# Names of Pyserini's and their ir_datasets counterparts.
PYSERINI_NAMES = {
    "msmarco-passage-dev-subset": "msmarco-passage/dev/small",
    "dl19-passage": "msmarco-passage/trec-dl-2019/judged",
    "dl20-passage": "msmarco-passage/trec-dl-2020/judged",
    "dl21": "msmarco-passage-v2/trec-dl-2021/judged",
    "dl22": "msmarco-passage-v2/trec-dl-2022/judged",
}

ID_FIELDS = ("id", "_id", "qid", "query_id")
TEXT_FIELDS = ("text", "query", "title")


def read_topics(name_or_path: str) -> dict[str, str]:
    """Reads topics.

    Args:
        name_or_path: a `qid<TAB>query` file (`.tsv` or `.txt`, also gzipped), a `.jsonl` file with
            `id` (or `_id`, `qid`) and `text` (or `query`, `title`), a name of Pyserini's such as
            `dl19-passage`, or an ir_datasets id.

    Returns:
        Query text, without surrounding blanks, by query id, in the order of the source.

    Raises:
        I3Error: there is no such file or name, or a line is not as it should be.
    """
    path = Path(name_or_path)
    if path.is_file():
        return _read_jsonl(path) if path.suffix == ".jsonl" else _read_tsv(path)
    if path.exists() or path.suffix in (".tsv", ".txt", ".gz", ".jsonl"):
        raise I3Error(f"{name_or_path}: no such topics file")
    return from_ir_datasets(
        PYSERINI_NAMES.get(name_or_path, name_or_path),
        lambda data: {
            query.query_id: query.default_text().strip() for query in data.queries_iter()
        },
        "Put the topics into a TSV file (query id, tab, query) and name that",
    )


def _read_jsonl(path: Path) -> dict[str, str]:
    topics: dict[str, str] = {}
    for number, record in read_jsonl(path):
        place = f"{path}, line {number}"
        qid = next((str(record[name]) for name in ID_FIELDS if name in record), "").strip()
        query = next((record[name] for name in TEXT_FIELDS if name in record), None)
        if not qid or not isinstance(query, str) or not query.strip():
            expected = f"{' or '.join(ID_FIELDS)}, and {' or '.join(TEXT_FIELDS)}"
            raise I3Error(f"{place}: no usable topic; expected {expected}")
        if qid in topics:
            raise I3Error(f"{place}: query id {qid!r} occurs a second time")
        topics[qid] = query.strip()
    if not topics:
        raise I3Error(f"{path}: no topics in this file")
    return topics


def _read_tsv(path: Path) -> dict[str, str]:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise I3Error(f"{path}: cannot be read ({error})") from error
    topics: dict[str, str] = {}
    for number, raw in enumerate(content.splitlines(), start=1):
        place = f"{path}, line {number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise I3Error(f"{place}: not valid UTF-8") from error
        if not line.strip():
            continue
        qid, tab, query = line.partition("\t")
        qid, query = qid.strip(), query.split("\t")[0].strip()
        if not tab:
            raise I3Error(f"{place}: no tab; expected a query id, a tab and the query")
        if not qid or not query:
            raise I3Error(f"{place}: the {'query' if qid else 'query id'} is empty")
        if qid in topics:
            raise I3Error(f"{place}: query id {qid!r} occurs a second time")
        topics[qid] = query
    if not topics:
        raise I3Error(f"{path}: no topics in this file")
    return topics
