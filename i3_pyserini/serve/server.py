"""Serves the page and the HTTP API."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from i3_pyserini.encode.flags import QueryOptions
from i3_pyserini.errors import I3Error, at_least_1, note
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.languages import language_code
from i3_pyserini.formats.paths import AnyPath, NameOrPath

if TYPE_CHECKING:
    from i3_pyserini.serve.passages import Passages

PORTS = 65_535
LOCAL = ("127.0.0.1", "localhost", "::1")
GRACE = 30  # seconds for answers to finish when the server is stopped


def serve_index(
    index: AnyPath,
    corpus: AnyPath | None = None,
    *,
    model: NameOrPath | None = None,
    encoder_class: Literal["i3", "auto"] | None = None,
    bm25: bool = True,
    bm25_index: AnyPath | None = None,
    language: str | None = None,
    hits: int = 10,
    host: str = "127.0.0.1",
    port: int = 8080,
    origins: Sequence[str] = (),
    cache: AnyPath | None = None,
    corpus_options: CorpusOptions = USUAL,
) -> None:
    """Serves a web page and an HTTP API to search an index, until interrupted.

    If the environment variable I3_API_KEY is set, all requests need this key.

    Args:
        index: the index directory.
        corpus: the encoded corpus, a file or folder. Default: the one named in the index manifest.
        model: directory or hub name of the query model. Default: the one named in the index
            manifest.
        encoder_class: "i3", or "auto" for any other Hugging Face encoder.
        bm25: also search by words with BM25, and show its results and the fusion of both.
        bm25_index: a Lucene index of `search_bm25` for BM25. Default: BM25 of SQLite, which needs
            no Java.
        language: language of the passages, for BM25 of SQLite and marked words; see `search_bm25`.
            Default: the one that the collection declares, or English.
        hits: number of passages that each list begins with, at most 100.
        host: address to listen on; any address other than the default lets other machines search.
        port: port to listen on; 0 for any free port.
        origins: web pages of these origins, such as "https://shop.example", may read answers.
            Default: none.
        cache: folder for the text store. Default: the folder of the corpus.
        corpus_options: how to read the corpus, if the index manifest does not record it.

    Raises:
        I3Error: a number is out of range, an input contradicts another, or the port is in use.
    """
    at_least_1(hits=hits)
    if not 0 <= port <= PORTS:
        raise I3Error(f"port is {port}, must be from 0 to {PORTS}")
    if bm25_index is not None and not bm25:
        raise I3Error("bm25_index requires bm25")
    if language is not None and bm25_index is not None:
        raise I3Error("language cannot be combined with bm25_index, which has its own")
    if language is not None:
        language_code(language)
    for origin in origins:
        _check_origin(origin)
    listening = listen(host, port)
    from i3_pyserini.search.searcher import Searcher
    from i3_pyserini.serve.keys import VARIABLE, key_of_environment
    from i3_pyserini.serve.passages import Passages, Sources
    from i3_pyserini.serve.rankings import DEPTH

    if hits > DEPTH:
        raise I3Error(f"hits is {hits}, must be from 1 to {DEPTH}")
    key = key_of_environment()
    if key is None and host not in LOCAL:
        note(f"everybody who can reach {host} can search; {VARIABLE} is not set")
    searcher = Searcher(Path(index))
    name = None if model is None else fspath(model)
    searcher.load_encoder(QueryOptions(encoder_class).flags(name))
    paths = [None if path is None else Path(path) for path in (corpus, cache, bm25_index)]
    sources = Sources(paths[0], paths[1], bm25, paths[2], corpus_options.reading(), language)
    serve(Passages(searcher, sources), listening, Served(host, hits, tuple(origins), key))


def listen(host: str, port: int) -> socket.socket:
    """Binds the address before slow work.

    Raises:
        I3Error: it is taken, or not this machine's, or what serves pages is not installed.
    """
    for package in ("starlette", "uvicorn", "jinja2"):
        if find_spec(package) is None:
            raise I3Error("the page needs a web server: pip install 'i3-pyserini[serve]'")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise I3Error(
            f"{host}:{port}: cannot listen ({error.strerror or error}); choose another port or host"
        ) from error
    return listening


@dataclass(frozen=True)
class Served:
    """How it is served.

    Attributes:
        host: the host given by the user.
        hits: passages shown of each search.
        origins: web pages of these origins may read answers.
        key: the key that requests need; None for none.
    """

    host: str
    hits: int
    origins: tuple[str, ...] = ()
    key: str | None = None


def serve(passages: "Passages", listening: socket.socket, how: Served) -> None:
    """Serves until interrupted; what is being answered then is finished.

    Args:
        passages: what is searched.
        listening: see `listen`.
        how: see `Served`.
    """
    import uvicorn  # an extra

    from i3_pyserini.serve.app import make_app

    # Loads what the first query would wait for.
    passages.search("water", 1, next(iter(passages.views)))
    host = how.host
    app = make_app(
        passages, how.hits, [host, "localhost", socket.gethostname()], how.key, how.origins
    )
    port = listening.getsockname()[1]
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}/ (stop with Ctrl-C)", flush=True)
    # No warnings: anybody could fill the log with those of requests that are not HTTP.
    config = uvicorn.Config(
        app, log_level="error", server_header=False, timeout_graceful_shutdown=GRACE
    )
    uvicorn.Server(config).run(sockets=[listening])


def _check_origin(origin: str) -> None:
    """Raises for what no browser sends as an origin, "*" included."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    known = host and parts.scheme in ("http", "https")
    if not known or origin != f"{parts.scheme}://{host}" + (f":{port}" if port else ""):
        raise I3Error(
            f"origins: {origin!r:.80} is not an origin; expected one such as https://shop.example"
        )
