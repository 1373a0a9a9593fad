"""The page as a web application: it answers GET, and reads nothing but passages."""

from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from i3_pyserini.errors import I3Error
from i3_pyserini.search.serve.bm25 import K1, B
from i3_pyserini.search.serve.passages import Passages

LONGEST_QUERY = 1000  # characters; no model reads more than some hundred word pieces
LONGEST_ID = 1000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
FILES = {"page.js": "text/javascript", "style.css": "text/css"}


def make_app(passages: Passages, hits: int, hosts: list[str]) -> Starlette:
    """The application.

    Args:
        passages: what is searched.
        hits: passages shown of each search.
        hosts: names by which the page may be asked for; others are refused, so that a page of
            somebody else's whose name leads here cannot read it.
    """
    templates = Environment(
        loader=PackageLoader("i3_pyserini.search.serve", ""),
        autoescape=True,
        undefined=StrictUndefined,
    )
    page = templates.get_template("page.html")

    def show(query: str, status: int = 200, message: str = "", **found: Any) -> HTMLResponse:
        known = {"model": passages.model, "index": str(passages.searcher.path)}
        known |= {"count": f"{passages.searcher.count:,}", "bm25": f"k1 {K1}, b {B}"}
        given = {"dense": None, "sparse": None, **found, **known}
        html = page.render(
            query=query,
            message=message,
            longest=LONGEST_QUERY,
            has_words=passages.has_words,
            **given,
        )
        return HTMLResponse(html, status, HEADERS)

    def search(request: Request) -> Response:
        query = " ".join(request.query_params.get("q", "").split())
        if len(query) > LONGEST_QUERY:
            text = f"The query has {len(query):,} characters; {LONGEST_QUERY:,} are allowed."
            return show("", 400, text)
        if not query:
            return show("")
        try:
            dense, sparse = passages.search(query, hits)
        except I3Error as error:
            return show(query, 400, str(error))
        return show(query, dense=dense, sparse=sparse)

    def words(request: Request) -> Response:
        docid = request.query_params.get("id", "")
        found = passages.words(docid) if 0 < len(docid) <= LONGEST_ID else None
        if found is None:
            return JSONResponse({"error": "no such passage"}, 404, HEADERS)
        named = [{"word": word, "weight": round(weight, 4)} for word, weight in found]
        return JSONResponse({"words": named}, headers=HEADERS)

    def file(request: Request) -> Response:
        name = request.url.path.removeprefix("/")  # one of FILES: there are no other routes
        content = resources.files("i3_pyserini.search.serve").joinpath(name).read_text("utf-8")
        return Response(content, headers=HEADERS, media_type=FILES[name])

    routes = [Route("/", search), Route("/words", words)]
    routes += [Route(f"/{name}", file) for name in FILES]
    return Starlette(
        routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]
    )
