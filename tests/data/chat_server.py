"""A stand-in for a server of a language model: OpenAI's chat/completions, and its failures."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Lock
from time import sleep
from typing import Any

from tests.data.local_server import local_server

Failure = tuple[int, dict[str, str], str]  # status, headers and body


@dataclass
class ChatSite:
    """What the server answers, and what it was asked.

    Attributes:
        answer: text of every answer; None for the first words of the passage.
        failures: what the next requests get instead.
        refused: a word of prompts that get 400.
        finish: why answers end.
        pause: seconds before an answer.
        bodies: of all requests.
        keys: Authorization headers of all requests.
        answered: number of requests that got an answer.
    """

    answer: str | None = None
    failures: list[Failure] = field(default_factory=list)
    refused: str | None = None
    finish: str = "stop"
    pause: float = 0.0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    answered: int = 0
    url: str = ""

    @property
    def prompts(self) -> list[str]:
        """The prompts of all requests."""
        return [body["messages"][0]["content"] for body in self.bodies]


@contextmanager
def chatting(site: ChatSite) -> Iterator[ChatSite]:
    """Runs the server on a free port while the block lasts."""
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][0]["content"]
            with lock:
                site.bodies.append(body)
                site.keys.append(self.headers.get("Authorization"))
                failure = site.failures.pop(0) if site.failures else None
            if self.path != "/v1/chat/completions":
                failure = 404, {}, "not here"
            elif site.refused and site.refused in prompt:
                failure = 400, {}, json.dumps({"error": {"message": "prompt is too long"}})
            sleep(site.pause)
            if failure:
                self._send(*failure)
                return
            passage = re.findall(r"Passage: (.*)", prompt)[-1]
            text = site.answer
            if text is None:
                text = f"what is {' '.join(passage.split()[:4])}"
            choice = {"message": {"content": text}, "finish_reason": site.finish}
            usage = {"prompt_tokens": len(prompt) // 2, "completion_tokens": 7}
            self._send(200, {}, json.dumps({"choices": [choice], "usage": usage}))
            with lock:
                site.answered += 1

        def _send(self, status: int, headers: dict[str, str], body: str) -> None:
            content = body.encode()
            self.send_response(status)
            length = str(len(content)) if "cut" not in headers else str(len(content) + 99)
            for name, value in {"Content-Length": length, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = "cut" in headers

        def log_message(self, *_: Any) -> None:
            pass

    with local_server(Handler) as address:
        site.url = f"{address}/v1"
        yield site
