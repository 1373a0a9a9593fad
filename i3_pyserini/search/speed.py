"""How fast a run was searched, stored where it is asked for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.records import read_object, write_object


@dataclass(frozen=True)
class Speed:
    """The time that the queries of a run took, without start-up, reading and writing.

    Attributes:
        queries: how many they were.
        seconds: of encoding them, if they were encoded, and searching.
        threads: that searched.
        batch: queries that were searched together.
    """

    queries: int
    seconds: float
    threads: int
    batch: int

    def write(self, path: Path) -> None:
        """Writes a JSON file; an older one is replaced.

        Raises:
            I3Error: it cannot be written.
        """
        write_object(path, {**asdict(self), "queries_per_second": self.queries / self.seconds})


class Stopwatch:
    """Adds up times.

    Attributes:
        seconds: their sum.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts the time of a block."""
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started


def read_queries_per_second(path: Path) -> float | None:
    """What `Speed.write` has written; None if there is no such file.

    Raises:
        I3Error: it cannot be read.
    """
    try:
        return float(read_object(path)["queries_per_second"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise I3Error(f"{path}: not what search --speed writes ({error!r})") from error
