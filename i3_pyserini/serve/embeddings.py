"""OpenAI's `/v1/embeddings` and `/v1/models`, for their clients and those that speak like them.

Source: the reference of OpenAI's API, and what its Python client 2.32 sends.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.lines import refuse_surrogates
from i3_pyserini.serve.embedder import MOST, Embedded, Embedder, Side
from i3_pyserini.serve.failures import Refused
from i3_pyserini.serve.limits import read_body

LONGEST = 100_000  # characters of a text; no model reads more than some thousand word pieces
FIELDS = ("model", "input", "encoding_format", "dimensions", "input_type", "user")
SIDES: dict[str, Side] = {"query": "query", "document": "document", "passage": "document"}
FORMATS = ("float", "base64")


@dataclass(frozen=True)
class Asked:
    """A request for vectors.

    Attributes:
        model: its name, as it was given.
        side: whether the texts are queries or documents.
        texts: at least one.
        base64: whether vectors are base64 of little-endian float32, or lists of numbers.
    """

    model: str
    side: Side
    texts: list[str]
    base64: bool


class Embeddings:
    """Answers OpenAI's clients.

    Args:
        embedder: encodes.
        model: the model's name, before `-query` and `-document`.

    Attributes:
        names: the names of models.
    """

    def __init__(self, embedder: Embedder, model: str) -> None:
        self._embedder, self._model = embedder, model
        self._sides: dict[str, Side] = {f"{model}-query": "query", f"{model}-document": "document"}
        self.names = list(self._sides)

    async def embed(self, request: Request) -> Response:
        """The vectors of texts."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":  # a form of a foreign page cannot send this
            raise Refused(415, "The body must be sent as Content-Type: application/json.")
        asked = self._read(await read_body(request))
        return await run_in_threadpool(self._answer, asked)

    def models(self, _: Request) -> Response:
        """The names of models."""
        return JSONResponse({"object": "list", "data": [_model(name) for name in self.names]})

    def model(self, request: Request) -> Response:
        """One of the models."""
        name = request.path_params["model"]
        if name not in self.names:
            raise self._unknown(name)
        return JSONResponse(_model(name))

    def _answer(self, asked: Asked) -> Response:
        try:
            found = self._embedder.embed(asked.texts, asked.side)
        except I3Error as error:
            raise Refused(500, str(error)) from error
        tokens = sum(one.tokens for one in found)
        data = [
            {"object": "embedding", "index": index, "embedding": _vector(one, asked.base64)}
            for index, one in enumerate(found)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return JSONResponse(
            {
                "object": "list",
                "data": data,
                "model": asked.model,
                "usage": usage,
                "truncated": sum(one.cut for one in found),
            }
        )

    def _read(self, body: bytes) -> Asked:
        """A request's body.

        Raises:
            Refused: it is invalid.
        """
        try:
            given = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Refused(400, "The body is not JSON in UTF-8.") from error
        if not isinstance(given, dict):
            raise Refused(400, "The body must be a JSON object.")
        unknown = [name for name in given if name not in FIELDS]
        if unknown:
            expected = ", ".join(FIELDS)
            raise _invalid(unknown[0][:60], f"unknown parameter; expected {expected}")
        side = self._side(given.get("model"), given.get("input_type"))
        form = given.get("encoding_format", "float")
        if form not in FORMATS:
            raise _invalid("encoding_format", f"expected {' or '.join(FORMATS)}")
        dimensions, own = given.get("dimensions"), self._embedder.dimension
        if dimensions is not None and (isinstance(dimensions, bool) or dimensions != own):
            raise _invalid("dimensions", f"the model's vectors have {own} dimensions, not others")
        if not isinstance(given.get("user", ""), str):
            raise _invalid("user", "expected a string")
        return Asked(given["model"], side, _texts(given.get("input")), form == "base64")

    def _side(self, model: Any, input_type: Any) -> Side:
        """What the texts are, by the name of the model or by `input_type`."""
        if not isinstance(model, str):
            raise _invalid("model", f"expected {' or '.join(self.names)}")
        if input_type is not None and (not isinstance(input_type, str) or input_type not in SIDES):
            raise _invalid("input_type", f"expected {' or '.join(SIDES)}")
        named = self._sides.get(model)
        if named is None and model != self._model:
            raise self._unknown(model)
        told = SIDES[input_type] if input_type is not None else None
        if named and told and named != told:
            raise _invalid("input_type", f"{input_type} contradicts the model {model}")
        side = named or told
        if side is None:
            raise _invalid("model", f"expected {' or '.join(self.names)}, or send input_type")
        return side

    def _unknown(self, name: str) -> Refused:
        message = f"There is no model {name!r:.60}; expected {' or '.join(self.names)}."
        return Refused(404, message, "model", "model_not_found")


def _texts(given: Any) -> list[str]:
    """The texts to encode."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise _invalid("input", "expected a text, or a list of at least one")
    if len(texts) > MOST:
        raise _invalid("input", f"{len(texts):,} texts; at most {MOST:,} are allowed")
    for number, text in enumerate(texts):
        if isinstance(text, int | list):
            raise _invalid(
                "input",
                "token ids are of another model's vocabulary; send texts "
                "(LangChain: check_embedding_ctx_length=False)",
            )
        if not isinstance(text, str):
            raise _invalid("input", f"text {number} is not a string")
        if len(text) > LONGEST:
            raise _invalid("input", f"text {number} has more than {LONGEST:,} characters")
        try:
            refuse_surrogates(text, f"text {number}")
        except I3Error as error:
            raise _invalid("input", str(error)) from error
    return texts


def _vector(embedded: Embedded, as_base64: bool) -> str | list[float]:
    if not as_base64:
        floats: list[float] = embedded.vector.tolist()
        return floats
    return base64.b64encode(np.asarray(embedded.vector, dtype="<f4").tobytes()).decode()


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "i3-pyserini"}


def _invalid(name: str, why: str) -> Refused:
    return Refused(400, f"{name}: {why}.", name)
