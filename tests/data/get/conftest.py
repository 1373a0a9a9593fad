"""A small data set of the same form as MS MARCO's, from a server of our own."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data.catalog import Dataset, find_dataset
from tests.data.server import Site, serving

PASSAGES = {"0": 'An egg "hard', "1": "Hot water", "2": "Cold\u00a0place"}
TITLES = {"0": "Eggs", "2": "Places"}
QUERIES = "7\thow long\n8\twhat is\n9\tthe egg\n"
QRELS = "8 0 1 3\n7 0 0 0\n"


def tar(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


def lines(pairs: dict[str, str]) -> str:
    return "".join(f"{key}\t{value}\n" for key, value in pairs.items())


OFFICIAL = tar({"collection.tsv": lines(PASSAGES), "other.tsv": "x"})
TITLED = tar({"marco/para.txt": lines(PASSAGES), "marco/para.title.txt": lines(TITLES)})


def catalog(site: Site) -> dict[str, Any]:
    def file(path: str, group: str, **fields: Any) -> dict[str, Any]:
        return {"path": path, "group": group, "licence": "ours", "purpose": "a test", **fields}

    def made(by: str, source: str, *members: str) -> dict[str, Any]:
        return {"made": {"by": by, "from": source, "members": members}, "lines": 3}

    return {
        "small": {
            "about": "A test.",
            "terms": "No terms.",
            "groups": {"text": "passages", "queries": "queries", "hub": "from the hub"},
            "files": [
                file(
                    "downloads/official.tar.gz",
                    "text",
                    url=f"{site.url}/official.tar.gz",
                    size=len(OFFICIAL),
                    md5=hashlib.md5(OFFICIAL, usedforsecurity=False).hexdigest(),
                ),
                file(
                    "official/corpus/corpus.jsonl",
                    "text",
                    collection="small-official",
                    **made("corpus", "downloads/official.tar.gz", "collection.tsv"),
                ),
                file("downloads/titled.tar.gz", "text", url=f"{site.url}/titled.tar.gz"),
                file(
                    "titled/corpus/corpus.jsonl",
                    "text",
                    collection="small-titled",
                    **made(
                        "titled_corpus",
                        "downloads/titled.tar.gz",
                        "marco/para.txt",
                        "marco/para.title.txt",
                    ),
                ),
                file("downloads/queries.tsv.gz", "queries", url=f"{site.url}/queries.tsv.gz"),
                file("qrels.txt", "queries", url=f"{site.url}/qrels.txt"),
                file(
                    "topics.tsv",
                    "queries",
                    made={
                        "by": "judged_topics",
                        "from": "downloads/queries.tsv.gz",
                        "with": "qrels.txt",
                    },
                    lines=2,
                ),
                file(
                    "train_negs.tsv",
                    "hub",
                    hub={"repo": "we/data", "type": "dataset", "file": "train_negs.tsv"},
                ),
                file("backbone", "hub", hub={"repo": "we/backbone", "type": "model"}),
            ],
        }
    }


@pytest.fixture
def site() -> Iterator[Site]:
    files = {
        "/official.tar.gz": OFFICIAL,
        "/titled.tar.gz": TITLED,
        "/queries.tsv.gz": gzip.compress(QUERIES.encode()),
        "/qrels.txt": QRELS.encode(),
    }
    repositories = {
        "datasets/we/data": {"marco/train_negs.tsv": b"7\t1,2\n", "README.md": b"#"},
        "models/we/backbone": {"config.json": b"{}", "model.safetensors": b"0123"},
    }
    with serving(Site(files, repositories)) as running:
        yield running


@pytest.fixture
def catalog_file(site: Site, tmp_path: Path) -> Path:
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(catalog(site)), encoding="utf-8")
    return path


@pytest.fixture
def dataset(catalog_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dataset:
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "no-ir-datasets"))
    return find_dataset("small", catalog_file)
