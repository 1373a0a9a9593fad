"""The examples run as they are; their scores are those of the backbone itself."""

import re
import runpy
from pathlib import Path

import pytest

import i3_pyserini as i3
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_an_untrained_model_scores_as_its_backbone(
    minilm: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from ir_measures import calc_aggregate, nDCG
    from sentence_transformers import SentenceTransformer

    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "first_index.py"))
    printed = re.search(r"run\.txt +(0\.\d{4})", capsys.readouterr().out)
    assert printed

    data, backbone = EXAMPLES / "eggs", SentenceTransformer(minilm, device="cpu")
    passages, topics = list(Corpus(data / "corpus.jsonl")), read_topics(str(data / "topics.tsv"))
    texts = [" ".join(filter(None, (one.title, one.text))) for one in passages]
    scores = backbone.encode(list(topics.values())) @ backbone.encode(texts).T
    run = {
        qid: {one.docid: float(score) for one, score in zip(passages, row, strict=True)}
        for qid, row in zip(topics, scores, strict=True)
    }
    qrels: dict[str, dict[str, int]] = {}
    for qid, docid, level in read_qrels(data / "qrels.txt").iter_rows():
        qrels.setdefault(qid, {})[docid] = level
    assert f"{calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10]:.4f}" == printed[1]
    explained = i3.load("first-index/model").explain("Boiling eggs")
    assert not explained.trained and "never trained" in capsys.readouterr().err
