"""The OpenAPI description of all that the server answers in JSON."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from i3_pyserini.serve.anserini import HITS, LONGEST, MOST
from i3_pyserini.serve.embedder import MOST as TEXTS
from i3_pyserini.serve.embeddings import FIELDS, FORMATS, SIDES
from i3_pyserini.serve.embeddings import LONGEST as LONGEST_TEXT
from i3_pyserini.serve.limits import HEALTH, LONGEST_ID, LONGEST_QUERY
from i3_pyserini.serve.passages import Passages
from i3_pyserini.serve.rankings import DEPTH

Json = dict[str, Any]
SOME = r"\S"  # a character that is no white space
ERRORS = {
    400: "A parameter is invalid.",
    401: "The key is missing or wrong.",
    404: "There is nothing of this name.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "Too many requests at once.",
    500: "The search failed.",
    503: "No result in time.",
}
ALWAYS = (400, 429, 500)  # 400: a host name that is not the server's
RETRY = (429, 503)
CLOSED = {"additionalProperties": False}
OPENAI_PATHS = ("/v1/embeddings", "/v1/models", "/v1/models/{model}")
KEYS: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "password": {"type": "http", "scheme": "basic"},
}


def description(
    passages: Passages,
    indexes: Iterable[str],
    models: Sequence[str],
    dimension: int,
    key: str | None,
) -> Json:
    """Describes the server.

    Args:
        passages: what is searched.
        indexes: names of indexes in Anserini's form.
        models: names of models in OpenAI's form.
        dimension: of vectors.
        key: the key that requests need; only whether there is one is in the description.
    """
    errors = (401,) if key is not None else ()
    paths = _pages(passages) | _anserini(list(indexes)) | _openai(models, dimension)
    for path, methods in paths.items():
        for operation in methods.values():
            more = operation.pop("errors")
            if path != HEALTH:
                form = "OpenAIError" if path in OPENAI_PATHS else "Error"
                operation["responses"] |= _errors({*ALWAYS, *errors, *more}, form)
    described: Json = {
        "openapi": "3.1.0",
        "info": {"title": "I³ search", "version": version("i3-pyserini")},
        "paths": paths,
        "components": {"schemas": _schemas()},
    }
    if key is not None:
        described["components"]["securitySchemes"] = KEYS
        described["security"] = [{name: []} for name in KEYS]
        paths[HEALTH]["get"]["security"] = []
    return described


def _pages(passages: Passages) -> Json:
    """The API of the page."""
    docid = _query("id", _text(LONGEST_ID), "Its id.", required=True)
    search = _get(
        "Search, with all that the page shows of a hit",
        [
            _query("q", {**_text(LONGEST_QUERY), "pattern": SOME}, "The query.", required=True),
            _query("view", {"enum": list(passages.views)}, "Which rankings."),
            _query("hits", _number(1, DEPTH), "Hits of each ranking."),
        ],
        "Found",
        (503,),
    )
    return {
        "/search": search,
        "/words": _get("Words of the pseudo-query in a vector", [docid], "Words", (404,)),
        "/windows": _get("All windows of a document", [docid], "Windows", (404,)),
        HEALTH: _get("Whether the server answers", [], "Health"),
    }


def _anserini(indexes: list[str]) -> Json:
    index = _path("index", {"enum": indexes}, "The ranking; by vectors without an ending.")
    form = [
        _query("parse", {"type": "boolean", "default": True}, "False for JSON as text."),
        _query("max_doc_length", _number(1), "Characters of a text; not with parse=false."),
    ]
    query = _query("query", {**_text(LONGEST), "pattern": SOME}, "The query.", required=True)
    hits = _query("hits", {**_number(1, MOST), "default": HITS}, "At most 100 if fused.")
    docid = _path("docid", _text(LONGEST_ID), "Its id.")
    return {
        "/v1/{index}/search": _get(
            "Search, in Anserini's form", [index, query, hits, *form], "SearchResponse", (503,)
        ),
        "/v1/{index}/doc/{docid}": _get(
            "A document by its id, in Anserini's form", [index, docid, *form],
            "DocumentResponse", (404,),
        ),
    }  # fmt: skip


def _openai(models: Sequence[str], dimension: int) -> Json:
    text = {"type": "string", "maxLength": LONGEST_TEXT}
    texts = {"type": "array", "items": text, "minItems": 1, "maxItems": TEXTS}
    fields: Json = {
        "model": {"enum": list(models), "description": "Texts are queries or documents."},
        "input": {"oneOf": [text, texts]},
        "encoding_format": {"enum": list(FORMATS), "default": FORMATS[0]},
        "dimensions": {"enum": [dimension, None]},
        "input_type": {"enum": [*SIDES, None], "description": "Must not contradict the model."},
        "user": {"type": "string"},
    }
    body = _object({name: fields[name] for name in FIELDS}, ("model", "input"))
    embed = _get("Vectors of texts", [], "Embeddings", (404, 408, 413, 415, 503))["get"]
    embed["requestBody"] = {"required": True, "content": _content({**body, **CLOSED})}
    name = _path("model", {"type": "string", "minLength": 1}, "Its name.")
    return {
        "/v1/embeddings": {"post": embed},
        "/v1/models": _get("The models", [], "Models"),
        "/v1/models/{model}": _get("A model", [name], "Model", (404,)),
    }


def _schemas() -> Json:
    text, number, whole = {"type": "string"}, {"type": "number"}, {"type": "integer"}
    maybe = {"type": ["string", "null"]}
    index, texts = _number(0), {"type": "array", "items": number}
    rank, hits = _number(1), {"type": "object", "additionalProperties": _list(_ref("Hit"))}
    hit = {
        "rank": rank, "id": text, "score": number, "title": maybe, "text": maybe,
        "metadata": {"type": "object"}, "ranks": {"type": "object", "additionalProperties": rank},
    }  # fmt: skip
    window = {"id": text, "number": rank, "of": rank, "start": whole, "end": whole, "text": maybe}
    candidate = {"docid": text, "score": number, "rank": rank, "doc": {}}
    said = {"message": text, "type": text, "param": maybe, "code": maybe}
    vector = _object({"object": text, "index": index, "embedding": {"oneOf": [texts, text]}})
    usage = _object({"prompt_tokens": index, "total_tokens": index})
    model = {"id": text, "object": text, "created": whole, "owned_by": text}
    return {
        "Found": _object({"query": text, "view": text, "milliseconds": number, "results": hits}),
        "Hit": _object(hit | {"window": {"type": "object"}}, hit),
        "Words": _object({"words": _list(_object({"word": text, "weight": number}))}),
        "Windows": _object({"windows": _list(_object(window))}),
        "Health": _object({"status": text}),
        "SearchResponse": _object(
            {
                "api": text,
                "index": text,
                "query": _object({"text": text}),
                "candidates": _list(_object(candidate)),
            }
        ),
        "DocumentResponse": _object({"api": text, "index": text, "docid": text, "doc": {}}),
        "Embeddings": _object(
            {
                "object": text,
                "data": _list(vector),
                "model": text,
                "usage": usage,
                "truncated": index,
            }
        ),
        "Models": _object({"object": text, "data": _list(_ref("Model"))}),
        "Model": _object(model),
        "Error": _object({"error": text}),
        "OpenAIError": _object({"error": _object(said)}),
    }


def _get(summary: str, parameters: list[Json], answer: str, errors: tuple[int, ...] = ()) -> Json:
    """A path that answers GET."""
    ok = {"description": "The answer.", "content": _content(_ref(answer))}
    got: Json = {"summary": summary, "responses": {"200": ok}, "errors": errors}
    return {"get": {**got, "parameters": parameters} if parameters else got}


def _errors(statuses: Iterable[int], form: str) -> Json:
    answers: Json = {}
    for status in sorted(statuses):
        one: Json = {"description": ERRORS[status], "content": _content(_ref(form))}
        if status in RETRY:
            seconds = {"description": "Seconds to wait.", "schema": _number(0)}
            one["headers"] = {"Retry-After": seconds}
        answers[str(status)] = one
    return answers


def _query(name: str, schema: Json, about: str, required: bool = False) -> Json:
    return _parameter(name, "query", schema, about, required)


def _path(name: str, schema: Json, about: str) -> Json:
    return _parameter(name, "path", schema, about, True)


def _parameter(name: str, where: str, schema: Json, about: str, required: bool) -> Json:
    return {
        "name": name,
        "in": where,
        "required": required,
        "schema": schema,
        "description": about,
    }


def _text(longest: int) -> Json:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _number(least: int, most: int | None = None) -> Json:
    return {"type": "integer", "minimum": least, **({} if most is None else {"maximum": most})}


def _object(fields: Mapping[str, Any], required: Iterable[str] | None = None) -> Json:
    names = list(fields if required is None else required)
    return {"type": "object", "properties": dict(fields), "required": names}


def _list(of: Json) -> Json:
    return {"type": "array", "items": of}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}
