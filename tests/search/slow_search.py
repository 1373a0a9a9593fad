"""A task that says where it runs, and takes its time; in a module that workers can import."""

import time
from pathlib import Path

from i3_pyserini.formats.hits import Rows, Scores
from i3_pyserini.search.cluster import Known, search_file

SECONDS = 2.0


def slowly(queries: Scores, known: Known, k: int, threads: int) -> tuple[Scores, Rows]:
    """Like `search_file`; first notes beside the shards the node that it runs on."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    (notes_of(known.path.parents[1]) / f"{node} {time.monotonic_ns()}").touch()
    time.sleep(SECONDS)
    return search_file(queries, known, k, threads)


def notes_of(folder: Path) -> Path:
    """The folder of notes beside some shards."""
    return folder / "begun"
