"""Options for queries that a language model on a server writes."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from i3_pyserini.errors import I3Error, at_least_1

TOKENS = 40  # of an answer, for each query
HOTTEST = 2.0


@dataclass(frozen=True)
class LanguageModel:
    """How a language model is asked, with source llm.

    Attributes:
        url: address of an OpenAI-compatible server, up to /v1, such as http://localhost:8000/v1.
        key_env: environment variable that contains the API key. Default: no key is sent.
        prompt: file with the prompt: a text with {text} and, optionally, {title}, {count} and
            {examples}. Default: the prompt in docs/how-to/queries.md.
        example_topics: queries with judgments, to show examples in the prompt.
        example_qrels: their judgments.
        examples: number of examples.
        temperature: sampling temperature, from 0 to 2.
        max_tokens: maximum tokens of an answer. Default: 40 for each query.
        passage_chars: maximum characters of a passage in the prompt.
        extra_body: further fields of a request as a JSON object; null removes a field.
        concurrency: number of requests at a time.
        timeout: seconds without an answer, after which a request is repeated.
        retries: number of repetitions of a request after a timeout or a busy server.
        price_input: price of a million tokens of prompts, in any currency.
        price_output: price of a million tokens of answers.
        estimate: print the number of requests, tokens, price and time, and the first prompt,
            without asking.
    """

    url: str | None = None
    key_env: str | None = None
    prompt: Path | None = None
    example_topics: Path | None = None
    example_qrels: Path | None = None
    examples: int = 3
    temperature: float = 0.7
    max_tokens: int | None = None
    passage_chars: int = 4000
    extra_body: str | None = None
    concurrency: int = 4
    timeout: float = 120.0
    retries: int = 6
    price_input: float | None = None
    price_output: float | None = None
    estimate: bool = False

    def check(self) -> None:
        """Checks the values.

        Raises:
            I3Error: one is missing or out of range.
        """
        self.host  # noqa: B018  (checks the address)
        self.extra()
        self.key()
        at_least_1(max_tokens=self.max_tokens, passage_chars=self.passage_chars)
        at_least_1(concurrency=self.concurrency, examples=self.examples)
        if not 0 <= self.temperature <= HOTTEST:
            raise I3Error(f"temperature is {self.temperature:g}, must be from 0 to {HOTTEST:g}")
        if not 0 < self.timeout < float("inf"):
            raise I3Error(f"timeout is {self.timeout:g}, must be above 0")
        if self.retries < 0:
            raise I3Error(f"retries is {self.retries}, must be at least 0")
        for name in ("price_input", "price_output"):
            price = getattr(self, name)
            if price is not None and not 0 <= price < float("inf"):
                raise I3Error(f"{name} is {price:g}, must be at least 0")
        if (self.price_input is None) != (self.price_output is None):
            raise I3Error("price_input and price_output belong together; give both")
        if (self.example_topics is None) != (self.example_qrels is None):
            raise I3Error("example_topics and example_qrels belong together; give both")

    @property
    def host(self) -> str:
        """Host and port of the server.

        Raises:
            I3Error: there is no address, or it is none of a server, or contains a password.
        """
        advice = "expected the address of a server up to /v1, such as http://localhost:8000/v1"
        if self.url is None:
            raise I3Error("source llm requires url and model")
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise I3Error(f"url: {error}; {advice}") from error
        if parts.username or parts.password or parts.query or parts.fragment:
            raise I3Error(
                "url: contains a user, password or parameters; put the key into an environment "
                "variable and name it with key_env"
            )
        if parts.scheme not in ("http", "https") or not host:
            raise I3Error(f"url {self.url}: {advice}")
        return host if port is None else f"{host}:{port}"

    def key(self) -> str | None:
        """The API key; None if none is sent.

        Raises:
            I3Error: the variable is not set, or is not a key that a header can contain.
        """
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise I3Error(f"key_env: the environment variable {self.key_env} is not set or empty")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise I3Error(f"key_env: {self.key_env} does not contain a key")
        return key

    def extra(self) -> Mapping[str, Any]:
        """Further fields of a request.

        Raises:
            I3Error: they are not a JSON object, or contain what other options say.
        """
        try:
            found = json.loads(self.extra_body or "{}")
        except ValueError as error:
            raise I3Error(f"extra_body: not valid JSON ({error})") from error
        if not isinstance(found, dict):
            raise I3Error('extra_body: expected a JSON object, such as {"top_p": 0.9}')
        if taken := {"model", "messages", "stream", "n"} & found.keys():
            raise I3Error(f"extra_body: {min(taken)} cannot be set here")
        return found

    def request(self, model: str, prompt: str, count: int, seed: int) -> dict[str, Any]:
        """The body of a request for `count` queries."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self.temperature,
            "max_tokens": self.max_tokens or TOKENS * count,
            "seed": seed,
        }
        return {key: value for key, value in {**body, **self.extra()}.items() if value is not None}

    def price(self, prompts: float, answers: float) -> float | None:
        """The price of tokens of prompts and answers; None if prices are unknown."""
        if self.price_input is None or self.price_output is None:
            return None
        return (prompts * self.price_input + answers * self.price_output) / 1e6

    def given(self) -> list[str]:
        """Names of options that differ from their defaults."""
        return [one.name for one in fields(self) if getattr(self, one.name) != one.default]


NOT_ASKED = LanguageModel()
