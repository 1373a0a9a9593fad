"""What protects the page: headers of every answer, and the names it may be asked for by."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def shield(hosts: list[str]) -> list[Middleware]:
    """The middleware that every request passes through.

    Args:
        hosts: names by which the page may be asked for; see `TrustedHosts`.
    """
    return [Middleware(SafeHeaders), Middleware(TrustedHosts, allowed_hosts=hosts)]


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


class TrustedHosts(TrustedHostMiddleware):
    """Refuses requests by names that are not ours.

    A page of somebody else's could otherwise let a name of its own lead here, and read the answers
    (DNS rebinding). An address in numbers is nobody's name, so that it is let through.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if _is_address(Headers(scope=scope).get("host", "")):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _is_address(host: str) -> bool:
    """Whether a host with or without a port is an address in numbers."""
    try:
        ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    return True
