"""What protects the server: headers of every answer, and the names it may be asked for by."""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from i3_pyserini.serve.disconnects import Disconnects
from i3_pyserini.serve.failures import Failures, Refused, answer
from i3_pyserini.serve.keys import Keyed
from i3_pyserini.serve.limits import AtOnce, Forgets

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def shield(
    hosts: list[str], key: str | None = None, origins: Sequence[str] = ()
) -> list[Middleware]:
    """The middleware that every request passes through, from outside in.

    Args:
        hosts: names by which the server may be asked for; see `TrustedHosts`.
        key: see `Keyed`; None to need none.
        origins: web pages of these origins may read answers.
    """
    layers = [Middleware(Forgets), Middleware(SafeHeaders), Middleware(Failures)]
    layers.append(Middleware(TrustedHosts, hosts))
    if origins:
        # Any header is allowed: OpenAI's clients send some of their own, and ours have no effect.
        methods = ["GET", "POST"]
        layers.append(
            Middleware(
                CORSMiddleware, allow_origins=origins, allow_methods=methods, allow_headers=["*"]
            )
        )
    if key is not None:
        layers.append(Middleware(Keyed, key))
    return [*layers, Middleware(AtOnce), Middleware(Disconnects)]


class SafeHeaders:
    """Puts `HEADERS` on every answer, those of errors too.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class TrustedHosts:
    """Refuses requests by names that are not ours.

    A page of somebody else's could otherwise let a name of its own lead here, and read the answers
    (DNS rebinding). An address in numbers is nobody's name, so that it is let through.

    Args:
        app: what answers.
        hosts: the names.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app, self._hosts = app, {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        name = _name(Headers(scope=scope).get("host", "")) if scope["type"] == "http" else None
        if name is None or name in self._hosts or _is_address(name):
            await self._app(scope, receive, send)
            return
        refused = Refused(400, "The host name of the request is not this server's: see --host.")
        await answer(scope["path"], refused)(scope, receive, send)


def _name(host: str) -> str:
    """The name in a header Host, without its port; empty if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether a name is an address in numbers."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
