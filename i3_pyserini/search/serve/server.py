"""Serving the page on an address."""

import socket
from importlib.util import find_spec

from i3_pyserini.errors import I3Error
from i3_pyserini.search.serve.passages import Passages


def listen(host: str, port: int) -> socket.socket:
    """Takes the address before anything that takes time.

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
            f"{host}:{port}: cannot listen here ({error.strerror or error}); choose another --port "
            "or --host"
        ) from error
    return listening


def serve(passages: Passages, listening: socket.socket, host: str, hits: int) -> None:
    """Serves until it is interrupted.

    Args:
        passages: what is searched.
        listening: see `listen`.
        host: what the user asked for.
        hits: passages shown of each search.
    """
    import uvicorn  # noqa: PLC0415  (an extra)

    from i3_pyserini.search.serve.app import make_app  # noqa: PLC0415

    app = make_app(passages, hits, [host, "localhost", socket.gethostname()])
    port = listening.getsockname()[1]
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}/ (Ctrl-C ends it)", flush=True)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", server_header=False)
    uvicorn.Server(config).run(sockets=[listening])
