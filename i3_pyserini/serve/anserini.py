"""The REST form of Anserini and Pyserini: `/v1/INDEX/search` and `/v1/INDEX/doc/DOCID`.

Source: the OpenAPI description of Pyserini 2.4, `pyserini/server/rest/openapi.yaml`, and for the
form of documents its server. Its three kinds of parameters that mean nothing here are refused.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.search.window import without_offsets
from i3_pyserini.serve.failures import Refused
from i3_pyserini.serve.limits import LONGEST_ID
from i3_pyserini.serve.passages import Passages
from i3_pyserini.serve.rankings import DEPTH, Ranking

HITS, MOST = 10, 1000  # by default, and at most
LONGEST = 10_000  # characters of a query
DIGITS = 6  # of a score
IDS = ("id", "_id", "docid")  # fields that are not repeated in a document
CUT = ("body", "content", "contents", "text")  # fields that max_doc_length cuts


class Rest:
    """Answers in Anserini's form.

    Args:
        passages: what is searched.

    Attributes:
        names: the names of indexes that clients may give, with their rankings: the directory's
            name, and that with `-words` and `-fused`.
    """

    def __init__(self, passages: Passages) -> None:
        self._passages = passages
        path = passages.searcher.path
        rankings = {"": "vectors"}
        rankings |= {"-words": "words", "-fused": "fused"} if passages.bm25 else {}
        self.names = {f"{path.resolve().name}{end}": name for end, name in rankings.items()}
        # Clients of Pyserini's server may know an index by its path.
        self._known = {
            f"{given}{end}": name
            for given in (path, path.resolve())
            for end, name in rankings.items()
        } | self.names

    def search(self, request: Request) -> Response:
        """The hits of a query, with their documents."""
        index, given = unquote(request.path_params["index"]), request.query_params
        query = given.get("query", "")
        if not query.strip():
            raise Refused(400, "Parameter query is missing or empty.")
        if len(query) > LONGEST:
            raise Refused(400, f"Parameter query has more than {LONGEST:,} characters.")
        hits = _number(given, "hits", MOST) or HITS
        parse, longest = _form(given)
        _refuse_bm25(given)
        try:
            ranking = self._ranking(self._ranked_by(index), query, hits)
            candidates = [
                {"docid": docid, "score": round(score, DIGITS), "rank": rank, "doc": doc}
                for rank, (docid, score, doc) in enumerate(
                    self._documents(ranking, parse, longest), start=1
                )
            ]
        except I3Error as error:
            raise Refused(500, str(error)) from error
        found = {"api": "v1", "index": index, "query": {"text": query}, "candidates": candidates}
        return JSONResponse(found)

    def document(self, request: Request) -> Response:
        """A passage, or the windows of a document, by id."""
        index, docid = unquote(request.path_params["index"]), request.path_params["docid"]
        parse, longest = _form(request.query_params)
        self._ranked_by(index)
        # Clients of Pyserini's server quote an id twice if it has a slash.
        for name in dict.fromkeys((docid, unquote(docid))):
            if len(name) > LONGEST_ID:
                break
            try:
                passage, windows = self._passages.store.get(name), self._passages.windows(name)
            except I3Error as error:
                raise Refused(500, str(error)) from error
            if passage is None and not windows:
                continue
            doc: Any
            if passage is not None:
                doc = _shown(passage, parse, longest)
            else:
                doc = [_cut(one._asdict(), longest) for one in windows]
                doc = doc if parse else json.dumps(doc, ensure_ascii=False)
            return JSONResponse({"api": "v1", "index": index, "docid": name, "doc": doc})
        raise Refused(404, f"Document not found: {docid:.60}")

    def _ranked_by(self, index: str) -> str:
        name = self._known.get(index)
        if name is None:
            raise Refused(400, f"There is no index {index!r:.60}; expected {_or(self.names)}.")
        return name

    def _ranking(self, name: str, query: str, hits: int) -> Ranking:
        if name == "fused":
            if hits > DEPTH:
                raise Refused(400, f"hits is {hits}; the fused ranking has at most {DEPTH}.")
            return self._passages.rankers.rank(query)["fused"].first(hits)
        return self._passages.rankers.ranking(
            "vectors" if name == "vectors" else "words", query, hits
        )

    def _documents(
        self, ranking: Ranking, parse: bool, longest: int | None
    ) -> Iterator[tuple[str, float, Any]]:
        for docid, score in ranking.hits:
            window = ranking.best.get(docid)
            passage = self._passages.store.get(window or docid)
            if passage is None:
                yield docid, score, None
                continue
            extra = {"window": window, **without_offsets(passage.extra)} if window else {}
            yield docid, score, _shown(passage, parse, longest, extra)


def _shown(
    passage: Passage, parse: bool, longest: int | None, extra: Mapping[str, Any] | None = None
) -> Any:
    """A document as Pyserini's server shows it.

    Args:
        passage: the document.
        parse: False for its JSON as text, with its id. True for an object of its other fields,
            single values as text; one field alone is shown without its name.
        longest: characters of its text; None for all.
        extra: fields besides title and text, if not the passage's.
    """
    fields = {"title": passage.title, "text": passage.text, **(extra or passage.extra)}
    fields = {name: value for name, value in fields.items() if value is not None}
    if not parse:
        return json.dumps({"id": passage.docid, **fields}, ensure_ascii=False)
    shown = {
        name: value if isinstance(value, dict | list) else str(value)
        for name, value in _cut(fields, longest).items()
        if name not in IDS
    }
    return next(iter(shown.values())) if len(shown) == 1 else shown


def _cut(fields: Mapping[str, Any], longest: int | None) -> dict[str, Any]:
    return {
        name: value[:longest] if name.lower() in CUT and isinstance(value, str) else value
        for name, value in fields.items()
    }


def _form(given: QueryParams) -> tuple[bool, int | None]:
    """The parameters `parse` and `max_doc_length`."""
    word = given.get("parse", "true").strip().lower()
    if word not in ("true", "false"):
        raise Refused(400, f"Parameter parse is {word!r:.60}; expected true or false.")
    parse, longest = word == "true", _number(given, "max_doc_length")
    if longest is not None and not parse:
        raise Refused(400, "Parameter max_doc_length requires parse=true.")
    return parse, longest


def _number(given: QueryParams, name: str, most: int | None = None) -> int | None:
    """A positive whole number; None if it is missing or empty."""
    word = given.get(name, "").strip()
    if not word:
        return None
    small = word.isascii() and word.isdecimal() and len(word) <= len(str(1 << 62))
    if not (small and int(word) >= 1 and (most is None or int(word) <= most)):
        up_to = f" from 1 to {most:,}" if most else " above 0"
        raise Refused(400, f"Parameter {name} is {word!r:.60}; expected a number{up_to}.")
    return int(word)


def _refuse_bm25(given: QueryParams) -> None:
    for name in ("k1", "b"):
        if given.get(name, "").strip():
            raise Refused(400, f"Parameter {name} cannot be set: BM25 is as the server started it.")


def _or(names: Mapping[str, str]) -> str:
    return " or ".join(names)
