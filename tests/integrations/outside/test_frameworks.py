"""Frameworks, each in a Python of its own, with the examples of docs/how-to/http.md.

They clash with one another and are large, so that each Python is named by an environment variable:
`pip install langchain-openai`, `llama-index-embeddings-openai-like`, `haystack-ai`.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
import requests

import i3_pyserini as i3
from tests.integrations.conftest import Trained
from tests.integrations.odd_texts import passages, queries
from tests.integrations.serving import serving
from tests.pages import block

pytestmark = pytest.mark.slow
READ = "\nimport json, sys\ntexts, asked = json.load(sys.stdin)\n"
WRITE = "\nprint(json.dumps([found, vectors]))\n"


class Framework(NamedTuple):
    """A framework.

    Attributes:
        name: its name, and the heading of its example.
        vectors: code behind the example: `found` for documents `texts`, `vectors` for `asked`.
    """

    name: str
    vectors: str


FRAMEWORKS = [
    Framework(
        "LangChain",
        "found = embeddings.embed_documents(texts)\n"
        "vectors = [embeddings.embed_query(text) for text in asked]",
    ),
    Framework(
        "LlamaIndex",
        "found = documents.get_text_embedding_batch(texts)\n"
        "vectors = [queries.get_query_embedding(text) for text in asked]",
    ),
    Framework(
        "Haystack",
        "told = documents.run([Document(content=text) for text in texts])\n"
        "found = [one.embedding for one in told['documents']]\n"
        "vectors = [queries.run(text)['embedding'] for text in asked]",
    ),
]


@pytest.fixture(scope="module")
def address(trained: Trained) -> Iterator[str]:
    with serving(trained.index) as (address, _):
        yield address


@pytest.mark.parametrize("one", FRAMEWORKS, ids=lambda one: one.name)
def test_vectors_are_ours(one: Framework, request: pytest.FixtureRequest) -> None:
    variable = f"{one.name.upper()}_PYTHON"
    if variable not in os.environ:
        pytest.skip(f"{variable} names no Python with {one.name}")
    address, trained = request.getfixturevalue("address"), request.getfixturevalue("trained")
    models = requests.get(f"{address}/v1/models", timeout=60).json()["data"]
    name = str(models[0]["id"]).removesuffix("-query")
    example = block(one.name, "python", "docs/how-to/http.md").replace(
        "http://127.0.0.1:8080", address
    )
    code = example.replace("MODEL", name) + READ + one.vectors + WRITE
    texts, asked = [passage["text"] for passage in passages()][:150], queries()
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        [os.environ[variable], "-c", code],
        input=json.dumps([texts, asked]),
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**environment, "HAYSTACK_TELEMETRY_ENABLED": "False"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    example_said, numbers = done.stdout.splitlines()[-2:]
    assert example_said in ("My parcel came broken.", "The invoice has a wrong name.")
    encoder = i3.load(trained.model)
    found, vectors = json.loads(numbers)
    np.testing.assert_allclose(found, encoder.encode_passages(texts), atol=1e-5)
    np.testing.assert_allclose(vectors, encoder.encode_queries(asked), atol=1e-5)
