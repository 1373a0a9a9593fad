"""Asks a language model on an OpenAI-compatible server."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.records import Record

OK, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 200, 400, 401, 403, 404
TOO_LARGE, UNPROCESSABLE, TOO_MANY = 413, 422, 429
BUSY = (408, 409, 425, TOO_MANY, 500, 502, 503, 504, 520, 522, 524, 529)
REFUSALS = (BAD_REQUEST, TOO_LARGE, UNPROCESSABLE)  # of one prompt, such as one that is too long
LONGEST_PAUSE = 60.0  # seconds between two tries, unless the server asks for more
MOST_PATIENT = 600.0  # seconds that a server may ask for
SHOWN = 200  # characters of a server's message
RESUMES = "the same command resumes"


@dataclass(frozen=True)
class Answer(Record):
    """What a server answered.

    Attributes:
        answer: the text; "" if there is none.
        finish: why it ended, such as "stop", or "length" if it was cut.
        prompt_tokens: as the server counts them; None if it does not.
        completion_tokens: likewise, of the answer.
        seconds: how long it took.
        refused: the server's message if it refuses this prompt; None if it does not.
    """

    answer: str = ""
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    refused: str | None = None


class AgainError(Exception):
    """A failure that may pass.

    Args:
        message: what happened.
        pause: seconds that the server asks to wait; None if it does not.
    """

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


class _Bearer(requests.auth.AuthBase):
    """Sends the key, or nothing: without it, requests would send what ~/.netrc has for the host."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Chat:
    """A connection to a server, for several threads.

    Args:
        url: its address, up to /v1.
        key: the API key; None to send none. It is in no message.
        timeout: seconds without an answer.
        retries: repetitions of a request.
        connections: number of threads.

    Attributes:
        stopped: set to end all waiting between tries.
    """

    def __init__(
        self, url: str, key: str | None, timeout: float, retries: int, connections: int
    ) -> None:
        self.address = f"{url.rstrip('/')}/chat/completions"
        self.timeout, self.retries, self._key = timeout, retries, key
        self.stopped = Event()
        self._session = requests.Session()
        self._session.auth = _Bearer(key)
        self._session.headers["User-Agent"] = f"i3_pyserini/{__version__}"
        adapter = HTTPAdapter(pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def ask(self, body: Mapping[str, Any], first: bool = False) -> Answer:
        """Sends a request; repeats it when the server is busy or does not answer.

        Args:
            body: of the request.
            first: whether no request was answered yet; then a server that cannot be reached is an
                error at once.

        Raises:
            I3Error: the server refuses, cannot be reached, or its answers cannot be read.
        """
        for tries in range(self.retries + 1):
            try:
                answer = self._ask(body)
            except requests.ConnectionError as error:
                timed_out = isinstance(error, requests.Timeout)
                if first and not tries and not timed_out:
                    kind = type(error).__name__  # such as SSLError
                    raise I3Error(
                        f"{self.address}: cannot be reached ({kind}); is a server running?"
                    ) from None
                failed = AgainError("no connection")
            except requests.Timeout:
                failed = AgainError(f"no answer within {self.timeout:g} seconds")
            except requests.RequestException as error:
                failed = AgainError(f"the answer was interrupted ({type(error).__name__})")
            except AgainError as error:
                failed = error
            else:
                return answer
            if tries < self.retries:
                self._wait(failed, tries)
            if self.stopped.is_set():
                break
        raise I3Error(f"{self.address}: {failed}, after {tries + 1} tries; {RESUMES}")

    def _wait(self, failed: AgainError, tries: int) -> None:
        pause = failed.pause
        if pause is None:
            pause = min(LONGEST_PAUSE, 2.0**tries) * random.uniform(0.5, 1)  # noqa: S311  (no secret)
        elif pause > MOST_PATIENT:
            raise I3Error(
                f"{self.address}: {failed}, and asks to wait {pause:,.0f} seconds; {RESUMES} then"
            )
        if pause > 5:  # noqa: PLR2004  (seconds without a sign of life)
            note(f"{failed}; next try in {pause:.0f} s")
        self.stopped.wait(pause)

    def _ask(self, body: Mapping[str, Any]) -> Answer:
        """One try.

        Raises:
            AgainError: it may succeed later.
            I3Error: it will not.
        """
        start = monotonic()
        response = self._session.post(
            self.address, json=body, timeout=self.timeout, allow_redirects=False
        )
        status = response.status_code
        if status == OK:
            return self._read(response, monotonic() - start)
        message, code = self._message(response)
        said = f"the server returned {status}{f' ({message})' if message else ''}"
        if status in REFUSALS:
            return Answer(refused=f"{status} {message}".strip(), seconds=monotonic() - start)
        if status in BUSY and code != "insufficient_quota":
            raise AgainError(said, _pause(response))
        advice = {
            UNAUTHORIZED: "; name the environment variable that contains the key with key_env",
            FORBIDDEN: "; may this key use the model?",
            NOT_FOUND: f"; is the address right up to /v1, and {body['model']} a model there?",
        }.get(status, "")
        if location := response.headers.get("Location"):
            advice = f"; it redirects to {location}"
        raise I3Error(f"{self.address}: {said}{advice}")

    def _read(self, response: requests.Response, seconds: float) -> Answer:
        try:
            found = response.json()
        except ValueError as error:
            start = " ".join(response.text.split())[:60]
            raise AgainError(f"the answer is not JSON ({start!r}); is the url right?") from error
        try:
            (choice, *_) = found["choices"]
            text = choice["message"].get("content")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AgainError("the answer has no choices[0].message; is the url right?") from error
        if isinstance(text, list):  # parts of a message
            text = "".join(str(part.get("text", "")) for part in text if isinstance(part, dict))
        text = _valid(text) if isinstance(text, str) else ""
        finish = choice.get("finish_reason")
        usage = found.get("usage") if isinstance(found.get("usage"), dict) else {}
        prompts, answers = (usage.get(f"{name}_tokens") for name in ("prompt", "completion"))
        return Answer(
            answer=text,
            finish=_valid(finish) if isinstance(finish, str) else None,
            prompt_tokens=prompts if isinstance(prompts, int) else None,
            completion_tokens=answers if isinstance(answers, int) else None,
            seconds=round(seconds, 3),
        )

    def _message(self, response: requests.Response) -> tuple[str, Any]:
        """The server's message, without the key, and its code."""
        try:
            found = response.json()
        except ValueError:
            found = {}
        error = found.get("error", found) if isinstance(found, dict) else {}
        code = error.get("code") if isinstance(error, dict) else None
        message = error.get("message") if isinstance(error, dict) else error
        text = " ".join(_valid(str(message or response.reason or "")).split())
        return (text.replace(self._key, "KEY") if self._key else text)[:SHOWN], code


def _valid(text: str) -> str:
    """A text that a file can hold: with a question mark for half a UTF-16 pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _pause(response: requests.Response) -> float | None:
    """The seconds of a Retry-After header; None without one that can be read."""
    try:
        value = response.headers.get("Retry-After")
        return None if value is None else max(0.0, Retry().parse_retry_after(value))
    except InvalidHeader:
        return None
