"""Starts modules of stock Pyserini, those of Pyserini 2 also where there is no network.

Importing almost any module of Pyserini 2 reads lists of prebuilt indexes from GitHub, since
`pyserini/prebuilt_index_info.py` looks two names up in them; there is no cache. No local index
needs the lists.
"""

import io
import json
import os
import runpy
import sys
import urllib.request
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import IO
from urllib.error import HTTPError

from i3_pyserini.errors import I3Error, note, run_command
from i3_pyserini.stock.java import set_java

MODULE = "i3_pyserini.stock.offline"  # `python -m` of it runs a stock command
NAMES = ("msmarco-v1-passage.unicoil", "msmarco-v2-passage.unicoil-0shot")
RECORD = {"description": "", "filename": "", "urls": [], "md5": "", "size": 0}
SECONDS = 5  # half of Pyserini's own patience


class Lists:
    """A `urlopen` for these lists that returns empty ones if the network cannot be reached."""

    def __init__(self) -> None:
        self._urlopen = urllib.request.urlopen
        self._reachable = True

    def __call__(self, url: str, timeout: float) -> IO[bytes]:
        """Opens a list."""
        if self._reachable:
            try:
                found: IO[bytes] = self._urlopen(url, timeout=min(timeout, SECONDS))
                return found
            except HTTPError:  # the network is there
                raise
            except OSError as error:
                self._reachable = False
                reason = getattr(error, "reason", error)
                note(f"no network ({reason}): Pyserini runs without prebuilt indexes")
        records = [{"name": name, **RECORD} for name in NAMES if "impact" in url]
        return io.BytesIO(json.dumps(records).encode())


def allow_no_network() -> None:
    """Lets Pyserini 2 be imported in this process without a network; 1.6 needs none."""
    if int(version("pyserini").split(".")[0]) < 2:  # noqa: PLR2004  (the line)
        return
    urlopen = urllib.request.urlopen
    urllib.request.urlopen = Lists()  # type: ignore[assignment]  # put back below
    try:
        import_module("pyserini.prebuilt_index_info")  # takes its `urlopen` now
    finally:
        urllib.request.urlopen = urlopen


def run_stock(module: str, arguments: Sequence[str]) -> None:
    """Runs a stock command in this process.

    Args:
        module: such as "pyserini.encode".
        arguments: of its command line.

    Raises:
        I3Error: there is no Java that Pyserini can start, or the command gave up.
    """
    set_java()
    if home := os.environ.get("JAVA_HOME"):  # trec_eval starts the first `java` on the path
        os.environ["PATH"] = os.pathsep.join([str(Path(home) / "bin"), os.environ["PATH"]])
    allow_no_network()
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None:  # `exit()`, in stock commands always after a failure
            raise I3Error(f"{module} has ended without a result; see above") from end
        raise


def main() -> None:
    """Runs the stock command that the arguments name."""
    run_stock(sys.argv[1], sys.argv[2:])


if __name__ == "__main__":
    run_command(main)
