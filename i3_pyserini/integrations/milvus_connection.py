"""Connections to Milvus: addresses and one-line errors."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.environment import without_login

KIND = "milvus:"
TOKEN = "MILVUS_TOKEN"  # noqa: S105  (the name of an environment variable)
CONNECT = 10  # seconds until an address counts as not reachable


def is_embedded(address: str) -> bool:
    """Whether an address is a file of Milvus Lite, not a server."""
    return "://" not in address


def connect(address: str, create: bool) -> Any:
    """A `pymilvus.MilvusClient`.

    Args:
        address: `milvus:FILE.db` for an embedded one, or `milvus:http://HOST:19530`; the token of a
            server is taken from the environment variable MILVUS_TOKEN.
        create: create an embedded database if it does not exist.

    Raises:
        I3Error: the address is invalid, an extra is not installed, or there is no answer.
    """
    place, address = address.removeprefix(KIND), without_login(address)
    if not address.startswith(KIND) or not place:
        raise I3Error(f"{address}: expected milvus:FILE.db or milvus:http://HOST:19530")
    needed = ["pymilvus", *(["milvus_lite"] if is_embedded(address) else [])]
    if any(find_spec(module) is None for module in needed):
        raise I3Error(f"{address} needs {needed[-1]}: pip install 'i3-pyserini[engine]'")
    what = "cannot be reached"
    if is_embedded(address):
        _check_file(address, Path(place), create)
        what = "cannot be opened; does another process use it?"
    from pymilvus import MilvusClient  # noqa: PLC0415  (an extra)

    # What they raise, a second time and with tracebacks; and that Milvus Lite has no clock.
    for logged in ("pymilvus", "milvus_lite", "grpc._server"):
        logging.getLogger(logged).setLevel(logging.CRITICAL)
    with failures(address, what):
        return MilvusClient(uri=place, token=os.environ.get(TOKEN, ""), timeout=CONNECT)


def disconnect(address: str, client: Any) -> None:
    """Ends a connection; the file of an embedded engine may then be opened by another process."""
    client.close()
    if is_embedded(address):
        servers = import_module("milvus_lite.server_manager")
        servers.server_manager_instance.release_server(address.removeprefix(KIND))


@contextmanager
def failures(address: str, what: str) -> Iterator[None]:
    """Converts exceptions of pymilvus to one-line errors.

    Raises:
        I3Error: "ADDRESS: WHAT (the engine's reason)".
    """
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415  (an extra)

    try:
        yield
    except I3Error:
        raise
    except (MilvusException, OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(getattr(error, "message", error)).split()) or type(error).__name__
        raise I3Error(f"{address}: {what} ({reason:.160})") from error


def _check_file(address: str, path: Path, create: bool) -> None:
    if path.suffix != ".db":
        raise I3Error(f"{address}: the name of an embedded engine ends with .db")
    if path.exists() and not path.is_dir():
        raise I3Error(f"{address}: is a file; Milvus Lite 3 keeps a folder")
    if not path.absolute().parent.is_dir():
        raise I3Error(f"{address}: no such folder {path.parent}")
    if not create and not path.exists():
        raise I3Error(f"{address}: no such file; create it with i3-pyserini index load")
