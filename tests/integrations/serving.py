"""The server as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Server = tuple[str, "subprocess.Popen[str]"]


@contextmanager
def serving(index: Path, **environment: str) -> Iterator[Server]:
    """A server of the command line, and its address."""
    command = [sys.executable, "-m", "i3_pyserini", "serve", str(index), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, encoding="utf-8", env={**os.environ, **environment}
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0].rstrip("/"), process
        finally:
            process.terminate()
