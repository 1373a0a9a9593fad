"""Records the speed of a search."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import refuse_existing
from i3_pyserini.formats.records import read_object, write_object


@dataclass
class Speed:
    """The time that the queries of a run took, without start-up, reading and writing.

    Attributes:
        queries: their number.
        threads: threads that searched.
        batch: queries that were searched together.
        seconds: of encoding, unless the queries were encoded before, and of searching.
    """

    queries: int
    threads: int
    batch: int
    seconds: float = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Adds the time of a block."""
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started

    def write(self, path: Path, run: Path) -> None:
        """Writes a JSON file, before the run; replaces an existing one.

        Raises:
            I3Error: it cannot be written.
        """
        per_second = self.queries / self.seconds
        write_object(path, {"run": run.name, **asdict(self), "queries_per_second": per_second})


def refuse_speed(path: Path, run: Path, overwrite: bool) -> None:
    """Raises for an existing file, unless it is of an earlier call that did not write its run.

    Raises:
        I3Error: it exists.
    """
    left_over = False
    with suppress(OSError, I3Error):
        left_over = not run.exists() and read_object(path).get("run") == run.name
    refuse_existing(path, overwrite or left_over)


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
