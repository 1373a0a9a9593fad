"""OpenAI's form, by its own client and by hand."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from starlette.testclient import TestClient

import i3_pyserini as i3
from i3_pyserini.serve.embedder import MOST
from i3_pyserini.serve.embeddings import LONGEST
from tests.serve.conftest import app_of, client_for

QUERIES = ["boil an egg", "", "photosynthesis " * 60, "冷 water", "na"]
SIDES = ["query", "document"]
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def expected(collection: Path) -> dict[str, Any]:
    encoder = i3.load(collection / "model")
    found = (encoder.encode_queries(QUERIES), encoder.encode_passages(QUERIES))
    return dict(zip(SIDES, found, strict=True))


def full(api: TestClient, name: str) -> str:
    """The name of a model, whose first part depends on the folder."""
    return name.replace(
        "MODEL", str(api.get("/v1/models").json()["data"][0]["id"])[: -len("-query")]
    )


def post(api: TestClient, **given: Any) -> httpx2.Response:
    body = {"model": "MODEL-query", "input": "egg", **given}
    if isinstance(body["model"], str):
        body["model"] = full(api, body["model"])
    content = json.dumps({name: value for name, value in body.items() if value is not None})
    return api.post("/v1/embeddings", content=content, headers=JSON)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("form", ["float", "base64", None])
def test_openai_s_client(address: str, expected: dict[str, Any], side: str, form: Any) -> None:
    client = openai.OpenAI(api_key="-", base_url=f"{address}/v1")
    names = [model.id for model in client.models.list()]
    assert [name.rpartition("-")[2] for name in names] == SIDES
    name = names[SIDES.index(side)]
    assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError) as missing:
        client.embeddings.create(model="other", input="egg")
    assert missing.value.code == "model_not_found" and missing.value.param == "model"
    one = client.embeddings.create(model=name, input=QUERIES[0])
    np.testing.assert_allclose(one.data[0].embedding, expected[side][0], atol=1e-5)
    how = {} if form is None else {"encoding_format": form}
    found = client.embeddings.create(model=name, input=QUERIES, **how)
    vectors: Any = [item.embedding for item in found.data]
    if form == "base64":  # the client decodes it only if it has chosen it itself
        vectors = [np.frombuffer(base64.b64decode(vector), "<f4") for vector in vectors]
    np.testing.assert_allclose(vectors, expected[side], atol=1e-5)
    assert [item.index for item in found.data] == list(range(len(QUERIES)))
    assert found.model == name
    assert not np.allclose(expected["query"], expected["document"], atol=1e-3)


def test_tokens_are_counted_and_cut_texts_named(api: TestClient, collection: Path) -> None:
    length = i3.load(collection / "model").settings.query_length or 0
    found = post(api, input=["boil an egg", "photosynthesis " * 60]).json()
    assert found["usage"] == {"prompt_tokens": 5 + length, "total_tokens": 5 + length}
    assert found["truncated"] == 1
    assert post(api).json()["truncated"] == 0


@pytest.mark.parametrize(
    ("model", "input_type", "side"),
    [
        ("MODEL", "query", "query"),
        ("MODEL", "document", "document"),
        ("MODEL", "passage", "document"),
        ("MODEL-query", "query", "query"),
        ("MODEL-document", "document", "document"),
    ],
)
def test_input_types(
    api: TestClient, expected: dict[str, Any], model: str, input_type: str, side: str
) -> None:
    answer = post(api, model=model, input_type=input_type, input=QUERIES[0], dimensions=32)
    vector = answer.json()["data"][0]["embedding"]
    np.testing.assert_allclose(vector, expected[side][0], atol=1e-5)


@pytest.mark.parametrize(
    ("given", "status", "param"),
    [
        ({"input": None}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": {}}, 400, "input"),
        ({"input": [1, 2, 3]}, 400, "input"),
        ({"input": [[1, 2, 3]]}, 400, "input"),
        ({"input": ["egg", None]}, 400, "input"),
        ({"input": ["egg"] * (MOST + 1)}, 400, "input"),
        ({"input": "x" * (LONGEST + 1)}, 400, "input"),
        ({"input": "\ud800"}, 400, "input"),
        ({"model": None}, 400, "model"),
        ({"model": 3}, 400, "model"),
        ({"model": "MODEL"}, 400, "model"),
        ({"model": "text-embedding-3-small"}, 404, "model"),
        ({"input_type": "title"}, 400, "input_type"),
        ({"input_type": "document"}, 400, "input_type"),
        ({"input_type": []}, 400, "input_type"),
        ({"dimensions": 16}, 400, "dimensions"),
        ({"dimensions": True}, 400, "dimensions"),
        ({"encoding_format": "int8"}, 400, "encoding_format"),
        ({"encoding_format": {}}, 400, "encoding_format"),
        ({"user": 3}, 400, "user"),
        ({"truncate": "END"}, 400, "truncate"),
    ],
)
def test_what_is_refused(api: TestClient, given: dict[str, Any], status: int, param: str) -> None:
    answer = post(api, **given)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param)
    assert sorted(error) == ["code", "message", "param", "type"]
    assert error["type"] == "invalid_request_error" and len(error["message"]) < 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"model": "MODEL-query", "input": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b'{"model": "MODEL-query", "input": "egg"}', "text/plain", 415),
        (b'{"model": "MODEL-query", "input": "egg"}', "", 415),
        (b'{"model": "MODEL-query", "input": "egg"}', "Application/JSON; charset=utf-8", 200),
    ],
)
def test_bodies(api: TestClient, body: bytes, kind: str, status: int) -> None:
    body = body.replace(b"MODEL", full(api, "MODEL").encode())
    answer = api.post("/v1/embeddings", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["error"]["message"]


def test_other_methods_and_models(api: TestClient) -> None:
    for answer, status in (
        (api.get("/v1/embeddings"), 405),
        (api.post("/v1/models"), 405),
        (api.get("/v1/models/other"), 404),
    ):
        assert answer.status_code == status and answer.json()["error"]["message"]


def test_settings_of_the_index_are_those_of_passages(
    collection: Path, tmp_path: Path, tiny_bert: str
) -> None:
    """An encoder with flags: they are in the manifest, and hold for both sides."""
    from i3_pyserini.encode.flags import EncoderOptions

    how = EncoderOptions(pooling="mean", l2_norm=True, prefix="water:", query_prefix="egg:")
    corpus = collection / "corpus.jsonl"
    i3.encode_corpus(corpus, model=tiny_bert, output=tmp_path / "index", encoder=how)
    from i3_pyserini.search.searcher import Searcher
    from i3_pyserini.serve.app import make_app
    from i3_pyserini.serve.passages import Passages, Sources

    searcher = Searcher(tmp_path / "index")
    api = client_for(make_app(Passages(searcher, Sources(corpus, tmp_path)), 10, []))
    query, document = (model["id"] for model in api.get("/v1/models").json()["data"])
    encoder = i3.load(tiny_bert, encoder=how)
    for name, vectors in (
        (query, encoder.encode_queries(["cold"])),
        (document, encoder.encode_passages(["cold"])),
    ):
        vector = post(api, model=name, input="cold").json()["data"][0]["embedding"]
        np.testing.assert_allclose(vector, vectors[0], atol=1e-5)


def test_a_model_that_is_damaged(collection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(_: object, texts: list[str]) -> Any:
        return np.full((len(texts), 32), np.nan, dtype=np.float32)

    monkeypatch.setattr("i3_pyserini.encode.query_encoders.NumpyQueryEncoder.encode", encode)
    answer = post(client_for(app_of(collection)))
    assert answer.status_code == 500 and answer.json()["error"]["type"] == "server_error"
    assert "not finite" in answer.json()["error"]["message"]
