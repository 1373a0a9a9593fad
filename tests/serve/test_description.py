"""The OpenAPI description, and requests made from it."""

from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from starlette.applications import Starlette
from starlette.testclient import TestClient

from i3_pyserini.serve.rankings import DEPTH

EXAMPLES = 15  # of each operation, in each way of making them
GET = [
    "/search?q=egg",
    "/words?id=evil",
    "/healthz",
    "/v1/index/search?query=egg",
    "/v1/index-fused/search?query=egg&parse=false",
    "/v1/index/doc/evil",
    "/v1/models",
]


def test_every_route_is_described(app: Starlette, api: TestClient) -> None:
    described = api.get("/openapi.json").json()
    known = {path.replace(":path", "") for path in (route.path for route in app.routes)}  # type: ignore[attr-defined]
    pages = {"/", "/page.js", "/style.css", "/openapi.json"}
    assert set(described["paths"]) == known - pages
    assert "securitySchemes" not in described["components"]


def test_errors_are_described_in_openai_s_form(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for operation in methods.values():
            content = operation["responses"].get("400", {}).get("content")
            form = content and content["application/json"]["schema"]["$ref"].rpartition("/")[2]
            theirs = path.startswith(("/v1/embeddings", "/v1/models"))
            assert form == (None if path == "/healthz" else "OpenAIError" if theirs else "Error")


@pytest.mark.parametrize("address", GET)
def test_answers_have_what_is_described_and_nothing_else(api: TestClient, address: str) -> None:
    described = api.get("/openapi.json").json()
    path = address.partition("?")[0]
    for name in ("index-fused", "index", "evil"):
        path = path.replace(f"/{name}/", "/{index}/").replace(f"/{name}", "/{docid}")
    content = described["paths"][path]["get"]["responses"]["200"]["content"]
    schema = {**content["application/json"]["schema"], "components": described["components"]}
    closed: Any = _closed(schema)
    answer = api.get(address)
    assert answer.status_code == 200
    jsonschema.validate(answer.json(), closed)


def _closed(schema: Any) -> Any:
    """Objects have no properties but those named."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items()}
    if "required" in closed and "properties" in closed:
        closed["additionalProperties"] = False
    return closed


TOO_LARGE = 413


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_requests_of_all_kinds(app: Starlette, mode: str) -> None:
    """Valid and invalid ones: no failure, and nothing that is not described."""
    import schemathesis

    host = {"Host": "127.0.0.1"}
    schema: Any = schemathesis.openapi.from_asgi("/openapi.json", app, headers=host)
    operations = [one.ok() for one in schema.get_all_operations()]
    assert len(operations) == 9
    # Of these, no request is invalid: there are no parameters, or any name is one.
    only_valid = ("/healthz", "/v1/models", "/v1/models/{model}")
    for operation in operations:
        if mode == "negative" and operation.path in only_valid:
            continue

        @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
        @settings(
            max_examples=EXAMPLES,
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any) -> None:
            assume(mode == "negative" or not _contradicts_itself(case))
            response = case.call(headers=host)
            if response.status_code != TOO_LARGE:  # a rejection that schemathesis does not know
                case.validate_response(response)

        check()


def _contradicts_itself(case: Any) -> bool:
    """What a description of single parameters cannot say."""
    query, body = case.query or {}, case.body if isinstance(case.body, dict) else {}
    fused = (case.path_parameters or {}).get("index") == "index-fused"
    side = str(body.get("model")).rpartition("-")[2].replace("document", "passage")
    told = str(body.get("input_type", side)).replace("document", "passage")
    return (
        (str(query.get("parse")).lower() == "false" and "max_doc_length" in query)
        or (fused and int(query.get("hits", 1)) > DEPTH)
        or told != side
    )
