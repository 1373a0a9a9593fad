"""Notices clients that go away before they are answered, so that nothing is computed for them."""

import asyncio
from concurrent.futures import Future
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Done as soon as the client of the request that is being answered here has gone. Threads that
# answer a request have a copy of its context.
GONE: ContextVar["Future[None] | None"] = ContextVar("GONE", default=None)


class Disconnects:
    """Sets `GONE` for the requests of an application.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gone: Future[None] = Future()
        read = asyncio.Event()  # the body; what comes after it is that the client has gone
        if scope["method"] != "POST":
            read.set()  # bodies of other requests are not read

        async def receive_body() -> Message:
            message = await receive()
            if not message.get("more_body", False):
                read.set()
            return message

        async def watch() -> None:
            await read.wait()
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set_result(None)

        GONE.set(gone)
        watching = asyncio.create_task(watch())
        try:
            await self._app(scope, receive_body, send)
        finally:
            watching.cancel()
