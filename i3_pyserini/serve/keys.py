"""The key that requests need, if the server has one."""

import base64
import os
from collections.abc import Iterator
from hashlib import sha256
from hmac import compare_digest

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from i3_pyserini.errors import I3Error
from i3_pyserini.serve.failures import Refused, answer
from i3_pyserini.serve.limits import HEALTH

VARIABLE = "I3_API_KEY"
OPEN = (HEALTH, "/openapi.json")  # neither has anything of the collection
API = "/v1/"


def key_of_environment() -> str | None:
    """The key that requests need; None for none.

    Raises:
        I3Error: the variable is empty, or could not be sent in a header.
    """
    key = os.environ.get(VARIABLE)
    if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
        raise I3Error(
            f"the environment variable {VARIABLE} is empty or has characters other than visible "
            "ASCII; set a key, or unset the variable to need none"
        )
    return key


class Keyed:
    """Refuses requests without the key.

    It is taken as `Authorization: Bearer KEY` (OpenAI's clients), as `X-API-Key: KEY` (Anserini's)
    and as the password of `Authorization: Basic`, which browsers ask for.

    Args:
        app: what answers.
        key: the key.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._digest = app, sha256(key.encode()).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        path = scope.get("path", "")
        if scope["type"] not in ("http", "websocket") or path in OPEN:
            await self._app(scope, receive, send)
            return
        # All are compared, and as digests: how long it takes says nothing about the key.
        same = [
            compare_digest(sha256(one).digest(), self._digest)
            for one in _given(Headers(scope=scope))
        ]
        if any(same):
            await self._app(scope, receive, send)
            return
        asked = "Bearer" if path.startswith(API) else 'Basic realm="i3-pyserini", charset="UTF-8"'
        message = "A valid API key is missing: send it as Authorization: Bearer KEY."
        refused = Refused(401, message, None, "invalid_api_key", {"WWW-Authenticate": asked})
        await answer(path, refused)(scope, receive, send)


def _given(headers: Headers) -> Iterator[bytes]:
    """The keys that a request has."""
    if own := headers.get("x-api-key"):
        yield own.strip().encode()
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield rest.strip().encode()
    elif scheme.lower() == "basic":
        try:
            yield base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except ValueError:
            return
