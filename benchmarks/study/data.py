"""The study's collections: sampled, split and given hard negatives, always in the same way.

Each folder has `corpus/`, `topics.SPLIT.tsv` and `qrels.SPLIT.txt` for train, dev, explore and
test, and `negatives.tsv`: for each training query the 8 best BM25 hits that are not relevant.
Learning rates are chosen on dev, forms of I³ on explore; test is for the protocol's runs only.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import i3_pyserini as i3
from i3_pyserini.data.mine import mine_negatives
from i3_pyserini.experiments.demo.collection import collect_docstrings
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels, write_qrels
from i3_pyserini.formats.topics import read_topics, write_topics

SPLITS = ("train", "dev", "explore", "test")
TRAIN, DEV, EXPLORE = 7500, 500, 2000  # queries; all test queries are kept
NEGATIVES = 8  # of each training query
DEPTH = 100  # of the hits that they are taken from
# Their docstrings are trained on.
OLD_PACKAGES = (
    *("stdlib", "numpy", "pandas", "scipy", "sklearn", "torch", "networkx", "matplotlib"),
    *("sympy", "statsmodels"),
)
EXPLORE_PACKAGES = ("transformers", "pydantic", "huggingface_hub")
# First released, or written anew, after 2019, the year of the code that all-MiniLM-L6-v2 and
# all-mpnet-base-v2 were trained on.
NEW_PACKAGES = (
    *("fastmcp", "narwhals", "mteb", "pytorch_optimizer", "openai", "qdrant_client", "polars"),
    *("accelerate", "pymilvus"),
)


@dataclass(frozen=True)
class Pair:
    """A query and its only relevant passage."""

    qid: str
    query: str
    pid: str
    title: str
    text: str


def make_collection(name: str, folder: Path, shared: Path) -> Path:
    """Makes a collection unless it is there.

    Args:
        name: one of `COLLECTIONS`.
        folder: where collections are made.
        shared: where ACL titles, SQuAD sentences and NFCorpus are.

    Returns:
        Its folder.
    """
    made = folder / name
    if not (made / "negatives.tsv").exists():
        shutil.rmtree(made, ignore_errors=True)
        COLLECTIONS[name](made, shared)
        _mine(made)
    return made


def _acl_titles(made: Path, shared: Path) -> None:
    source = shared / "acl-titles"
    rest = _sampled(_pairs(source, "train"), TRAIN + DEV + EXPLORE)
    parts = {"test": _pairs(source, "test"), "dev": rest[:DEV]}
    parts |= {"explore": rest[DEV : DEV + EXPLORE], "train": rest[DEV + EXPLORE :]}
    _write(made, parts)


def _squad_sentences(made: Path, shared: Path) -> None:
    source = shared / "squad-sentences"
    rest = _sampled(_pairs(source, "train"), TRAIN + EXPLORE)
    parts = {split: _pairs(source, split) for split in ("dev", "test")}
    parts |= {"explore": rest[:EXPLORE], "train": rest[EXPLORE:]}
    _write(made, parts)


def _docstrings(made: Path, _: Path) -> None:
    rest = _sampled(_documented(OLD_PACKAGES), TRAIN + DEV)
    explore = _sampled(_documented(EXPLORE_PACKAGES), EXPLORE)
    parts = {"dev": rest[:DEV], "train": rest[DEV:], "explore": explore}
    _write(made, {**parts, "test": _documented(NEW_PACKAGES)})


def _nfcorpus(made: Path, shared: Path) -> None:
    """As it is; it has too few queries for an explore split."""
    shutil.copytree(shared / "nfcorpus", made, ignore=shutil.ignore_patterns("*.store"))


COLLECTIONS: dict[str, Callable[[Path, Path], None]] = {
    "acl-titles": _acl_titles,
    "docstrings": _docstrings,
    "nfcorpus": _nfcorpus,
    "squad-sentences": _squad_sentences,
}


def _pairs(source: Path, split: str) -> list[Pair]:
    texts = {one.docid: one for one in Corpus(source / "corpus")}
    relevant = dict(
        read_qrels(source / f"qrels.{split}.txt").select("query_id", "doc_id").iter_rows()
    )
    queries = read_topics(str(source / f"topics.{split}.tsv"))
    found = [(qid, query, texts[relevant[qid]]) for qid, query in queries.items()]
    return [Pair(qid, query, one.docid, one.title or "", one.text) for qid, query, one in found]


def _documented(packages: Sequence[str]) -> list[Pair]:
    return [
        Pair(one.name, one.summary, one.name, one.name, one.description)
        for one in collect_docstrings(packages)
    ]


def _sampled(pairs: Iterable[Pair], count: int) -> list[Pair]:
    """A sample that depends on nothing but the queries' ids, in its own order."""
    return sorted(pairs, key=lambda one: hashlib.sha256(one.qid.encode()).digest())[:count]


def _write(made: Path, parts: dict[str, list[Pair]]) -> None:
    passages = {one.pid: one for split in SPLITS for one in parts[split]}
    with new_file(made / "corpus" / "corpus.jsonl") as file:
        for one in passages.values():
            record = {"id": one.pid, "title": one.title, "text": one.text}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    for split, pairs in parts.items():
        with new_file(made / f"topics.{split}.tsv") as file:
            write_topics(file, ((one.qid, one.query) for one in pairs))
        with new_file(made / f"qrels.{split}.txt") as file:
            write_qrels(file, ((one.qid, one.pid, 1) for one in pairs))


def _mine(made: Path) -> None:
    topics, qrels, corpus = (
        made / name for name in ("topics.train.tsv", "qrels.train.txt", "corpus")
    )
    run = made / "bm25.train.txt"
    i3.search_bm25(corpus, topics, output=run, index=made / "bm25", hits=DEPTH)
    mine_negatives(
        topics,
        qrels,
        corpus,
        run=run,
        output=made / "negatives.tsv",
        per_query=NEGATIVES,
        cache=made,
    )
