"""Limits of requests: how many at once, how large, how long they may take to arrive."""

import asyncio

from anyio.to_thread import current_default_thread_limiter
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from i3_pyserini.serve.failures import Refused, answer, busy, gone

AT_ONCE = 128  # requests, each of which may hold a body and a waiting thread
LONGEST_QUERY = 1000  # characters, on the page; no model reads more than some hundred word pieces
LONGEST_ID = 1000
BODY = 4 << 20  # bytes
ARRIVAL = 30.0  # seconds for a body to arrive
HEALTH = "/healthz"


class AtOnce:
    """Refuses requests while `AT_ONCE` others are being answered, except for `HEALTH`.

    Args:
        app: what answers.
        most: requests at once.
    """

    def __init__(self, app: ASGIApp, most: int = AT_ONCE) -> None:
        self._app, self._most, self._count = app, most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http" or scope["path"] == HEALTH:
            await self._app(scope, receive, send)
            return
        if self._count >= self._most:
            full = busy(f"The server is busy with {self._most} requests. Try again.")
            await answer(scope["path"], full)(scope, receive, send)
            return
        self._count += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._count -= 1


class Forgets:
    """Drops what a request said as soon as it is answered.

    The web server keeps it with the closed connection until Python collects garbage, which would be
    a gigabyte of long addresses before that.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["type"] == "http":
                method = scope["method"]
                scope.clear()
                # What the web server may look at once more.
                scope.update(type="http", method=method, path="", query_string=b"", headers=[])


def allow_threads() -> None:
    """Lets as many requests wait in threads as there may be at once; in the event loop."""
    current_default_thread_limiter().total_tokens = AT_ONCE


async def read_body(request: Request) -> bytes:
    """The body of a request.

    Raises:
        Refused: it is larger than `BODY`, or does not arrive within `ARRIVAL`.
    """
    large = Refused(413, f"The body has more than {BODY >> 20} MiB: send fewer texts at once.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > len(str(BODY)) or int(length) > BODY):
        raise large
    body = bytearray()
    try:
        async with asyncio.timeout(ARRIVAL):
            async for part in request.stream():
                body += part
                if len(body) > BODY:
                    raise large
    except TimeoutError as error:
        raise Refused(408, f"The body did not arrive within {ARRIVAL:g} seconds.") from error
    except ClientDisconnect as error:
        raise gone() from error
    return bytes(body)
