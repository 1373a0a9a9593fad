"""The page as a web application: it answers GET, and reads nothing but passages."""

from importlib import resources
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from i3_pyserini.errors import I3Error
from i3_pyserini.serve.passages import Passages

LONGEST_QUERY = 1000  # characters; no model reads more than some hundred word pieces
LONGEST_ID = 1000
FILES = {"page.js": "text/javascript", "style.css": "text/css"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def make_app(passages: Passages, hits: int, hosts: list[str]) -> Starlette:
    """The application.

    Args:
        passages: what is searched.
        hits: passages shown of each search.
        hosts: names by which the page may be asked for; see `TrustedHosts`.
    """
    package = "i3_pyserini.serve"
    templates = Environment(
        loader=PackageLoader(package, ""), autoescape=True, undefined=StrictUndefined
    )
    page = templates.get_template("page.html")
    files = {name: resources.files(package).joinpath(name).read_text("utf-8") for name in FILES}

    def show(query: str, status: int = 200, message: str = "", **found: Any) -> HTMLResponse:
        html = page.render(
            {"dense": None, "sparse": None, **found},
            query=query,
            message=message,
            model=passages.model,
            index=str(passages.searcher.path),
            count=passages.searcher.count,
            bm25=passages.bm25.name if passages.bm25 else "",
            words_absent=passages.words_absent,
        )
        return HTMLResponse(html, status)

    def search(request: Request) -> Response:
        query = " ".join(request.query_params.get("q", "").split())
        if len(query) > LONGEST_QUERY:
            text = f"The query has {len(query):,} characters; {LONGEST_QUERY:,} are allowed."
            return show(query, 400, text)
        if not query:
            return show("")
        try:
            dense, sparse = passages.search(query, hits)
        except I3Error as error:
            return show(query, 500, str(error))
        return show(query, dense=dense, sparse=sparse)

    def words(request: Request) -> Response:
        docid = request.query_params.get("id", "")
        found = passages.words(docid) if 0 < len(docid) <= LONGEST_ID else None
        if found is None:
            return JSONResponse({"error": "no such passage"}, 404)
        return JSONResponse({"words": [{"word": word, "weight": weight} for word, weight in found]})

    def file(request: Request) -> Response:
        name = request.url.path.removeprefix("/")  # one of FILES: there are no other routes
        return Response(files[name], media_type=FILES[name])

    routes = [Route("/", search), Route("/words", words)]
    routes += [Route(f"/{name}", file) for name in FILES]
    return Starlette(
        routes=routes,
        middleware=[Middleware(SafeHeaders), Middleware(TrustedHosts, allowed_hosts=hosts)],
    )


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
