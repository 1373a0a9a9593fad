import json
import re
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.eval.compare import compare as differences_to
from i3_pyserini.eval.evaluation import Evaluation
from i3_pyserini.experiments.compared import Agreement, Compared, Comparison
from i3_pyserini.experiments.costs import Cost
from i3_pyserini.experiments.demo import collection
from i3_pyserini.experiments.demo.collection import PARTS, Docstring, write_collection
from i3_pyserini.experiments.demo.run import FULL, QUICK, Demo
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics


def test_collection_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        Docstring(f"a.b{number}", f"summary {number}", f"body\t{number}") for number in range(50)
    ]
    monkeypatch.setattr(collection, "collect_docstrings", lambda packages: entries)
    counts = write_collection(tmp_path)
    assert counts["passages"] == 50
    assert sum(counts[split] for split in ("train", "dev", "test")) == 50
    passages = list(Corpus(tmp_path / "corpus", fields=("title", "text")))
    assert (passages[7].docid, passages[7].title, passages[7].text) == ("a.b7", "a.b7", "body\t7")
    ids: set[str] = set()
    for split in ("train", "dev", "test"):
        topics = read_topics(str(tmp_path / f"topics.{split}.tsv"))
        qrels = read_qrels(str(tmp_path / f"qrels.{split}.txt"))
        assert list(qrels["query_id"]) == list(qrels["doc_id"]) == list(topics)
        assert not ids & set(topics)
        ids |= set(topics)
    first = json.loads(
        (tmp_path / "corpus" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[0]
    )
    assert first == {
        "id": "a.b0",
        "title": "a.b0",
        "text": "body\t0",
        "contents": "a.b0\nbody\t0",
    }


def test_fewer_passages_are_chosen_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [Docstring(f"a.b{n}", f"summary {n}", f"body {n}") for n in range(50)]
    found = []
    for number, order in enumerate((entries, entries[::-1])):
        monkeypatch.setattr(collection, "collect_docstrings", lambda packages, own=order: own)
        folder = tmp_path / str(number)
        counts = write_collection(folder, limit=20, splits={"test": range(PARTS)})
        assert counts == {"passages": 20, "test": 20}
        found.append({passage.docid for passage in Corpus(folder / "corpus")})
    assert found[0] == found[1] and found[0] != {entry.name for entry in entries[:20]}


@pytest.mark.parametrize(
    ("trained", "i3", "said"),
    [
        (0.1, 0.0, ("helped", "not significantly different from")),
        (-0.1, 0.1, ("hurt", "significantly better than")),
        (0.0, -0.1, ("made no significant difference", "significantly worse than")),
    ],
)
def test_the_demo_says_what_its_own_figures_show(
    trained: float, i3: float, said: tuple[str, str]
) -> None:
    random = np.random.default_rng(1)
    base = 0.2 + random.random(60) / 2

    means = []
    for name, change in (("dual encoder", 0.0), ("backbone", -trained), ("I³ released", i3)):
        noise = random.normal(0, 0.05, len(base))
        values = base + change + noise - noise.mean()
        qids = [f"q{n}" for n in range(len(base))]
        means.append(Evaluation(name, qids, {"nDCG@10": values}, []))
    costs = {"I³ released": Cost(2_500_000, 1.25), "dual encoder": Cost(2_400_000, 1.0)}
    found = Compared(
        "docstrings",
        means,
        differences_to(means[0], means[1:]),
        {},
        costs,
        {},
        None,
        Agreement(60, 59),
    )
    text = str(Demo(Comparison([found]), QUICK, Path("out") / "quick"))
    assert all(words in text for words in said)
    assert (
        f"{means[1].means['nDCG@10']:.4f} for MiniLM" in text
        and "2.5 MB, of the dual encoder 2.4 MB" in text
    )
    assert "first 10 hits for 59 of 60 queries" in text
    assert "i3-pyserini compare DATA" in text and "i3-pyserini encode texts.csv" in text
    assert "make demo-full" in text
    assert "make demo-full" not in str(Demo(Comparison([found]), FULL, Path("out")))
    (visible,) = re.findall(r"below about (0\.\d{3})", text)
    other = found.differences[-1]
    assert float(visible) == pytest.approx((other.high - other.low) / 2, abs=6e-4)
