"""The ways through the package that should agree, and the calls that they are made of."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from i3_pyserini.encode import query_encoders, runner
from i3_pyserini.formats import parts as parts_module
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.search.searcher import Searcher
from tests.worlds.collection import DECOYS
from tests.worlds.commands import attempt, command
from tests.worlds.compare import check_hits, check_vectors, read_hits, read_index
from tests.worlds.corpus_routes import updates, windows, words
from tests.worlds.evaluation import check_evaluation
from tests.worlds.index_routes import exports, one_command, quantized, shortened, types
from tests.worlds.outside_routes import lora, lucene, onnx, pyterrier, sentence_transformers
from tests.worlds.place import Place
from tests.worlds.run_routes import bm25, fused
from tests.worlds.served_routes import http
from tests.worlds.slow_routes import milvus, openvino, ray, stock, two_devices
from tests.worlds.world import World

INTERRUPTED = 130  # exit code of Ctrl-C


def readers(place: Place) -> None:
    """What the readers of the collection and of the topics find, and what a text store keeps."""
    world = place.world
    fields = ("title", "text") if world.files.style == "contents" else ()
    with redirect_stderr(io.StringIO()) as said:
        corpus = Corpus(place.corpus, fields)
        passages = [(one.docid, one.title, one.text) for one in corpus]
        topics = read_topics(str(place.topics))
        stored = None if fields else open_store(place.corpus, place.root / "store")
    expected = [(one.docid, one.title or None, one.text) for one in world.records]
    assert passages == expected, "Corpus: other passages"
    assert topics == world.topics, f"read_topics: {topics}"
    if stored is not None:
        rows = [(one.docid, one.title, one.text) for one in stored.slice(0, len(stored))]
        assert rows == expected, "open_store: other passages"
        assert all(stored.get(one.docid) is not None for one in world.records), "open_store: get"
    if world.files.decoys and world.files.files:
        for name in DECOYS:
            assert name in said.getvalue(), f"{name} is left out in silence"


def own_vectors(place: Place) -> None:
    """Vectors of whole numbers, whose products are exact: ties are in descending order of ids."""
    world, random = place.world, np.random.default_rng(place.world.seed)
    passages = random.integers(-2, 3, (len(world.records), 4)).astype(np.float32)
    queries = random.integers(-2, 3, (len(world.topics), 4)).astype(np.float32)
    folders = [place.folder / "own", place.folder / "own-queries"]
    qids, docids = list(world.topics), [record.docid for record in world.records]
    for folder, ids, vectors in zip(folders, (docids, qids), (passages, queries), strict=True):
        folder.mkdir()
        np.save(folder / "embeddings.npy", vectors)
        (folder / "docid").write_text("".join(f"{one}\n" for one in ids), encoding="utf-8")
    source = [folders[0] / "embeddings.npy", "--ids", folders[0] / "docid"]
    index = place.folder / "own-index"
    command("i3_pyserini", "index", "import", *source, "--output", index)
    run = place.search("own.txt", "--encoded-queries", folders[1], index=index)
    for qid, row in zip(qids, queries, strict=True):
        scores = (passages @ row).tolist()
        right = sorted(zip(scores, docids, strict=True), reverse=True)[: world.k]
        found = [docid for docid, _ in read_hits(run)[qid]]
        assert found == [docid for _, docid in right], f"search of own vectors, query {qid!r}"


def encoding(place: Place) -> None:
    """The index's vectors."""
    check_vectors(*read_index(place.index), place.reference, "encode --to-faiss")


def search(place: Place) -> None:
    """The search command, all queries at once and a few at a time."""
    place.check_run(place.run, "search")
    few = place.search("few.txt", "--batch-size", 2)
    place.check_run(few, "search --batch-size 2")


def evaluation(place: Place) -> None:
    """The run's measures."""
    with redirect_stderr(io.StringIO()):
        check_evaluation(place.world, place.qrels, place.run)


def other_formats(place: Place) -> None:
    """The same vectors as a NumPy array or JSON lines, and an index made of either."""
    reference = place.reference
    if place.world.seed % 2:
        target = place.folder / "npy"
        place.encode(target, "--to-npy")
        ids = (target / "docid").read_text(encoding="utf-8").split("\n")[:-1]
        check_vectors(ids, np.load(target / "embeddings.npy"), reference, "encode --to-npy")
    else:
        target = place.folder / "jsonl"
        place.encode(target)
        lines = (target / "embeddings.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
        rows = [json.loads(line) for line in lines]
        vectors = np.array([row["vector"] for row in rows], dtype=np.float32)
        check_vectors([row["id"] for row in rows], vectors, reference, "encode (JSON lines)")
    (target / "manifest.json").unlink()  # as if another tool had written them
    again = place.folder / "imported"
    npy = target / "embeddings.npy"
    source = [npy, "--ids", target / "docid"] if npy.exists() else [target]
    command("i3_pyserini", "index", "import", *source, "--output", again)
    check_vectors(*read_index(again), reference, "encode import")


def shards(place: Place) -> None:
    """Shards that are merged; as many as have a passage."""
    number = place.world.shards
    while True:
        folders = [place.folder / f"shard-{number}-{one}" for one in range(number)]
        done = [
            attempt(
                "i3_pyserini.encode", *place.encode_words(folder, "--to-faiss", shard=(one, number))
            )
            for one, folder in enumerate(folders)
        ]
        if not any(one.code for one in done):
            break
        assert all("use fewer shards" in one.err for one in done if one.code), done
        number -= 1
        if number == 1:  # of two, one has all passages
            return
    pattern = place.folder / f"shard-{number}-*"
    place.check_run(place.search("shards.txt", index=pattern), "search of shards")
    merged = place.folder / "merged"
    order = [*folders[1:], folders[0]]
    command("i3_pyserini", "index", "merge", *order, "--output", merged)
    check_vectors(*read_index(merged), place.reference, "encode merge")
    place.check_run(place.search("merged.txt", index=merged), "search of merged shards")


def encoded_queries(place: Place) -> None:
    """Queries that were encoded before, by torch."""
    target = place.folder / "queries"
    with without_light_route():
        command(
            "i3_pyserini",
            "encode-topics",
            *("--topics", place.topics, "--index", place.index, "--output", target),
            *("--device", "cpu", *place.prefix_words()),
        )
    run = place.search("encoded.txt", "--encoded-queries", target)
    place.check_run(run, "search --encoded-queries")


def in_python(place: Place) -> None:
    """`Searcher`, by texts and by vectors; more hits than there are passages."""
    world, reference = place.world, place.reference
    searcher, qids = Searcher(str(place.index)), list(world.topics)
    prefix = " ".join(place.prefix_words()[1:])
    texts = [f"{prefix} {text}" if prefix else text for text in world.topics.values()]
    for name, queries, k in (
        ("Searcher, texts", texts, world.k),
        ("Searcher, vectors", reference.queries, len(world.records) + 3),
    ):
        hits = searcher.search(queries, k)
        found = {
            qid: [(hit.docid, hit.score) for hit in of_query]
            for qid, of_query in zip(qids, hits, strict=True)
        }
        check_hits(found, qids, reference, k, name, "by id")


def without_numpy(place: Place) -> None:
    """Search with queries encoded by torch, where NumPy would do it."""
    with without_light_route():
        place.check_run(place.search("torch.txt"), "search by torch")


def interrupted(place: Place) -> None:
    """An encoding that was interrupted and resumed has the bytes of one that was not."""
    whole, torn = place.folder / "whole", place.folder / "torn"
    words = place.encode_words(torn, "--to-faiss")
    with small_parts(place.world.part_passages):
        place.encode(whole, "--to-faiss")
        with stopping_after(place.world.seed % 2 + 1):
            done = attempt("i3_pyserini.encode", *words)
        if done.code == 0:  # it had fewer parts
            return
        assert done.code == INTERRUPTED, done
        assert not torn.exists(), "half an index looks whole"
        other = attempt("i3_pyserini.encode", *words, "--dtype", "bf16")
        assert other.code == 2, "parts of other settings were taken"
        command("i3_pyserini.encode", *words)
    for name in ("index", "docid"):
        same = (whole / name).read_bytes() == (torn / name).read_bytes()
        assert same, f"encode, interrupted and resumed: {name} differs"
    check_vectors(*read_index(torn), place.reference, "encode, interrupted and resumed")


@contextmanager
def without_light_route() -> Iterator[None]:
    """Queries are encoded by torch."""
    with patch.object(query_encoders, "_light_encoder", return_value=None):
        yield


@contextmanager
def small_parts(passages: int) -> Iterator[None]:
    """Encodings have parts of so many passages, where they would have thousands."""
    real = runner.run_encoding

    def encode(corpus: Any, source: Any, output: Any, how: Any) -> Any:
        return real(corpus, source, output, replace(how, part_passages=passages))

    with patch.object(runner, "run_encoding", encode):
        yield


@contextmanager
def stopping_after(parts: int) -> Iterator[None]:
    """Ctrl-C while the next part after so many is written."""
    real, written = parts_module.write_part, iter(range(parts))

    def write(*words: Any) -> None:
        if next(written, None) is None:
            raise KeyboardInterrupt
        real(*words)

    with patch("i3_pyserini.encode.job.write_part", write):
        yield


Route = Callable[[Place], None]
ALWAYS: tuple[Route, ...] = (readers, encoding, search, evaluation)
OTHERS: tuple[Route, ...] = (
    own_vectors,
    other_formats,
    shards,
    encoded_queries,
    in_python,
    without_numpy,
    interrupted,
    one_command,
    updates,
    windows,
    words,
    shortened,
    types,
    quantized,
    exports,
    bm25,
    fused,
    http,
)
SLOW: tuple[Route, ...] = (
    two_devices,
    openvino,
    milvus,
    ray,
    stock,
    onnx,
    sentence_transformers,
    pyterrier,
    lora,
    lucene,
)
SELDOM = 10  # worlds of the soak, of which one goes through a slow route


def routes_of(seed: int, others: int, slow: bool = False) -> list[Route]:
    """The first routes, some of the others, in turn, and perhaps one of the slow ones.

    Args:
        seed: of the world.
        others: how many of the others.
        slow: whether one of the slow ones is among them.
    """
    turns = range(seed * others, seed * others + others)
    chosen = [OTHERS[turn % len(OTHERS)] for turn in turns]
    return [*ALWAYS, *chosen, *([SLOW[seed // SELDOM % len(SLOW)]] if slow else [])]


def check_world(world: World, root: Path, routes: Sequence[Route] | None = None) -> None:
    """Takes a world through routes; the first that disagrees raises AssertionError.

    Args:
        world: the world.
        root: an empty folder.
        routes: None for the first ones and one of the others, by the seed.
    """
    if routes is None:
        routes = routes_of(world.seed, 1)
    place = Place(world, root)
    for route in routes:
        try:
            route(place)
        except Exception as error:
            error.add_note(f"route {route.__name__}")
            raise
