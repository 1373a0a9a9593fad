"""A small collection to mine, its run and judgements, and what mining makes of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.data.mining import Index, Outputs, Sources, mine
from i3_pyserini.data.negatives import Selection
from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus

# p2 says what p1 says, and p6 what p5 says; p9 has the words of p1 in another order.
COLLECTION = """\
p1\tEggs\tBoil them
p2\t\t eggs  BOIL\u00a0them
p3\tWater\thot
p4\tWater\tcold
p5\tLight\tplant
p6\tlight plant\t
p7\tA\tb c
p8\tD\te f
p9\tBoil\tthem eggs
"""
TOPICS = "q2\thot water\nq0\tnobody judged this\nq1\tboil eggs\nq3\tplant light\n"
QRELS = "q1 0 p1 1\nq1 0 p3 0\nq2 0 p3 2\nq2 0 p4 1\nq3 0 p5 1\n"
# q2's best hit is no positive from relevance 2 on.
HITS = {
    "q1": ["p1", "p9", "p2", "p3", "p5", "p6", "p7", "p8", "p4"],
    "q2": ["p4", "p8", "p3", "p7"],
}


def trec(hits: dict[str, list[str]]) -> str:
    return "".join(
        f"{qid} Q0 {pid} {rank} {100 - rank} tag\n"
        for qid, pids in hits.items()
        for rank, pid in enumerate(pids, start=1)
    )


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for name, content in (
        ("run.txt", trec(HITS)),
        ("topics.tsv", TOPICS),
        ("qrels.txt", QRELS),
        ("collection.tsv", COLLECTION),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
    return Sources(
        tmp_path / "run.txt",
        tmp_path / "topics.tsv",
        tmp_path / "qrels.txt",
        tmp_path / "collection.tsv",
        cache=tmp_path / "cache",
    )


def outputs(sources: Sources, **more: Any) -> Outputs:
    folder = sources.topics.parent / "out"
    return Outputs(folder / "negs.tsv", folder / "negs.jsonl", **more)


def mined(sources: Sources, **selection: Any) -> dict[str, list[str]]:
    where = outputs(sources, overwrite=True)
    mine(sources, Selection(**selection), where)
    lines = where.negatives.read_text(encoding="utf-8").splitlines()
    return {qid: pids.split(",") for qid, pids in (line.split("\t") for line in lines)}


def left(sources: Sources) -> list[str]:
    folder = outputs(sources).negatives.parent
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def with_run(sources: Sources, content: str | bytes, name: str = "run.txt") -> Sources:
    path = sources.topics.with_name(name)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return replace(sources, hits=path)


def with_teacher(sources: Sources, *records: dict[str, Any] | str) -> Sources:
    path = sources.topics.with_name("kd_train.jsonl")
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return replace(sources, teacher=path)


def scored(
    query: str, positives: dict[str, float], negatives: dict[str, float], **more: Any
) -> dict[str, Any]:
    parts = {"positives": positives, "negatives": negatives}
    lists = {
        name: {"doc_id": list(part), "score": list(part.values())} for name, part in parts.items()
    }
    return {**more, "query": query, **lists}


@pytest.fixture
def index(tiny_model: tuple[I3Retriever, I3Tokenizer], sources: Sources, tmp_path: Path) -> Index:
    save_model_directory(*tiny_model, tmp_path / "model")
    corpus = tmp_path / "corpus.jsonl"
    rows = [line.split("\t") for line in COLLECTION.splitlines()]
    corpus.write_text(
        "".join(
            json.dumps(dict(zip(("id", "title", "text"), row, strict=True))) + "\n" for row in rows
        ),
        encoding="utf-8",
    )
    run_encoding(
        Corpus(corpus),
        EncoderSpec(str(tmp_path / "model")),
        IndexOutput(tmp_path / "index"),
        Encoding(Batching(passages=4)),
    )
    return Index(tmp_path / "index", str(tmp_path / "model" / "query_encoder"), "cpu")


def command(sources: Sources, *more: object) -> tuple[object, ...]:
    return (
        *("i3_pyserini", "data", "mine", "--run", sources.hits, "--topics", sources.topics),
        *("--qrels", sources.qrels, "--corpus", sources.collection),
        *("--output", outputs(sources).negatives, *more),
    )
