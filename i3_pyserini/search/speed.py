"""Records the speed of a search."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.records import read_object, write_object


@dataclass(frozen=True)
class Speed:
    """The search time of a run, without start-up, reading and writing.

    Attributes:
        queries: number of queries.
        seconds: time for searching, and for encoding if queries were encoded.
        threads: number of threads.
        batch: number of queries searched together.
    """

    queries: int
    seconds: float
    threads: int
    batch: int

    def write(self, path: Path) -> None:
        """Writes a JSON file; replaces an existing one.

        Raises:
            I3Error: it cannot be written.
        """
        write_object(path, {**asdict(self), "queries_per_second": self.queries / self.seconds})


class Stopwatch:
    """Adds up the time of blocks.

    Attributes:
        seconds: their sum.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measures the time of a block."""
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started


def read_queries_per_second(path: Path) -> float | None:
    """Reads a file of `Speed.write`; None if it does not exist.

    Raises:
        I3Error: it cannot be read.
    """
    try:
        return float(read_object(path)["queries_per_second"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise I3Error(f"{path}: not a file of search --speed ({error!r})") from error
