"""The examples run as they are; their scores are those of the backbone itself."""

import re
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import i3_pyserini as i3
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics

EXAMPLES = Path(__file__).parents[1] / "examples"
DATA = EXAMPLES / "eggs"
QUERY = "how long does an egg take?"  # of the notebook's search
Rank = Callable[[list[str]], list[dict[str, float]]]


@pytest.fixture(scope="module")
def rank(minilm: str) -> Rank:
    """Scores of all passages for each query, by sentence-transformers and the backbone alone."""
    from sentence_transformers import SentenceTransformer

    backbone, passages = (
        SentenceTransformer(minilm, device="cpu"),
        list(Corpus(DATA / "corpus.jsonl")),
    )
    texts = [" ".join(filter(None, (one.title, one.text))) for one in passages]
    vectors = backbone.encode(texts)

    def scores(queries: list[str]) -> list[dict[str, float]]:
        return [
            {one.docid: float(score) for one, score in zip(passages, row, strict=True)}
            for row in backbone.encode(queries) @ vectors.T
        ]

    return scores


@pytest.fixture(scope="module")
def ndcg(rank: Rank) -> str:
    """The backbone's nDCG@10, to four digits."""
    from ir_measures import calc_aggregate, nDCG

    topics = read_topics(str(DATA / "topics.tsv"))
    run = dict(zip(topics, rank(list(topics.values())), strict=True))
    qrels: dict[str, dict[str, int]] = {}
    for qid, docid, level in read_qrels(DATA / "qrels.txt").iter_rows():
        qrels.setdefault(qid, {})[docid] = level
    return f"{calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10]:.4f}"


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


class Shown:
    """What the cells of a notebook show."""

    def __init__(self, notebook: Any) -> None:
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]

    def outputs(self, source: str) -> list[Any]:
        """Of the one cell that has this in its source."""
        (cell,) = (cell for cell in self.cells if source in cell.source)
        return list(cell.outputs)

    def value(self, source: str, kind: str = "text/plain") -> str:
        """What the cell's last line is."""
        (shown,) = (one for one in self.outputs(source) if one.output_type == "execute_result")
        return str(shown.data[kind])

    def rows(self, source: str) -> list[list[str]]:
        """Of a table in HTML, without its header."""
        rows = re.findall(r"<tr>(.*?)</tr>", self.value(source, "text/html"), re.DOTALL)
        cells = [re.findall(r"<td[^>]*>\s*(.*?)\s*</td>", row) for row in rows]
        return [row for row in cells if row]

    def said(self, source: str) -> str:
        """What the cell wrote to the standard error."""
        return "".join(one.text for one in self.outputs(source) if one.output_type == "stream")


def check(shown: Shown, ndcg: str, best: list[str]) -> None:
    """The facts of `first_index.ipynb`."""
    assert [cell.execution_count for cell in shown.cells] == list(range(1, len(shown.cells) + 1))
    assert shown.value("encode_queries").strip("()").split(", ") == ["1", "384"]
    assert [row[0] for row in shown.rows("open_index")] == best
    assert shown.rows("i3.evaluate")[0][:2] == ["run.txt", ndcg]
    values = dict(row[1:] for row in shown.rows("to_pandas"))
    assert f"{float(values['nDCG@10']):.4f}" == ndcg
    assert len(shown.rows("encoder.explain")) == 5
    assert shown.value("explained.trained") == "False"
    assert "never trained" in shown.said("encoder.explain")


@pytest.mark.slow
def test_the_notebook_shows_what_it_gives(
    rank: Rank, ndcg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is committed, and executed again from its own folder."""
    (scores,) = rank([QUERY])
    best = sorted(scores, key=lambda docid: -scores[docid])[:3]
    notebook = nbformat.read(EXAMPLES / "first_index.ipynb", as_version=4)
    assert QUERY in str(notebook)
    check(Shown(notebook), ndcg, best)
    assert not re.search(r"/(home|root|tmp|usr|Users|work)/", str(notebook))

    shutil.copytree(DATA, tmp_path / "eggs")
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    check(Shown(notebook), ndcg, best)
    (_, score, *_), *_ = Shown(notebook).rows("open_index")
    assert float(score) == pytest.approx(scores[best[0]], abs=1e-3)
