"""The server as a process, a really trained model behind it, and OpenAI's client before it."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import openai
import pytest
import requests

import i3_pyserini as i3
from tests.integrations.conftest import Trained
from tests.integrations.odd_texts import passages, queries
from tests.integrations.serving import serving
from tests.pages import block, run_code

pytestmark = pytest.mark.slow
AT_ONCE = 16


@pytest.fixture(scope="module")
def address(trained: Trained) -> Iterator[str]:
    with serving(trained.index) as (address, _):
        yield address


@pytest.fixture(scope="module")
def client(address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key="-", max_retries=0)


def embed(client: openai.OpenAI, side: int, texts: list[str]) -> Any:
    name = [model.id for model in client.models.list()][side]
    return [one.embedding for one in client.embeddings.create(model=name, input=texts).data]


def test_vectors_are_ours(client: openai.OpenAI, trained: Trained) -> None:
    encoder = i3.load(trained.model)
    texts = [one["text"] for one in passages()]
    np.testing.assert_allclose(embed(client, 1, texts), encoder.encode_passages(texts), atol=1e-5)
    asked = list(queries())
    np.testing.assert_allclose(embed(client, 0, asked), encoder.encode_queries(asked), atol=1e-5)


def test_vectors_and_hits_are_the_same_whatever_else_is_asked(
    address: str, client: openai.OpenAI, trained: Trained
) -> None:
    """Searches and both kinds of vectors at once, from many clients."""
    asked, index = [one for one in queries() if one.strip()], i3.open_index(trained.index)
    encoder = i3.load(trained.model)
    vectors = (encoder.encode_queries(asked), encoder.encode_passages(asked))

    def one(number: int) -> None:
        row, kind = number % len(asked), number % 3
        if kind < 2:
            (found,) = embed(client, kind, [asked[row]])
            np.testing.assert_allclose(found, vectors[kind][row], atol=1e-5)
        else:
            compare(address, asked[row], index.search(asked[row], k=10))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(6 * AT_ONCE)))


def compare(address: str, query: str, expected: Any) -> None:
    given = {"query": query, "hits": "10"}
    found = requests.get(f"{address}/v1/INDEX/search", given, timeout=60)
    assert found.status_code == 200, found.text
    hits = found.json()["candidates"]
    assert [hit["docid"] for hit in hits] == [hit.docid for hit in expected]
    np.testing.assert_allclose(
        [hit["score"] for hit in hits], [hit.score for hit in expected], atol=1e-5
    )


def test_two_servers_on_one_index(trained: Trained) -> None:
    """Started at the same time, so that both find no text store."""
    for store in trained.corpus.parent.glob("*.store"):
        store.unlink()
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        entered = [pool.submit(stack.enter_context, serving(trained.index)) for _ in range(2)]
        first, second = (one.result(120)[0] for one in entered)
        assert first != second
        for query in [one for one in queries() if one.strip()][:20]:
            for name in ("INDEX", "INDEX-words", "INDEX-fused"):
                given = {"query": query, "hits": "20"}
                one, two = (
                    requests.get(f"{where}/v1/{name}/search", given, timeout=60).json()
                    for where in (first, second)
                )
                assert one == two and "candidates" in one


def test_the_example(address: str, tmp_path: Path) -> None:
    code = block("Vectors", "python", "docs/how-to/http.md").replace(
        "http://127.0.0.1:8080", address
    )
    name, dimension, tokens = run_code(code, tmp_path).split()
    assert name.endswith("-query") and dimension == "384" and int(tokens) > 6


def test_a_key_of_the_environment(trained: Trained) -> None:
    with serving(trained.index, I3_API_KEY="s3cret") as (address, _):
        assert requests.get(f"{address}/healthz", timeout=60).status_code == 200
        assert requests.get(address, timeout=60).status_code == 401
        assert requests.get(address, auth=("", "s3cret"), timeout=60).status_code == 200
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=f"{address}/v1", api_key="other").models.list()
        assert openai.OpenAI(base_url=f"{address}/v1", api_key="s3cret").models.list().data


def test_what_runs_when_the_server_is_stopped_is_finished(trained: Trained) -> None:
    few = [one["text"] for one in passages()]
    texts = few * 5  # enough to be still encoded when the signal comes
    answers: list[Any] = []
    with serving(trained.index) as (address, process):
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="-", max_retries=0)
        embed(client, 1, texts[:1])  # loads the encoder
        asking = threading.Thread(target=lambda: answers.append(embed(client, 1, texts)))
        asking.start()
        time.sleep(0.3)
        assert not answers
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{address}/healthz", timeout=60)
        assert process.wait(60) == -signal.SIGTERM
        asking.join(60)
    (found,) = answers
    expected = np.tile(i3.load(trained.model).encode_passages(few), (5, 1))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_not_http_does_not_fill_the_log(
    trained: Trained, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(trained.index) as (address, _):
        capfd.readouterr()
        place = urlsplit(address)
        for nonsense in (b"\x16\x03\x01\x00\xff" * 20, b"GET / HTTP/9.9\r\n\r\n", b"\r\n\x00" * 99):
            with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
                connection.sendall(nonsense)
                connection.settimeout(1)
                with suppress(OSError):
                    connection.recv(100)
        assert requests.get(f"{address}/healthz", timeout=60).status_code == 200
    assert capfd.readouterr().err == ""
