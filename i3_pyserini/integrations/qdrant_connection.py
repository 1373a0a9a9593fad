"""Connections to Qdrant: addresses and one-line errors."""

import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.environment import HIDDEN, without_login

KIND = "qdrant:"
MEMORY = ":memory:"
KEY = "QDRANT_API_KEY"  # the name of an environment variable
CONNECT = 10  # seconds until an address counts as not reachable
CALL = 600  # seconds until a call counts as lost
OLDEST = (1, 16)  # the first version of the server that keeps metadata of collections


def is_embedded(address: str) -> bool:
    """Whether an address is a folder or memory, not a server."""
    return "://" not in address


def connect(address: str, create: bool) -> Any:
    """A `qdrant_client.QdrantClient`.

    Args:
        address: see `i3_pyserini.integrations.qdrant.Qdrant`.
        create: create a folder if it does not exist.

    Raises:
        I3Error: the address is invalid, the extra is not installed, or there is no answer.
    """
    place, address = address.removeprefix(KIND), without_login(address)
    if not address.startswith(KIND) or not place:
        raise I3Error(f"{address}: expected qdrant:FOLDER or qdrant:http://HOST:6333")
    if find_spec("qdrant_client") is None:
        raise I3Error(f"{address} needs qdrant-client: pip install 'i3-pyserini[qdrant]'")
    from qdrant_client import QdrantClient  # noqa: PLC0415  (an extra)

    if not is_embedded(address):
        return _server(address, place)
    if place == MEMORY:
        return QdrantClient(location=MEMORY)
    _check_folder(address, Path(place), create)
    with failures(address, "cannot be opened; does another process use it?"):
        return QdrantClient(path=place)


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings of the client, about what is said here or does not matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def failures(address: str, what: str) -> Iterator[None]:
    """Converts exceptions of qdrant-client to one-line errors, and hides its warnings.

    Raises:
        I3Error: "ADDRESS: WHAT (the engine's reason)".
    """
    from httpx import HTTPError, InvalidURL  # noqa: PLC0415  (comes with the extra)
    from qdrant_client.common.client_exceptions import (  # noqa: PLC0415  (as above)
        QdrantException,
    )
    from qdrant_client.http.exceptions import ApiException  # noqa: PLC0415  (as above)

    try:
        with quiet():
            yield
    except I3Error:
        raise
    except (
        ApiException,
        QdrantException,
        HTTPError,
        InvalidURL,
        OSError,
        ValueError,
        RuntimeError,
        sqlite3.Error,  # of an embedded engine
    ) as error:
        raise I3Error(f"{address}: {what} ({_reason(error):.160})") from error


def _server(address: str, place: str) -> Any:
    from qdrant_client import QdrantClient  # noqa: PLC0415  (an extra)

    options: dict[str, Any] = {
        "url": place,
        "api_key": os.environ.get(KEY) or None,
        "check_compatibility": False,  # the version is checked here
    }
    with failures(address, "cannot be reached"):
        first = QdrantClient(**options, timeout=CONNECT)
        version = str(first.info().version)
        first.close()
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise I3Error(f"{address}: is Qdrant {version}; expected {oldest} or later")
        return QdrantClient(**options, timeout=CALL)


def _check_folder(address: str, path: Path, create: bool) -> None:
    if path.exists() and not path.is_dir():
        raise I3Error(f"{address}: is a file; embedded Qdrant keeps a folder")
    if not path.absolute().parent.is_dir():
        raise I3Error(f"{address}: no such folder {path.parent}")
    if (path / "meta.json").exists():
        return
    if not create:
        raise I3Error(f"{address}: no Qdrant in it; create it with i3-pyserini index load")
    if path.is_dir() and any(path.iterdir()):
        raise I3Error(f"{address}: the folder has other files; choose another one")


def _reason(error: Exception) -> str:
    """The reason in one line, without the key."""
    content = getattr(error, "content", None)  # of an answer that is no success
    text = content.decode(errors="replace") if isinstance(content, bytes) and content else ""
    status = getattr(error, "status_code", None)
    text = f"HTTP {status}: {text}" if status else str(error)
    text = " ".join(text.split()) or type(error).__name__
    key = os.environ.get(KEY)
    return text.replace(key, HIDDEN) if key else text
