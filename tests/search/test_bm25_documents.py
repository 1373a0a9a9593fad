"""BM25 of windows ranks documents."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.bm25 import search_bm25


def test_documents_by_their_best_windows(tmp_path: Path, capsys: Any) -> None:
    corpus, lines = tmp_path / "corpus" / "corpus.jsonl", []
    for number in range(40):
        for window in range(30 if number == 0 else 2):
            eggs = "egg " * (3 if number == 0 else 1 + (number * 7 + window) % 2)
            lines.append(json.dumps({"id": f"d{number}#{window}", "text": f"{eggs}water {number}"}))
    corpus.parent.mkdir()
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "manifest.json").write_text(
        json.dumps({"collection": "eggs", "chunks": {"by": "tokens", "size": 8, "overlap": 0}}),
        encoding="utf-8",
    )
    (tmp_path / "topics.tsv").write_text("q\tegg\nz\tzebra\nr\twater 3\n", encoding="utf-8")
    found: dict[str, dict[str, list[str]]] = {}
    for name, options in (("max", {}), ("none", {"documents": "none", "hits": 1000})):
        output = tmp_path / f"{name}.txt"
        given: dict[str, Any] = {"hits": 12, **options}
        search_bm25(corpus.parent, tmp_path / "topics.tsv", output=output, engine="sqlite", **given)
        run = read_run(output)
        found[name] = dict(run.hits(run.queries))
    assert capsys.readouterr().err.count("(MaxP)") == 1
    assert list(found["max"]) == ["q", "r"]
    windows = read_run(tmp_path / "none.txt").table
    for qid, documents in found["max"].items():
        own = windows.filter(windows["query_id"] == qid)
        best: dict[str, float] = {}
        for docid, score in zip(own["doc_id"].to_list(), own["score"].to_list(), strict=True):
            best.setdefault(docid.split("#")[0], score)
        assert len(documents) == 12 and len(set(documents)) == 12
        scores = [best[docid] for docid in documents]
        assert scores[-1] == pytest.approx(sorted(best.values(), reverse=True)[11], rel=1e-5)
        assert scores == pytest.approx(sorted(scores, reverse=True), rel=1e-5)
    assert found["max"]["q"][0] == "d0"


def test_a_corpus_that_is_not_cut_is_refused(tmp_path: Path) -> None:
    corpus, topics = tmp_path / "corpus.jsonl", tmp_path / "topics.tsv"
    topics.write_text("q\tegg\n", encoding="utf-8")
    given: dict[str, Any] = {"output": tmp_path / "run.txt", "engine": "sqlite"}
    corpus.write_text(
        '{"id": "#1", "text": "egg"}\n{"id": "d2", "text": "egg"}\n', encoding="utf-8"
    )
    with pytest.raises(I3Error, match=r"corpus.jsonl: no id is .*'#1'"):
        search_bm25(corpus, topics, **given, documents="max")
    corpus.write_text(
        '{"id": "d1", "text": "egg"}\n{"id": "d2#0", "text": "egg"}\n', encoding="utf-8"
    )
    search_bm25(corpus, topics, **given, documents="max")
    assert set(read_run(tmp_path / "run.txt").lines["doc_id"]) == {"d1", "d2"}
