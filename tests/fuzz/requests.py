"""Requests to the server, answered in this process: parameters, headers and bodies.

An answer is a result, or one error line with a status below 500; never the server's own failure.
"""

import asyncio
import atexit
import json
import math
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import torch
from transformers import AutoModel

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.vector_files import Shape, write_files
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.app import make_app
from i3_pyserini.serve.passages import Passages, Sources
from i3_pyserini.serve.shield import HEADERS
from tests.conftest import make_tokenizer, tiny_bert_config
from tests.fuzz.target import Target

SCRIPT = "<script>document.title='taken over'</script>"
TEXTS = {"eggs": "how long to boil an egg", "evil": f"water {SCRIPT} hot", "<b>&id": "cold water"}
Answer = tuple[int, dict[str, str], bytes]
HOST = "Host: 127.0.0.1\n"
MOST = {"hits": 1000, "page": 100}
ERROR, FAILED, LONGEST = 400, 500, 2000


@cache
def _app() -> Any:
    """The application over a tiny index, with a model that encodes."""
    torch.manual_seed(1)
    whole = tempfile.mkdtemp(prefix="fuzz-server-")
    atexit.register(shutil.rmtree, whole, ignore_errors=True)
    folder = Path(whole) / "tiny"
    AutoModel.from_config(tiny_bert_config()).save_pretrained(folder / "bert")
    names = ("pad", "unk", "cls", "sep", "mask")
    tokenizer = make_tokenizer("[CLS] $A [SEP]", {name: f"[{name.upper()}]" for name in names})
    tokenizer.save_pretrained(folder / "bert")
    model = I3Retriever.from_backbone(str(folder / "bert"))
    own = I3Tokenizer.from_pretrained(str(folder / "bert"), model.config)
    save_model_directory(model, own, folder / "model")
    lines = [json.dumps({"id": docid, "text": text}) for docid, text in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    encoder = load_query_encoder(str(folder / "model"))
    vectors = encoder.encode(list(TEXTS.values()))
    (folder / "index").mkdir()
    write_files("faiss", folder / "index", [Block(list(TEXTS), vectors)], Shape(*vectors.shape))
    passages = Passages(Searcher(folder / "index", encoder), Sources(folder / "corpus.jsonl"))
    return make_app(passages, 10, [])


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def answer(request: bytes) -> Answer | None:
    """The answer to a request as on the wire, but with bare line ends; None for no request."""
    head, _, body = request.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    try:
        method, address = first.decode("ascii").split(" ")[:2]
    except ValueError:
        return None  # the server's parser refuses it
    if not method.isalpha() or not address.startswith("/") or not address.isprintable():
        return None
    raw, _, query = address.partition("?")
    pairs = [line.partition(b":") for line in lines]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.upper(),
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.strip().lower(), value.strip()) for name, _, value in pairs],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    return _loop().run_until_complete(_answered(scope, body))


async def _answered(scope: dict[str, Any], body: bytes) -> Answer:
    sent: list[dict[str, Any]] = []
    left = [body]

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()  # the client stays
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await _app()(scope, receive, send)
    starts = [one for one in sent if one["type"] == "http.response.start"]
    assert len(starts) == 1, f"{len(starts)} answers"
    headers = {name.decode(): value.decode() for name, value in starts[0]["headers"]}
    return starts[0]["status"], headers, b"".join(one.get("body", b"") for one in sent)


def _request(path: Path) -> object:
    content = path.read_bytes()
    found = answer(content)
    if found is None:
        return None
    status, headers, body = found
    assert status < FAILED, f"{status}: {body!r:.200}"
    own = {name.lower(): value for name, value in HEADERS.items()}
    assert headers.items() >= own.items(), "an answer without its headers"
    assert SCRIPT.encode() not in body or "json" in headers.get("content-type", ""), "a script"
    text = body.decode("utf-8")
    if "json" not in headers.get("content-type", ""):
        if status >= ERROR:
            raise I3Error(f"{path}: {status}")
        return text
    given = json.loads(text, parse_constant=_refuse) if text else {}
    if status >= ERROR:
        error = given.get("error")
        said = error["message"] if isinstance(error, dict) else error
        assert isinstance(said, str) and said and len(said) < LONGEST, error
        raise I3Error(f"{path}: {said}")
    _check_result(content, given)
    return given


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def _check_result(request: bytes, given: dict[str, Any]) -> None:
    """As many as were asked for, in order; all texts that were sent."""
    address = request.split(b" ", 2)[1].split(b"\n")[0].decode()
    query = parse_qs(address.partition("?")[2])
    hits = query.get("hits", ["10"])[-1].strip()
    if "results" in given:
        assert given["query"] == " ".join(query["q"][-1].split()), "another query"
        for found in given["results"].values():
            assert len(found) <= min(int(hits), MOST["page"]), f"{len(found)} of {hits}"
            assert {one["id"] for one in found} <= TEXTS.keys(), "unknown passages"
            assert [one["rank"] for one in found] == list(range(1, len(found) + 1)), "ranks"
    if "candidates" in given:
        found, most = given["candidates"], int(hits or 10)
        assert len(found) <= most <= MOST["hits"], f"{len(found)} of {hits}"
        scores = [one["score"] for one in found]
        assert scores == sorted(scores, reverse=True) and all(map(math.isfinite, scores)), scores
        longest = query.get("max_doc_length", [""])[-1].strip()
        if longest:
            assert all(len(one["doc"]) <= int(longest) for one in found), "longer than asked for"
    if "usage" in given:
        body = json.loads(request.partition(b"\n\n")[2])
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        assert [one["index"] for one in given["data"]] == list(range(len(texts))), "texts were lost"
        assert given["model"] == body["model"], "another model"
        sizes = {len(one["embedding"]) for one in given["data"]}
        assert len(sizes) == 1, sizes


def _get(*addresses: str) -> list[bytes]:
    return [f"GET {address} HTTP/1.1\n{HOST}\n".encode() for address in addresses]


def _post(*bodies: object, kind: str = "application/json") -> list[bytes]:
    head = f"POST /v1/embeddings HTTP/1.1\n{HOST}Content-Type: {kind}\n\n"
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return [f"{head}{text}".encode() for text in texts]


def _sound() -> list[bytes]:
    found = [
        *_get(
            *("/", "/?q=hot+egg&view=fused&hits=2", "/search?q=water&view=both&hits=3", "/page.js"),
            *("/words?id=eggs", "/healthz", "/openapi.json", "/v1/models", "/?q=%3Cscript%3E"),
            "/v1/index/search?query=cold%20water&hits=2&parse=true&max_doc_length=3",
            "/v1/index-fused/search?query=egg&hits=3&parse=false",
            *("/v1/index-words/search?query=egg", "/v1/index/doc/eggs?max_doc_length=2"),
        ),
        *_post(
            {"model": "tiny-model-query", "input": ["hot", "egg"], "encoding_format": "float"},
            {"model": "tiny-model-document", "input": "hot", "encoding_format": "base64"},
            {"model": "tiny-model", "input": ["egg"], "input_type": "passage", "user": "me"},
        ),
    ]
    for one in found:  # what is opened at the first request is opened now
        answer(one)
    return found


def _refused() -> list[bytes]:
    return [
        *_get(
            *("/search", "/search?q=+", "/search?q=a&hits=0", "/search?q=a&hits=101", "/nothing"),
            *("/search?q=a&hits=-1", "/search?q=a&hits=1e1", "/search?q=a&view=x", "/words?id=no"),
            *(f"/search?q={'a' * 1001}", "/search?q=a&hits=%D9%A3", "/windows?id=eggs"),
            *("/v1/other/search?query=a", "/v1/index/search?query=", "/v1/index/doc/none"),
            *("/v1/index/search?query=a&hits=1001", "/v1/index/search?query=a&k1=0.9"),
            *("/v1/index/search?query=a&parse=x", "/v1/index-fused/search?query=a&hits=101"),
            *("/v1/index/doc/eggs?parse=false&max_doc_length=1", "/v1/models/x", "/../etc/passwd"),
            *(f"/v1/index/search?query={'a' * 10_001}", "/v1/index/search?query=a&hits=0"),
            *(f"/v1/index/search?query=a&hits={number}" for number in ("x", "1e1", "-1", "%D9%A3")),
            *(f"/v1/index/doc/eggs?max_doc_length={number}" for number in ("0", "1.5", "9" * 30)),
        ),
        b"GET / HTTP/1.1\nHost: evil.example\n\n",
        *_post({"model": "tiny-model-query", "input": "a"}, kind="text/plain"),
        *_post(
            *(
                "",
                "[",
                "[" * 9999,
                "[]",
                {"model": "x", "input": "a"},
                {"model": "tiny-model-query"},
            ),
            {"model": "tiny-model-query", "input": [1, 2]},
            {"model": "tiny-model-query", "input": []},
            {"model": "tiny-model-query", "input": "a", "dimensions": True},
            {"model": "tiny-model-query", "input": "a", "dimensions": 7},
            {"model": "tiny-model-query", "input": "a", "input_type": "document"},
            {"model": "tiny-model-query", "input": "a", "encoding_format": "x"},
            {"model": "tiny-model-query", "input": "a", "encoding_format": []},
            {"model": "tiny-model-query", "input": "\ud800"},
            {"model": "tiny-model-query", "input": "a", "other": 1},
            {"model": "tiny-model-query", "input": "a", "user": 1},
            {"model": [], "input": "a"},
        ),
    ]


TARGETS = [Target("requests", "request", _request, _sound, _refused)]
