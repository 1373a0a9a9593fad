"""Clients that go away before they are answered."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from i3_pyserini.serve.disconnects import Disconnects
from i3_pyserini.serve.failures import Refused, refuse
from i3_pyserini.serve.lanes import Lane, Lanes
from i3_pyserini.serve.limits import read_body
from tests.serve.test_lanes import Work, waiting

HEAD = "Host: localhost\r\nConnection: close\r\n"


def get(number: int) -> bytes:
    return f"GET /square?of={number} HTTP/1.1\r\n{HEAD}\r\n".encode()


def post(number: int) -> bytes:
    body = str(number)
    return f"POST /square HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def until(condition: Callable[[], bool]) -> None:
    for _ in range(30_000):
        if condition():
            return
        time.sleep(0.001)
    raise TimeoutError


@contextmanager
def served(lane: Lane[int, int]) -> Iterator[tuple[str, int]]:
    """A server that squares numbers."""

    def square(request: Request) -> Response:
        return JSONResponse(lane([int(request.query_params["of"])]))

    async def square_body(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(lane, [int(await read_body(request))]))

    app = Starlette(
        routes=[Route("/square", square), Route("/square", square_body, methods=["POST"])],
        middleware=[Middleware(Disconnects)],
        exception_handlers={Refused: refuse},
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def leaving(address: tuple[str, int], request: bytes, lane: Lane[int, int]) -> Iterator[None]:
    """A client that waits, and goes away at the end of the block; until that is noticed."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(request)
        waiting(lane, 1)
        yield
    until(lane._waiting[0][0].future.done)


def ask(address: tuple[str, int], request: bytes) -> object:
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            return json.loads(answer.read().partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("request_of", [get, post])
def test_nothing_is_computed_for_a_client_that_has_gone(request_of: Callable[[int], bytes]) -> None:
    work = Work()
    lane = Lanes().lane(work, 8, 100)
    with served(lane) as address, ThreadPoolExecutor() as pool, work.held(lane, pool):
        with leaving(address, request_of(5), lane):
            pass
        stays = pool.submit(ask, address, request_of(6))
        waiting(lane, 2)
    assert stays.result(30) == [36]
    assert work.batches == [[0], [6]]


def test_clients_that_have_gone_take_no_place() -> None:
    work = Work()
    lane = Lanes().lane(work, 2, 1)
    with served(lane) as address, ThreadPoolExecutor() as pool, work.held(lane, pool):
        with leaving(address, get(5), lane):
            assert ask(address, get(6)) == {
                "error": "The server is busy: 1 texts are waiting. Try again."
            }
        stays = pool.submit(ask, address, get(7))
        until(lambda: lane._waiting[0][0].items == [7])
    assert stays.result(30) == [49]
    assert work.batches == [[0], [7]]
