import json
from pathlib import Path

import pytest

from i3_pyserini.experiments.demo import collection
from i3_pyserini.experiments.demo.collection import Docstring, write_collection
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
    first = json.loads((tmp_path / "corpus" / "corpus.jsonl").read_text().splitlines()[0])
    assert first == {
        "id": "a.b0",
        "title": "a.b0",
        "text": "body\t0",
        "contents": "a.b0\nbody\t0",
    }
