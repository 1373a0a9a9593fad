"""`i3-pyserini serve` for a long time, with clients that mean well and clients that do not.

    python -m benchmarks.serve_soak [--minutes 10] [--clients 50] [--record]

Of the clients, half ask for passages or vectors, and every answer has to be right. The others read
slowly, go away before they are answered, send bodies that are too large or cut off, or nonsense;
what they may be told is 4xx. Memory and descriptors of the server: see `benchmarks.soaking`. At the
end the server is asked to stop while it is busy, and has to finish what it has begun.
"""

import argparse
import json
import os
import random
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from benchmarks.record import Figure, add_record_option, measured_now, save, single
from benchmarks.serve_load import KINDS, MODES, ask, get, served, write_index
from benchmarks.soaking import Watched, figures_of, finish, show, watching
from i3_pyserini.errors import run_command
from i3_pyserini.experiments.demo.collection import collect_docstrings

PASSAGES = 20_000
BEGUN = 16  # requests that the server has begun when it is asked to stop
CONTINUE = 100
LATER = (429, 503)
LARGE = 5 << 20  # bytes of a body, more than the server takes
SEARCH = b"GET /v1/INDEX/search?query=array%20of%20numbers HTTP/1.1\r\nHost: localhost\r\n"


@dataclass
class Seen:
    """What the clients have seen, and what the server used.

    Attributes:
        seconds: of each answer to a client that means well, with what it waited to ask again.
        later: how often they were asked to try again, since the server was busy.
        wrong: number of answers to them that were not right.
        told: number of answers to the others, by status; 0 for a closed connection.
        server: memory and descriptors of the server.
        end: when the clients stop.
    """

    seconds: list[float] = field(default_factory=list)
    later: int = 0
    wrong: int = 0
    told: Counter[int] = field(default_factory=Counter)
    server: Watched = field(default_factory=Watched)
    end: float = 0.0


def main() -> None:
    """Runs the clients and prints what was seen; exits with 1 if that is wrong, or grows."""
    parser = argparse.ArgumentParser(description="A server under good and bad clients.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=50)
    add_record_option(parser, "serve_soak")
    args = parser.parse_args()
    texts = [entry.summary for entry in collect_docstrings(["stdlib", "numpy", "pandas"])]
    with tempfile.TemporaryDirectory() as name:
        write_index(Path(name), texts, PASSAGES)
        with served(Path(name), MODES["batches"]) as (address, server):
            place = urlsplit(address)
            where = place.hostname or "", place.port or 0
            seen = soaked(where, server.pid, texts, args.clients, 60 * args.minutes)
            begun, answered = finished_after_stop(where, server.pid, texts)
            stopped = server.wait(timeout=60) == -signal.SIGTERM
    figures = shown(seen, begun, answered)
    if args.record:
        record = measured_now(
            "serve with good and bad clients: memory, descriptors, answers",
            "MiniLM's real weights, random vectors of passages, summary lines of docstrings",
            "one run; slopes with 95% intervals",
            {"minutes": args.minutes, "clients": args.clients, "passages": PASSAGES},
            figures,
        )
        save(args.record, record)
    bad = [status for status in seen.told if status >= 500]
    finish(seen.server, wrong=bool(seen.wrong or bad or answered < begun or not stopped))


def soaked(
    where: tuple[str, int], pid: int, texts: list[str], clients: int, seconds: float
) -> Seen:
    """Lets clients ask for some time."""
    seen = Seen(end=time.monotonic() + seconds)
    kinds: list[Callable[[tuple[str, int], Seen, list[str], int], None]]
    kinds = [good, good, good, good, slow_reader, gone, too_large, cut_off]
    threads = [
        threading.Thread(target=kinds[number % len(kinds)], args=(where, seen, texts, number))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    with watching(pid) as seen.server:
        time.sleep(seconds)
    for thread in threads:
        thread.join()
    return seen


def good(where: tuple[str, int], seen: Seen, texts: list[str], number: int) -> None:
    """Asks for passages and vectors, again as soon as it has an answer."""
    connection = HTTPConnection(*where, timeout=120)
    name = json.loads(get(connection, "/v1/models"))["data"][0]["id"]
    texts_from = islice(cycle(texts), number * 997, None)
    for kind, text in zip(cycle(KINDS[:2]), texts_from, strict=False):
        if time.monotonic() > seen.end:
            return
        started = time.monotonic()
        while (answer := ask(connection, kind, name, text)).status in LATER:
            seen.later += 1
            time.sleep(1)  # as Retry-After says
        seen.seconds.append(time.monotonic() - started)
        seen.wrong += not answer.right


def slow_reader(where: tuple[str, int], seen: Seen, texts: list[str], number: int) -> None:
    """Reads an answer a few bytes a second."""
    while time.monotonic() < seen.end:
        with socket.create_connection(where, timeout=120) as connection:
            connection.sendall(SEARCH + b"Connection: close\r\n\r\n")
            first = connection.recv(12)
            while time.monotonic() < seen.end and connection.recv(64):
                time.sleep(0.5)
            seen.told[_status(first)] += 1


def gone(where: tuple[str, int], seen: Seen, texts: list[str], number: int) -> None:
    """Asks and does not wait."""
    while time.monotonic() < seen.end:
        with socket.create_connection(where, timeout=120) as connection:
            connection.sendall(SEARCH + b"\r\n")
        time.sleep(random.random() / 10)  # noqa: S311  (no secret)


def too_large(where: tuple[str, int], seen: Seen, texts: list[str], number: int) -> None:
    """Sends more than the server takes, or no JSON."""
    bodies = [b"x" * LARGE, b"{", b"[" * 100_000, b"\x00\xff", b'{"input": 1, "model": []}']
    for body in cycle(bodies):
        if time.monotonic() > seen.end:
            return
        connection = HTTPConnection(*where, timeout=120)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/embeddings", body, headers)
            answer = connection.getresponse()
            answer.read()
            seen.told[answer.status] += 1
        except (OSError, HTTPException):
            seen.told[0] += 1
        finally:
            connection.close()
        time.sleep(0.05)


def cut_off(where: tuple[str, int], seen: Seen, texts: list[str], number: int) -> None:
    """Sends half a request, or no HTTP at all."""
    halves = [
        SEARCH,
        b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
        b"\x16\x03\x01\x00\xff" * 20,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]
    for half in cycle(halves):
        if time.monotonic() > seen.end:
            return
        try:
            with socket.create_connection(where, timeout=5) as connection:
                connection.sendall(half)
                connection.settimeout(0.2)
                seen.told[_status(connection.recv(12))] += 1
        except OSError:
            seen.told[0] += 1


def _status(start: bytes) -> int:
    words = start.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def finished_after_stop(where: tuple[str, int], pid: int, texts: list[str]) -> tuple[int, int]:
    """Asks the server to stop while it answers.

    A request counts as begun when the server has asked for its body ("100 Continue"). Half of the
    bodies are sent before the server is asked to stop, half after.

    Returns:
        Number of begun requests, and of right answers to them.
    """
    name = json.loads(get(HTTPConnection(*where, timeout=60), "/v1/models"))["data"][0]["id"]
    begun = [_begin(where, name, text) for text in texts[:BEGUN]]
    for connection, body in begun[: BEGUN // 2]:
        connection.send(body)
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.5)  # the server has noticed
    for connection, body in begun[BEGUN // 2 :]:
        connection.send(body)
    return len(begun), sum(_answered(connection) for connection, _ in begun)


def _begin(where: tuple[str, int], name: str, text: str) -> tuple[HTTPConnection, bytes]:
    """Sends the head of a request, and waits until the server asks for the body."""
    body = json.dumps({"model": name, "input": text}).encode()
    connection = HTTPConnection(*where, timeout=60)
    connection.putrequest("POST", "/v1/embeddings")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    asked = b""
    while not asked.endswith(b"\r\n\r\n"):
        asked += connection.sock.recv(1)
    if _status(asked) != CONTINUE:
        raise ValueError(f"the server did not ask for a body: {asked!r}")
    return connection, body


def _answered(connection: HTTPConnection) -> bool:
    try:
        return len(json.loads(connection.getresponse().read())["data"]) == 1
    except (OSError, HTTPException, KeyError, ValueError):
        return False


def shown(seen: Seen, begun: int, answered: int) -> list[Figure]:
    """Prints what was seen; its figures."""
    times = 1000 * np.array(seen.seconds)
    figures = [single("answers", len(times), "answers", 0), single("wrong", seen.wrong, "", 0)]
    figures.append(single("asked to try again", seen.later, "times", 0))
    figures += [single(f"p{part}", float(np.percentile(times, part)), "ms", 1) for part in (50, 99)]
    figures += figures_of(seen.server)
    figures.append(single("requests begun when it was asked to stop", begun, "requests", 0))
    figures.append(single("of them answered", answered, "requests", 0))
    show(figures)
    told = ", ".join(f"{status or 'closed'}: {n:,}" for status, n in sorted(seen.told.items()))
    print(f"told to bad clients: {told}")
    return figures


if __name__ == "__main__":
    run_command(main)
