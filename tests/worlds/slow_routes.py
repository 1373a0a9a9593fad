"""Routes that take seconds or other processes: for the soak, and for a few worlds of CI."""

import json
import os
import subprocess
import sys

import pytest

from i3_pyserini.stock.java import find_java, java_environment
from tests.worlds.commands import command
from tests.worlds.compare import check_hits, check_vectors, read_hits, read_index
from tests.worlds.place import Place

LONGEST_ID = 512  # bytes, in Milvus
# Stock search as it is; what it needs is set by the environment.
STOCK = """
import runpy, sys, json
sys.argv = ["pyserini.search.faiss", *json.loads(sys.argv[1])]
runpy.run_module("pyserini.search.faiss", run_name="__main__")
"""


def two_devices(place: Place) -> None:
    """Two processes on the CPU."""
    target = place.folder / "devices"
    place.encode(target, "--to-faiss", where=("--devices", "cpu,cpu"))
    check_vectors(*read_index(target), place.reference, "encode --devices cpu,cpu")


def openvino(place: Place) -> None:
    """The other backend for CPUs, where its operators have what the model needs."""
    target = place.folder / "openvino"
    place.encode(target, "--to-faiss", where=("--device", "cpu", "--backend", "openvino"))
    check_vectors(*read_index(target), place.reference, "encode --backend openvino", 10)


def ray(place: Place) -> None:
    """A new cluster of this machine."""
    target = place.folder / "ray"
    place.encode(target, "--to-faiss", where=("--ray", "local"))
    check_vectors(*read_index(target), place.reference, "encode --ray local")


def milvus(place: Place) -> None:
    """Milvus Lite, with the index's vectors in it."""
    if any(len(record.docid.encode()) > LONGEST_ID for record in place.world.records):
        return
    address = f"milvus:{place.root / 'lite.db'}"
    where = ("--engine", address, "--collection", "world")
    command("i3_pyserini", "index", "load", place.index, *where)
    run = place.folder / "milvus.txt"
    command(
        "i3_pyserini.search",
        *(*where, "--topics", place.topics, "--output", run, "--hits", place.world.k),
        *place.prefix_words(),
    )
    place.check_run(run, "search --engine")


def stock(place: Place) -> None:
    """Stock Pyserini's own search, which encodes the queries, or is given them encoded."""
    if find_java()[0] is None:
        pytest.skip("stock Pyserini needs Java: pip install 'i3-pyserini[java]'")
    world, model = place.world, place.world.model
    topics = place.root / "stock.tsv"
    # Stock Pyserini takes "0" and "00" for the same number.
    names = {f"q{row}": qid for row, qid in enumerate(world.topics)}
    pairs = zip(names, world.topics.values(), strict=True)
    topics.write_text("".join(f"{name}\t{text}\n" for name, text in pairs), "utf-8")
    queries = place.root / "stock-queries"
    words: list[object]
    if model.pooling in ("cls", "mean") and not (model.dense or model.declared):
        side = place.model / "query_encoder" if model.kind == "i3" else place.model
        words = ["--encoder", side, "--encoder-class", "auto", "--pooling", model.pooling]
        words += ["--l2-norm"] if model.normalize else []
        words += ["--query-prefix", model.prefixes[0]] if model.prefixes[0] else []
    else:
        command(
            "i3_pyserini",
            "encode-topics",
            *("--topics", topics, "--index", place.index, "--output", queries),
        )
        words = ["--encoded-queries", queries]
    run = place.root / "stock.txt"
    words += ["--index", place.index, "--topics", topics, "--output", run, "--hits", world.k]
    done = subprocess.run(
        [sys.executable, "-c", STOCK, json.dumps([str(word) for word in words])],
        env={**os.environ, **java_environment(), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1000:]
    hits = read_hits(run)
    assert hits.keys() == names.keys(), hits.keys() ^ names.keys()
    hits = {qid: hits[name] for name, qid in names.items()}  # which it sorts
    check_hits(hits, list(world.topics), place.reference, world.k, "stock search", "any")
