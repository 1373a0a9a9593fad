"""The stock command reads indexes of every type, and their parameters with them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.encoded_queries import save_queries
from i3_pyserini.formats.hits import Hits
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.search.faiss_index import apply_parameters, parameters_of
from i3_pyserini.search.index.build import build
from i3_pyserini.search.index.tune import tune
from i3_pyserini.search.index.types import TYPES
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.stock.java import find_java, java_environment
from tests.search.index.test_build import vectors_of
from tests.search.test_searcher import write_index

pytestmark = pytest.mark.skipif(
    find_java()[0] is None, reason="stock Pyserini needs Java: pip install 'i3-pyserini[java]'"
)
QUERIES, HITS = 20, 50
KINDS = [*TYPES, "IVF32_HNSW16,SQ8", "IVF16,RaBitQ,Refine(SQ8)"]
# The command once for each index, in one process: the import of it takes seconds.
COMMANDS = """
import json, runpy, sys
for words in json.loads(sys.argv[1]):
    sys.argv = ["pyserini.search.faiss", *words]
    runpy.run_module("pyserini.search.faiss", run_name="__main__")
"""
Run = dict[str, list[tuple[str, float]]]


def stock_runs(folder: Path, indexes: list[Path]) -> list[Run]:
    """What `python -m pyserini.search.faiss` writes for each index, by query."""
    words = [
        [
            *("--index", str(index), "--topics", str(folder / "topics.tsv")),
            *("--encoded-queries", str(folder / "queries"), "--output", f"{index}.run.txt"),
            *("--hits", str(HITS), "--batch-size", str(QUERIES), "--threads", "2"),
        ]
        for index in indexes
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(words)],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, **java_environment(), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [_read(Path(f"{index}.run.txt")) for index in indexes]


def _read(path: Path) -> Run:
    run: Run = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        qid, _, docid, _, score, _ = line.split()
        run.setdefault(qid, []).append((docid, float(score)))
    return run


def check_same(run: Run, hits: Hits, docids: list[str], name: str) -> None:
    for query in range(QUERIES):
        found = run[f"q{query}"]
        rows = hits.rows[query][hits.rows[query] >= 0].tolist()
        scores = hits.scores[query][: len(rows)]
        assert len(found) == len(rows), name
        np.testing.assert_allclose([score for _, score in found], scores, atol=2e-5, err_msg=name)
        apart = np.diff(scores, prepend=np.inf, append=-np.inf)
        for place, (docid, _) in enumerate(found):  # equal scores may stand in another order
            if min(-apart[place], -apart[place + 1]) > 1e-5:
                assert docid == docids[rows[place]], (name, query, place)


@pytest.mark.slow
def test_stock_search_gives_our_hits(tmp_path: Path) -> None:
    flat, queries = write_index(tmp_path / "flat", vectors_of(3000)), vectors_of(QUERIES, seed=1)
    topics = {f"q{number}": f"query {number}" for number in range(QUERIES)}
    (tmp_path / "topics.tsv").write_text(
        "".join(f"{q}\t{text}\n" for q, text in topics.items()), encoding="utf-8"
    )
    save_queries(tmp_path / "queries", topics, queries)
    indexes = [tmp_path / f"index-{number}" for number in range(len(KINDS))]
    for kind, index in zip(KINDS, indexes, strict=True):
        build(flat, IndexOutput(index), kind)
    tuned = tmp_path / "tuned"
    build(flat, IndexOutput(tuned), "ivf-pq")
    tune(tuned, vectors_of(30, seed=2), 0.5, HITS)
    for name, index, run in zip(
        [*KINDS, "tuned"], [*indexes, tuned], stock_runs(tmp_path, [*indexes, tuned]), strict=True
    ):
        searcher = Searcher(index)
        check_same(run, searcher.search_arrays(queries, HITS), list(searcher.docids), name)


def test_parameters_change_what_stock_search_would_find(tmp_path: Path) -> None:
    """So that the test above could fail: with FAISS's own values there are other hits."""
    flat, queries = write_index(tmp_path / "flat", vectors_of(3000)), vectors_of(QUERIES, seed=1)
    for kind, least in (("ivf-sq8", {"nprobe": 1}), ("rabitq", {"refine": 1})):
        build(flat, IndexOutput(tmp_path / kind), kind)
        index = faiss.read_index(str(tmp_path / kind / "index"))
        assert parameters_of(index) != least
        _, stored = index.search(queries, HITS)
        apply_parameters(index, least, kind)
        _, default = index.search(queries, HITS)
        assert (stored != default).mean() > 0.05
