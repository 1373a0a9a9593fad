"""Reads a run file a block of whole queries at a time, for what needs not all of it at once."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, TypeVar

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.column_layout import Layout, layout_of
from i3_pyserini.formats.columns import read_plainly
from i3_pyserini.formats.compression import open_bytes
from i3_pyserini.formats.metadata_files import START, read_beside
from i3_pyserini.formats.qrels import repeated
from i3_pyserini.formats.run_metadata import RunMetadata
from i3_pyserini.formats.runs import RUN, Run, ranked, read_lines, read_run, wrong_rank
from i3_pyserini.threads import thread_count

BLOCK = 8 << 20  # bytes
LOOKED = 1 << 16  # bytes of a thousand hits or more
T = TypeVar("T")


class RunFile:
    """A run file that is read when it is needed, and if possible never all of it at once.

    Args:
        path: the file; see `read_run`.
        name: name to show; None for the file's.

    Attributes:
        path: see above.
        name: see above.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path, self.name = path, name or path.name
        self._whole: Run | None = None

    @cached_property
    def metadata(self) -> RunMetadata | None:
        """What made it; None if that is unknown."""
        return read_beside(self.path) if self._whole is None else self._whole.metadata

    def each(self, compute: Callable[[Run], T]) -> list[T]:
        """Computes something of each block of queries, several at a time.

        Memory is that of some blocks. A file that is not in the order of its queries, or is unusual
        in another way, is read at once.

        Args:
            compute: called in threads with a part of the run: all lines of some of its queries.

        Returns:
            What `compute` returned, in the order of the file.

        Raises:
            I3Error: see `read_run`.
        """
        if self._whole is None and self.path.is_file():  # a pipe can be read only once
            with ThreadPoolExecutor(1) as pool:  # may hash the file while it is parsed
                known = pool.submit(lambda: self.metadata)
                found = _in_blocks(self.path, compute)
                known.result()
            if found is not None:
                return found
        return [compute(self.whole())]

    def whole(self) -> Run:
        """All of it.

        Raises:
            I3Error: see `read_run`.
        """
        if self._whole is None:
            if "metadata" in self.__dict__:  # a note about it is printed once
                self._whole = read_lines(self.path)
                self._whole.metadata = self.metadata = self.metadata or self._whole.metadata
            else:
                self._whole = read_run(self.path)
            self._whole.name = self.name
        return self._whole


def _in_blocks(path: Path, compute: Callable[[Run], T]) -> list[T] | None:
    """The results for all blocks; None if the file must be read at once."""

    def work(content: bytes, layout: Layout) -> tuple[list[str], T] | None:
        run = _run_of(path, content, layout)
        return None if run is None else (run.queries, compute(run))

    threads = thread_count() + 1  # since reading blocks takes one part of the time
    results: list[T] = []
    seen: set[str] = set()

    def taken(future: "Future[tuple[list[str], T] | None]") -> bool:
        found = future.result()
        if found is None or not seen.isdisjoint(found[0]):
            return False
        seen.update(found[0])
        results.append(found[1])
        return True

    with open_bytes(path) as file, ThreadPoolExecutor(threads) as pool:
        first = file.readline(BLOCK)
        layout = _usual_layout(path, first)
        if layout is None:
            return None
        running: deque[Future[tuple[list[str], T] | None]] = deque()
        for content in _blocks(file, first, layout.separator.encode()):
            running.append(pool.submit(work, content, layout))
            if len(running) > threads and not taken(running.popleft()):
                return None
        return results if all(map(taken, running)) else None


def _usual_layout(path: Path, first: bytes) -> Layout | None:
    """What the first line says of the columns; None for a header, commas and what is no run."""
    if START.fullmatch(first):  # metadata
        return None
    try:
        layout = layout_of(path, first, RUN)
    except I3Error:  # the whole file is read, which raises it again
        return None
    return None if layout.header or layout.separator == "," or layout.skip else layout


def _blocks(file: BinaryIO, first: bytes, separator: bytes) -> Iterator[bytes]:
    """The lines of a file in blocks that end where a query ends."""
    held = bytearray(first)
    size = len(held)  # bytes of them that are in use
    while True:
        held.extend(bytes(max(0, size + BLOCK - len(held))))
        with memoryview(held) as view:
            more = file.readinto(view[size : size + BLOCK])  # type: ignore[attr-defined]  # not in BinaryIO
        if not more:
            break
        size += more
        if cut := _end_of_queries(held, size, separator):
            with memoryview(held) as view:
                yield bytes(view[:cut])
                view[: size - cut] = view[cut:size]
            size -= cut
    if size:
        yield bytes(held[:size])


def _end_of_queries(held: bytearray, size: int, separator: bytes) -> int:
    """Where the last lines of one query begin; 0 if all lines are of one query."""
    end = held.rfind(b"\n", 0, size) + 1  # of the last line that is complete
    last = held.rfind(b"\n", 0, max(0, end - 1)) + 1
    query = bytes(held[last:end]).partition(separator)[0] + separator
    looked = LOOKED
    while looked < end:
        line = held.find(b"\n", end - looked)  # the first one that is seen as a whole
        first = held.find(b"\n" + query, line, end)
        if first > line:
            return first + 1
        looked *= 2  # back, where the query may begin
    return 0 if held.startswith(query) else held.find(b"\n" + query, 0, end) + 1


def _run_of(path: Path, content: bytes, layout: Layout) -> Run | None:
    """The run of some lines; None if one of them is unusual."""
    table = read_plainly(content, layout)
    if table is None or table.is_empty() or repeated(table):
        return None
    if "score" not in table.columns and wrong_rank(table) is not None:
        return None
    return ranked(path, table.select(n for n in table.columns if not n.startswith("_")))
