"""What is refused or fails, as JSON: `{"error": "…"}`, or an error object for OpenAI's clients."""

import logging
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPENAI = ("/v1/embeddings", "/v1/models")
PAUSE = 1  # seconds, for Retry-After
CLIENT, SERVER = "invalid_request_error", "server_error"
FIRST_SERVER_ERROR = 500


class Refused(Exception):  # noqa: N818  (an answer, not a bug)
    """A request that is not carried out.

    Args:
        status: of the answer.
        message: what is wrong and what to do.
        param: the parameter that is wrong, for OpenAI's clients.
        code: a word for programs, for OpenAI's clients.
        headers: further headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})


def busy(message: str, status: int = 429) -> Refused:
    """A refusal that asks to try again soon."""
    return Refused(status, message, code="busy", headers={"Retry-After": str(PAUSE)})


def gone() -> Refused:
    """The end of a request whose client has gone; nobody reads it."""
    return Refused(400, "The connection was closed.")


def answer(path: str, refused: Refused) -> JSONResponse:
    """The answer to a request that is refused.

    Args:
        path: of the request; decides the form.
        refused: why.
    """
    error: Any = refused.message
    if any(path == one or path.startswith(f"{one}/") for one in OPENAI):
        kind = CLIENT if refused.status < FIRST_SERVER_ERROR else SERVER
        error = {
            "message": refused.message,
            "type": kind,
            "param": refused.param,
            "code": refused.code,
        }
    return JSONResponse({"error": error}, refused.status, refused.headers)


def refuse(request: Request, error: Exception) -> JSONResponse:
    """Handles `Refused`, and what no route takes."""
    if isinstance(error, HTTPException):
        error = Refused(error.status_code, error.detail, headers=error.headers)
    assert isinstance(error, Refused)  # noqa: S101  (registered for these two)
    return answer(request.url.path, error)


class Failures:
    """Answers 500 when our own code fails; the traceback goes to the log and to nobody else.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if scope["type"] != "http" or started:
                raise
            logging.getLogger(__name__).exception("%s failed", scope["path"])
            failed = Refused(500, "The server failed; its log says why.")
            await answer(scope["path"], failed)(scope, receive, send)
