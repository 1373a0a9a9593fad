"""Records the speed of a search."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.records import read_object


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

    def write(self, path: Path, overwrite: bool, run: Path) -> None:
        """Writes a JSON file.

        Args:
            path: the file.
            overwrite: replace an existing file.
            run: the run, which is written after it.

        Raises:
            I3Error: it exists, or cannot be written.
        """
        content = {**asdict(self), "queries_per_second": self.queries / self.seconds}
        with new_file(path, overwrite, before=run) as file:
            file.write(json.dumps(content, indent=2) + "\n")


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
