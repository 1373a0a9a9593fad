"""Searches flat index files as tasks of a Ray cluster, one task for each file.

All machines of the cluster need the index, or its shards, at the same paths.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from i3_pyserini.cluster import RETRIES, Connection, naming_the_machine
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.hits import Rows, Scores
from i3_pyserini.formats.vector_files import Shape, open_index
from i3_pyserini.search.faiss_index import search_exactly
from i3_pyserini.search.flat import FlatVectors
from i3_pyserini.search.origin import identifying_file


@dataclass(frozen=True)
class Known:
    """A file as it is on the machine that starts the search.

    Attributes:
        path: its absolute path.
        shape: number and dimension of its vectors.
        identity: the file that tells the index from others.
        sha256: its hash.
        machine: the machine's name.
    """

    path: Path
    shape: Shape
    identity: Path
    sha256: str
    machine: str

    @classmethod
    def of(cls, path: Path, shape: Shape) -> "Known":
        """The file as it is here.

        Raises:
            I3Error: it cannot be read.
        """
        path = path.absolute()
        identity = identifying_file(path.parent)
        return cls(path, shape, identity, file_hash(identity), socket.gethostname())

    def opened(self) -> Scores:
        """The vectors of the same file on this machine, memory-mapped.

        Raises:
            I3Error: it does not exist, or is another one.
        """
        other = f"differs from that on {self.machine}, which started the search; copy it again"
        if file_hash(self.identity) != self.sha256:
            raise I3Error(f"{self.identity}: {other}")
        vectors = open_index(self.path)
        if (found := Shape(*vectors.shape)) != self.shape:
            raise I3Error(
                f"{self.path}: {found.passages:,} vectors of {found.dimension} dimensions, "
                f"expected {self.shape.passages:,} of {self.shape.dimension}: {other}"
            )
        return vectors


class ClusterVectors(FlatVectors):
    """Like `FlatVectors`, but searched on a Ray cluster.

    A task searches one file, with as many CPUs and threads as `Connection.cpus_of_task` says. Ray
    retries a task whose machine or process is lost without limit. Vectors of rows are read here.

    Args:
        files: see `FlatVectors`.
        address: of the cluster; see `Connection`.

    Raises:
        I3Error: see `FlatVectors` and `Connection`.
    """

    def __init__(self, files: Sequence[Path], address: str) -> None:
        super().__init__(files)
        self._known = [Known.of(*one) for one in zip(files, self.shapes, strict=True)]
        self._cluster = Connection(address)

    def close(self) -> None:
        """Ends the connection."""
        self._cluster.close()

    def _found(self, queries: Scores, k: int) -> Iterator[tuple[Scores, Rows]]:
        """The hits in each file, in the order of the files.

        Raises:
            I3Error: a machine does not have the same file.
        """
        ray, threads = self._cluster.ray, self._cluster.cpus_of_task()
        task = ray.remote(max_retries=RETRIES, num_cpus=threads)(search_file)
        shared = ray.put(queries)
        found = [task.remote(shared, known, k, threads) for known in reversed(self._known)]
        while found:
            yield self._cluster.result_of(found.pop())  # the cluster drops it afterwards


def search_file(queries: Scores, known: Known, k: int, threads: int) -> tuple[Scores, Rows]:
    """The first k hits in a file, or all of a smaller one. Runs on a worker.

    Args:
        queries: float32 [Q, H].
        known: the file.
        k: hits per query.
        threads: for the search.

    Returns:
        See `FlatVectors.search`.

    Raises:
        I3Error: this machine does not have the same file.
    """
    with naming_the_machine(), threadpool_limits(threads):
        vectors = known.opened()
        return search_exactly(queries, vectors, min(k, len(vectors)))
