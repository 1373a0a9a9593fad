"""Every route from queries to hits, and indexes whose vectors were made in different ways."""

import importlib.util
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from i3_pyserini import cli
from i3_pyserini.formats.hits import Scores
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.passages import Passages
from tests.conftest import WORDS
from tests.model.st_models import st_model

PASSAGES, TOPICS = 40, 3
POSITIVE = "d0"  # of every topic, for mining
Ranking = dict[str, list[str]]


@dataclass(frozen=True)
class World:
    """An index, how its vectors were made, and what its flags would be.

    Attributes:
        folder: with `corpus.jsonl`, `topics.tsv`, `qrels.txt`, `model` and `index`.
        flags: of encoding.
        settings: what decides its vectors.
        prefix: `--query-prefix` of its queries, where the manifest does not say it.
    """

    folder: Path
    flags: tuple[str, ...]
    settings: EncoderSettings
    prefix: str | None = None


KINDS = {
    "cls": ((), EncoderSettings()),
    "mean": (("--pooling", "mean"), EncoderSettings("mean")),
    "mean and unit length": (("--pooling", "mean", "--l2-norm"), EncoderSettings("mean", True)),
    "prefixes": (
        ("--pooling", "mean", "--prefix", "hot water :", "--query-prefix", "what is"),
        EncoderSettings("mean", query_prompt="what is ", passage_prompt="hot water : "),
    ),
    "declared": (
        (),
        EncoderSettings("mean", True, query_prompt="what is ", passage_prompt="hot water : "),
    ),
    "declared, other flags": (
        ("--pooling", "cls", "--no-l2-norm"),
        EncoderSettings("cls", False, query_prompt="what is ", passage_prompt="hot water : "),
    ),
}


def call(module: str, *arguments: object) -> None:
    """What `python -m MODULE ARGUMENTS` does, in this process."""
    if module == "i3_pyserini":
        cli.run([str(argument) for argument in arguments])
        return
    package = importlib.util.find_spec(module)
    is_folder = package is not None and package.submodule_search_locations is not None
    run = import_module(f"{module}.__main__" if is_folder else module)
    with mock.patch.object(sys, "argv", [module, *map(str, arguments)]):
        run.main()


def make_world(world: World, tiny_bert: str, declares: bool) -> None:
    folder, random = world.folder, np.random.default_rng(0)
    prompts = {"query": "what is ", "document": "hot water : "}
    if declares:
        st_model(tiny_bert, folder / "model", prompts=prompts)
    else:
        (folder / "model").symlink_to(tiny_bert)
    texts = [" ".join(random.choice(WORDS, random.integers(3, 12))) for _ in range(PASSAGES)]
    rows = [f'{{"id": "d{n}", "text": "{text}"}}\n' for n, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("".join(rows), encoding="utf-8")
    topics = {f"q{n}": " ".join(random.choice(WORDS, 3 + n)) for n in range(TOPICS)}
    (folder / "topics.tsv").write_text(
        "".join(f"{q}\t{text}\n" for q, text in topics.items()), encoding="utf-8"
    )
    (folder / "qrels.txt").write_text(
        "".join(f"{qid} 0 {POSITIVE} 1\n" for qid in topics), encoding="utf-8"
    )
    call(
        "i3_pyserini.encode",
        *("input", "--corpus", folder / "corpus.jsonl", "--fields", "text"),
        *("output", "--embeddings", folder / "index", "--to-faiss"),
        *("encoder", "--encoder", folder / "model", "--encoder-class", "auto"),
        *("--fields", "text", "--device", "cpu", *world.flags),
    )


def vectors_of(world: World, texts: list[str], prompt: str) -> Scores:
    """By transformers alone."""
    settings, folder = world.settings, str(world.folder / "model")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    rows = []
    for text in texts:
        ids = tokenizer(f"{prompt}{text}", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            states = model.eval()(ids).last_hidden_state[0]
        vector = states[0] if settings.pooling == "cls" else states.mean(dim=0)
        rows.append(vector / vector.norm() if settings.normalize else vector)
    vectors: Scores = torch.stack(rows).numpy()
    return vectors


def topics_of(world: World) -> dict[str, str]:
    lines = (world.folder / "topics.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def expected(world: World) -> Ranking:
    lines = (world.folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    passages = vectors_of(world, texts, world.settings.passage_prompt)
    topics = topics_of(world)
    queries = vectors_of(world, list(topics.values()), world.settings.query_prompt)
    order = np.argsort(-(queries @ passages.T), axis=1, kind="stable")
    return {
        qid: [f"d{row}" for row in rows] for qid, rows in zip(topics, order.tolist(), strict=True)
    }


# The routes: each ranks the topics of a world with an index that only its manifest describes.


def _run_of(path: Path) -> Ranking:
    ranking: Ranking = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        qid, _, docid, *_ = line.split()
        ranking.setdefault(qid, []).append(docid)
    return ranking


def by_command(world: World, scratch: Path, *flags: str) -> Ranking:
    topics = ("--topics", world.folder / "topics.tsv", "--output", scratch / "run.txt")
    call("i3_pyserini.search", "--index", world.folder / "index", *topics, *flags)
    return _run_of(scratch / "run.txt")


def by_encoded_queries(world: World, scratch: Path, *flags: str) -> Ranking:
    encode_queries(world, scratch, *flags)
    return by_command(world, scratch, "--encoded-queries", str(scratch / "queries"))


def encode_queries(world: World, scratch: Path, *flags: str) -> None:
    topics = ("--topics", world.folder / "topics.tsv", "--output", scratch / "queries")
    flags = tuple("--model" if flag == "--encoder" else flag for flag in flags)
    call("i3_pyserini", "encode-topics", "--index", world.folder / "index", *topics, *flags)


def by_searcher(world: World, scratch: Path, *flags: str) -> Ranking:
    searcher, topics = Searcher(str(world.folder / "index")), topics_of(world)
    found = searcher.search(list(topics.values()))
    return {qid: [hit.docid for hit in hits] for qid, hits in zip(topics, found, strict=True)}


def by_torch(world: World, scratch: Path, *flags: str) -> Ranking:
    return by_command(world, scratch, "--device", "cpu:0", *flags)


def by_mining(world: World, scratch: Path, *flags: str) -> Ranking:
    """Negatives are the hits but for the positive and passages of equal text."""
    flags = tuple("--model" if flag == "--encoder" else flag for flag in flags)
    call(
        "i3_pyserini",
        *("data", "mine", world.folder / "topics.tsv", world.folder / "qrels.txt"),
        *(world.folder / "corpus.jsonl", "--index", world.folder / "index"),
        *("--output", scratch / "negatives.tsv", "--device", "cpu", "--cache", scratch, *flags),
    )
    lines = (scratch / "negatives.tsv").read_text(encoding="utf-8").splitlines()
    return {qid: pids.split(",") for qid, pids in (line.split("\t") for line in lines)}


def by_page(world: World, scratch: Path, *flags: str) -> Ranking:
    shown: Ranking = {}

    def serve(passages: Passages, *_: object) -> None:
        for qid, text in topics_of(world).items():
            (column,) = passages.search(text, PASSAGES, "vectors").columns
            shown[qid] = [hit.shown.docid for hit in column.hits]

    with mock.patch("i3_pyserini.serve.server.serve", serve):
        call(
            "i3_pyserini",
            *("serve", world.folder / "index", world.folder / "corpus.jsonl", "--no-bm25"),
            *("--port", 0, "--cache", scratch, *in_our_words(flags)),
        )
    return shown


def by_engine(world: World, scratch: Path, *flags: str) -> Ranking:
    if any(importlib.util.find_spec(name) is None for name in ("pymilvus", "milvus_lite")):
        pytest.skip("needs an engine: pip install 'i3-pyserini[engine]'")
    engine = ("--engine", f"milvus:{scratch / 'engine.db'}", "--collection", "passages")
    call("i3_pyserini", "index", "load", world.folder / "index", *engine)
    topics = ("--topics", world.folder / "topics.tsv", "--output", scratch / "run.txt")
    call("i3_pyserini.search", *engine, *topics, "--hits", PASSAGES, *flags)
    return _run_of(scratch / "run.txt")


def by_tuned_index(world: World, scratch: Path, *flags: str) -> Ranking:
    """Tuned for all hits of exact search; its parameters are then those of a full search."""
    build = ("build", world.folder / "index", "--output", scratch / "lists", "--type", "IVF4,Flat")
    call("i3_pyserini", "index", *build)
    call(
        "i3_pyserini",
        *("index", "tune", scratch / "lists", "--topics", world.folder / "topics.tsv"),
        *("--target-recall", 1, "--k", PASSAGES, *in_our_words(flags)),
    )
    topics = ("--topics", world.folder / "topics.tsv", "--output", scratch / "run.txt")
    call("i3_pyserini.search", "--index", scratch / "lists", *topics, *flags)
    return _run_of(scratch / "run.txt")


def in_our_words(flags: Iterable[str]) -> list[str]:
    """Flags of Pyserini's as `i3-pyserini` has them."""
    return ["--model" if flag == "--encoder" else flag for flag in flags]


ROUTES = {
    "command": by_command,
    "torch": by_torch,
    "encoded queries": by_encoded_queries,
    "searcher": by_searcher,
    "mine": by_mining,
    "page": by_page,
    "engine": by_engine,
    "tuned index": by_tuned_index,
}
FLAGGED = ("command", "torch", "encoded queries")
