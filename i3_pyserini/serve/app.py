"""The page and its HTTP API, and the routes of all others."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from i3_pyserini.errors import I3Error
from i3_pyserini.search.job import tag_of
from i3_pyserini.serve.anserini import Rest
from i3_pyserini.serve.description import description
from i3_pyserini.serve.embedder import Embedder
from i3_pyserini.serve.embeddings import Embeddings
from i3_pyserini.serve.failures import Refused, refuse
from i3_pyserini.serve.limits import HEALTH, LONGEST_ID, LONGEST_QUERY, allow_threads
from i3_pyserini.serve.passages import Found, Passages
from i3_pyserini.serve.rankings import DEPTH, RRF
from i3_pyserini.serve.shield import shield

MORE = 10  # further hits for a click
PACKAGE = "i3_pyserini.serve"
FILES = {"page.js": "text/javascript", "style.css": "text/css"}
EMPTY = "The query is empty. Type some words, or choose an example."


@dataclass(frozen=True)
class Asked:
    """The parameters of a search, from an address.

    Attributes:
        query: the query, `q` in the address, with single blanks.
        view: see `Passages.views`.
        hits: passages of each ranking.
    """

    query: str
    view: str
    hits: int

    @classmethod
    def of(cls, given: QueryParams, passages: Passages, hits: int) -> "Asked":
        """Reads parameters.

        Args:
            given: the parameters of a request.
            passages: what is searched.
            hits: the default of `hits`.

        Raises:
            I3Error: one is invalid.
        """
        query = " ".join(given.get("q", "").split())
        if len(query) > LONGEST_QUERY:
            raise I3Error(
                f"The query has {len(query):,} characters; {LONGEST_QUERY:,} are allowed."
            )
        view = given.get("view", next(iter(passages.views)))
        if view not in passages.views:
            raise I3Error(f"There is no view {view!r:.60}; expected {' or '.join(passages.views)}.")
        number = given.get("hits", str(hits))
        if not (number.isascii() and number.isdecimal() and 1 <= int(number[:9]) <= DEPTH):
            raise I3Error(f"hits is {number!r:.60}; expected a number from 1 to {DEPTH}.")
        return cls(query, view, int(number))


class Pages:
    """The answers.

    Args:
        passages: what is searched.
        hits: passages of each ranking that are shown first.
    """

    def __init__(self, passages: Passages, hits: int) -> None:
        self._passages, self._hits = passages, hits
        templates = Environment(
            loader=PackageLoader(PACKAGE, ""),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.globals |= {
            "about": passages,
            "model": tag_of(passages.model),
            "bm25": passages.bm25.name if passages.bm25 else "",
            "constant": int(RRF.k),
            "depth": DEPTH,
            "more_hits": MORE,
            "address": self._address,
        }
        self._page = templates.get_template("page.html")
        root = resources.files(PACKAGE)
        self._files = {name: root.joinpath(name).read_text("utf-8") for name in FILES}

    def page(self, request: Request) -> Response:
        """The page, with the passages of a query if there is one."""
        given = request.query_params
        query = " ".join(given.get("q", "").split())
        asked = Asked(query, next(iter(self._passages.views)), self._hits)
        try:
            asked = Asked.of(given, self._passages, self._hits)
        except I3Error as error:
            return self._show(asked, 400, str(error))
        if not query:
            return self._show(asked, message=EMPTY if "q" in given else "")
        try:
            found = self._passages.search(asked.query, asked.hits, asked.view)
        except I3Error as error:
            return self._show(asked, 500, str(error))
        return self._show(asked, found=found)

    def search(self, request: Request) -> Response:
        """The same passages as JSON."""
        try:
            asked = Asked.of(request.query_params, self._passages, self._hits)
        except I3Error as error:
            return JSONResponse({"error": str(error)}, 400)
        if not asked.query:
            return JSONResponse({"error": "The query is empty; expected a parameter q."}, 400)
        try:
            found = self._passages.search(asked.query, asked.hits, asked.view)
        except I3Error as error:
            return JSONResponse({"error": str(error)}, 500)
        columns = {column.name: [hit.to_json() for hit in column.hits] for column in found.columns}
        known = {"query": asked.query, "view": asked.view}
        return JSONResponse({**known, "milliseconds": found.milliseconds, "results": columns})

    def words(self, request: Request) -> Response:
        """The words of a passage's pseudo-query, as JSON."""
        docid = request.query_params.get("id", "")
        try:
            found = self._passages.words(docid) if 0 < len(docid) <= LONGEST_ID else None
        except I3Error as error:
            return JSONResponse({"error": str(error)}, 500)
        if found is None:
            return JSONResponse({"error": "no such passage"}, 404)
        return JSONResponse({"words": [{"word": word, "weight": weight} for word, weight in found]})

    def windows(self, request: Request) -> Response:
        """All windows of a document, as JSON."""
        docid = request.query_params.get("id", "")
        try:
            found = self._passages.windows(docid) if 0 < len(docid) <= LONGEST_ID else []
        except I3Error as error:
            return JSONResponse({"error": str(error)}, 500)
        if not found:
            return JSONResponse({"error": "no such document"}, 404)
        return JSONResponse({"windows": [one._asdict() for one in found]})

    def file(self, request: Request) -> Response:
        """A file of the page's own."""
        name = request.url.path.removeprefix("/")  # one of FILES: there are no other routes
        return Response(self._files[name], media_type=FILES[name])

    def _address(self, query: str, view: str, hits: int = 0) -> str:
        """The address of a search; what is the default is left out of it."""
        given: dict[str, Any] = {"q": query}
        if view != next(iter(self._passages.views)):
            given["view"] = view
        if hits not in (0, self._hits):
            given["hits"] = hits
        return f"/?{urlencode(given)}"

    def _show(
        self, asked: Asked, status: int = 200, message: str = "", found: Found | None = None
    ) -> HTMLResponse:
        return HTMLResponse(self._page.render(asked=asked, message=message, found=found), status)


def healthy(_: Request) -> Response:
    """Says that the server answers."""
    return JSONResponse({"status": "ok"})


@asynccontextmanager
async def _running(_: Starlette) -> AsyncIterator[None]:
    allow_threads()
    yield


def make_app(
    passages: Passages,
    hits: int,
    hosts: list[str],
    key: str | None = None,
    origins: Sequence[str] = (),
) -> Starlette:
    """The application.

    Args:
        passages: what is searched.
        hits: passages of each ranking that are shown first.
        hosts: names by which the server may be asked for; see `TrustedHosts`.
        key: the key that requests need; None for none.
        origins: web pages of these origins may read answers.
    """
    pages, rest = Pages(passages, hits), Rest(passages)
    embedder = Embedder(passages.searcher, passages.lanes)
    embeddings = Embeddings(embedder, tag_of(passages.model))
    described = description(passages, rest.names, embeddings.names, embedder.dimension, key)
    routes = [
        Route("/", pages.page),
        Route("/search", pages.search),
        Route("/words", pages.words),
        Route("/windows", pages.windows),
        *(Route(f"/{name}", pages.file) for name in FILES),
        Route(HEALTH, healthy),
        Route("/openapi.json", lambda _: JSONResponse(described)),
        Route("/v1/{index:path}/search", rest.search),
        Route("/v1/{index:path}/doc/{docid:path}", rest.document),
        Route("/v1/embeddings", embeddings.embed, methods=["POST"]),
        Route("/v1/models", embeddings.models),
        Route("/v1/models/{model}", embeddings.model),
    ]
    return Starlette(
        routes=routes,
        middleware=shield(hosts, key, origins),
        exception_handlers={HTTPException: refuse, Refused: refuse},
        lifespan=_running,
    )
