"""One small collection in every form that `data import` reads."""

import json
from pathlib import Path
from typing import Any

from i3_pyserini.data.queries import read_queries
from i3_pyserini.data.sources.folders import PlainFiles
from i3_pyserini.formats.corpus_options import CorpusOptions
from i3_pyserini.formats.passages import Corpus

Row = tuple[str, str, int]
PASSAGES = [("d1", "Eggs", 'Boil "hard'), ("d2", "", "Hot, water"), ("d3", "Ice", "Çold")]
QUERIES = [("q1", "how long"), ("q2", 'what is "it'), ("q3", "where")]
TEST: list[Row] = [("q1", "d1", 2), ("q1", "d2", 0), ("q2", "d3", 1)]
TRAIN: list[Row] = [("q3", "d2", 1)]


def write_beir(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": pid, "title": title, "text": text} for pid, title, text in PASSAGES]
    queries = [{"_id": qid, "text": query, "metadata": {}} for qid, query in QUERIES]
    for name, records in (("corpus", corpus), ("queries", queries)):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    for split, judgements in (("test", TEST), ("train", TRAIN)):
        rows = "".join(f"{qid}\t{pid}\t{grade}\n" for qid, pid, grade in judgements)
        (folder / "qrels" / f"{split}.tsv").write_text(
            f"query-id\tcorpus-id\tscore\n{rows}", encoding="utf-8"
        )
    return folder


def write_plain(folder: Path, suffix: str, end: str = "\n") -> PlainFiles:
    folder.mkdir(exist_ok=True)
    if suffix == ".csv":
        rows = ["docno,body,name"]
        rows += [
            f'{pid},"{text}","{title}"'.replace('"hard', '""hard') for pid, title, text in PASSAGES
        ]
    elif suffix == ".tsv":
        rows = ["\t".join(row) for row in PASSAGES]
    else:
        rows = [
            json.dumps({"id": pid, "title": title, "text": text}) for pid, title, text in PASSAGES
        ]
    options = CorpusOptions("docno", "name", "body") if suffix == ".csv" else CorpusOptions()
    files = {
        f"corpus{suffix}": rows,
        "topics.tsv": [f"{qid}\t{query}" for qid, query in QUERIES[:2]],
        "qrels.txt": [f"{qid} 0 {pid} {grade}" for qid, pid, grade in TEST],
    }
    for name, content in files.items():
        (folder / name).write_bytes("".join(row + end for row in content).encode())
    return PlainFiles(
        folder / f"corpus{suffix}",
        {"test": folder / "topics.tsv"},
        {"test": folder / "qrels.txt"},
        options,
    )


def contents(folder: Path) -> dict[str, Any]:
    corpus = Corpus(folder / "corpus")
    return {
        "passages": [(passage.docid, passage.title or "", passage.text) for passage in corpus],
        "topics": read_queries(folder / "topics.test.tsv"),
        "qrels": (folder / "qrels.test.txt").read_text(encoding="utf-8"),
    }


EXPECTED = {
    "passages": PASSAGES,
    "topics": dict(QUERIES[:2]),
    "qrels": "q1 0 d1 2\nq1 0 d2 0\nq2 0 d3 1\n",
}
