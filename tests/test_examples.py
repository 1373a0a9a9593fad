"""The examples run as they are; what they show is checked with other programs' numbers.

A notebook's stored outputs and those of an execution by the test have to be alike, and the same
facts are checked of both. Facts that need its files are checked of the execution.
"""

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from ir_measures import calc_aggregate, nDCG, read_trec_qrels, read_trec_run

import i3_pyserini as i3
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics
from tests.notebooks import EXAMPLES, MACHINE, NOTEBOOKS, Shown, executed, folder_of
from tests.pages import ROOT

DATA = EXAMPLES / "eggs"
QUERY = "how long does an egg take?"  # of the first notebook's search
EXACT = 1e-5
Rank = Callable[[list[str], list[str]], list[list[float]]]


@pytest.fixture(scope="module")
def rank(minilm: str) -> Rank:
    """Scores of all passages for each query, by sentence-transformers and the backbone alone."""
    from sentence_transformers import SentenceTransformer

    backbone = SentenceTransformer(minilm, device="cpu")

    def scores(queries: list[str], passages: list[str]) -> list[list[float]]:
        found: list[list[float]] = (backbone.encode(queries) @ backbone.encode(passages).T).tolist()
        return found

    return scores


@pytest.fixture(scope="module")
def eggs(rank: Rank) -> dict[str, dict[str, float]]:
    """The backbone's scores of the first example's passages, by topic, and for `QUERY`."""
    passages = list(Corpus(DATA / "corpus.jsonl"))
    texts = [" ".join(filter(None, (one.title, one.text))) for one in passages]
    topics = {**read_topics(DATA / "topics.tsv"), QUERY: QUERY}
    scores = rank(list(topics.values()), texts)
    return {
        name: {one.docid: score for one, score in zip(passages, row, strict=True)}
        for name, row in zip(topics, scores, strict=True)
    }


@pytest.fixture(scope="module")
def ndcg(eggs: dict[str, dict[str, float]]) -> str:
    """The backbone's nDCG@10, to four digits."""
    qrels: dict[str, dict[str, int]] = {}
    for qid, docid, level in read_qrels(DATA / "qrels.txt").iter_rows():
        qrels.setdefault(qid, {})[docid] = level
    return f"{calc_aggregate([nDCG @ 10], qrels, eggs)[nDCG @ 10]:.4f}"


@pytest.mark.slow
def test_an_untrained_model_scores_as_its_backbone(
    ndcg: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "first_index.py"))
    printed = re.search(r"run\.txt +(0\.\d{4})", capsys.readouterr().out)
    assert printed and printed[1] == ndcg
    explained = i3.load("first-index/model").explain("Boiling eggs")
    assert not explained.trained and "never trained" in capsys.readouterr().err


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_are_stored_and_name_no_machine(name: str) -> None:
    notebook = stored(name)
    shown = Shown(notebook)
    assert [cell.execution_count for cell in shown.cells] == list(range(1, len(shown.cells) + 1))
    assert any(shown.outline())
    assert {*notebook.metadata} == {"kernelspec", "language_info"}
    text = nbformat.writes(notebook)
    assert not MACHINE.search(text)
    streams = [one.text for cell in shown.cells for one in cell.outputs if "text" in one]
    assert not re.search(r"\r|\d%\|", "".join(streams))  # progress bars
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert {f"{folder_of(name)}/", f"/examples/{folder_of(name)}/"} & {*ignored}
    for link in re.findall(r"\]\(((?!http)[^)#]+)", text):
        assert (EXAMPLES / link).is_file(), link


@pytest.mark.slow
def test_the_first_index_shows_what_it_gives(
    eggs: dict[str, dict[str, float]], ndcg: str, tmp_path: Path
) -> None:
    scores = eggs[QUERY]
    best = sorted(scores, key=lambda docid: -scores[docid])[:3]
    for shown in (Shown(stored("first_index")), run("first_index", tmp_path)):
        assert QUERY in str(shown.cells)
        assert shown.value("encode_queries").strip("()").split(", ") == ["1", "384"]
        assert [row[0] for row in shown.rows("open_index")] == best
        assert float(shown.table("open_index")[0]["score"]) == pytest.approx(
            scores[best[0]], abs=1e-3
        )
        assert shown.rows("i3.evaluate")[0][:2] == ["run.txt", ndcg]
        values = dict(row[1:] for row in shown.rows("to_pandas"))
        assert f"{float(values['nDCG@10']):.4f}" == ndcg
        assert len(shown.rows("encoder.explain")) == 5
        assert shown.value("explained.trained") == "False"
        assert "never trained" in shown.said("encoder.explain")


@pytest.mark.slow
def test_the_table_becomes_a_page(rank: Rank, tmp_path: Path) -> None:
    """Hits are those of sentence-transformers on the same table; the server's are the same."""
    done = run("search_page", tmp_path)
    for shown in (Shown(stored("search_page")), done):
        hits = shown.table('opened.search("a folder')
        assert hits[0]["docid"] in shown.value("hits[0].metadata")
        assert len(shown.rows("questions = [")) == len(shown.rows("answer = ")) == len(hits) == 5
        assert shown.value("page.status_code").startswith("(200, 'text/html")
    table = pd.read_csv(tmp_path / "examples" / "search-page" / "table.csv")
    assert f"{len(table):,} passages" in done.printed("import_collection(")
    source = "".join(cell.source for cell in done.cells)
    queries = re.findall(r'(?:opened\.search\(|"q": )"([^"]+)"', source)
    texts = [f"{title} {text}" for title, text in zip(table["title"], table["text"], strict=True)]
    searched, served = (
        pd.Series(scores, index=table["id"]).nlargest(5) for scores in rank(queries, texts)
    )
    hits = done.table('opened.search("a folder')
    assert [hit["docid"] for hit in hits] == list(searched.index)
    assert [float(hit["score"]) for hit in hits] == pytest.approx(list(searched), abs=1e-3)
    assert [row["vectors"] for row in done.table("answer = ")] == list(served.index)


@pytest.mark.slow
def test_a_comparison_is_read_as_it_is(tmp_path: Path) -> None:
    """Values, differences and Holm's correction, by ir-measures and by hand."""
    done = run("comparison", tmp_path)
    systems = ["backbone", "dual encoder", "I³ released"]
    for shown in (Shown(stored("comparison")), done):
        table = {row["system"]: row for row in shown.table("i3.compare(")}
        assert [name for name in table if "BM25" not in name] == systems
        base = float(table["dual encoder"]["nDCG@10"])
        frame = {row[""]: row for row in shown.table('tested[["delta"')}
        for name, row in frame.items():
            assert float(row["low"]) <= float(row["delta"]) <= float(row["high"])
            value = float(table[name]["nDCG@10"])
            assert value - base == pytest.approx(float(row["delta"]), abs=2e-4)
        assert all(row["by hand"] == row["t_test_holm"] for row in shown.table("cummax"))
        assert all(float(table[name]["Judged@10"]) <= 0.1 for name in systems)
        printed = shown.printed("result.sentence")
        assert "compared with the dual encoder" in printed and f"({base:.4f})" in printed
        assert "report.html" in shown.value("found.report")
    work = tmp_path / "examples" / "comparison"
    assert (work / "results" / "report.html").is_file()
    table = {row["system"]: row for row in done.table("i3.compare(")}
    qrels = list(read_trec_qrels(str(work / "docstrings" / "qrels.test.txt")))
    for name, file in zip(
        systems, ("backbone", "dual-encoder.seed-1", "i3-released.seed-1"), strict=True
    ):
        found = list(read_trec_run(str(work / "results" / "runs" / f"{file}.test.txt")))
        value = calc_aggregate([nDCG @ 10], qrels, found)[nDCG @ 10]
        assert f"{value:.4f}" == table[name]["nDCG@10"]


@pytest.mark.slow
def test_it_learns_explains_and_gives_the_same_vectors(tmp_path: Path) -> None:
    for shown in (Shown(stored("train_and_explain")), run("train_and_explain", tmp_path)):
        words = re.findall(r"reconstruction ([\d.]+)", shown.printed('"small-warmup"'))
        assert float(words[-1]) < 0.8 * float(words[0])
        assert re.findall(r"contrastive ([\d.]+)", shown.printed('"small-contrastive"'))
        assert 1 <= len(shown.rows("opened.explain(hit.docid)")) <= 12
        passages, own, others = map(int, re.findall(r"\d+", shown.printed("read_topics(")))
        assert others < own <= passages
        vectors = shown.table("largest difference")
        assert all(0 <= float(row["largest difference"]) < EXACT for row in vectors)
        same, queries = re.findall(r"\d+", shown.printed("model.similarity"))
        assert same == queries
        assert shown.value("query_encoder.encode") == "True"


def stored(name: str) -> Any:
    return nbformat.read(NOTEBOOKS[name], as_version=4)


def run(name: str, folder: Path) -> Shown:
    """What a notebook shows now, in the same form as what is stored."""
    found = Shown(executed(NOTEBOOKS[name], folder))
    assert found.outline() == Shown(stored(name)).outline()
    return found
