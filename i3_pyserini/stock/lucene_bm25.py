"""BM25 of a Lucene index, searched by a stock Pyserini that runs as long as who asks it.

Pyserini is in a process of its own, since it starts a Java virtual machine; it is
`python -m i3_pyserini.stock.lucene_bm25 INDEX K1 B`. Both sides of their conversation are here. It
is asked by lines of JSON, `{"query": …, "hits": …}`, and answers by lines `[[docid, score], …]`. A
line before the first question, `[]`, says that it is ready.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.stock.java import FIX, find_java, set_java

K1, B = 0.9, 0.4  # Pyserini's, and those of `search_bm25`


class LuceneBm25:
    """Ranks passages as `search_bm25` does, with the index that it has made.

    Its process ends when we do, in whatever way.

    Args:
        index: a Lucene index.

    Raises:
        I3Error: there is no Lucene index, no Java, or Pyserini cannot read it.
    """

    name = f"BM25 (Lucene, k1 {K1}, b {B})"

    def __init__(self, index: Path) -> None:
        if not any(index.glob("segments_*")):
            raise I3Error(f"{index}: no Lucene index here; i3-pyserini bm25 --index makes one")
        if find_java()[0] is None:
            raise I3Error(f"bm25_index needs Java: {FIX}")
        self._index, self._lock = index, threading.Lock()
        self._errors: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115  (as long as the process)
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(  # noqa: S603  (our own arguments)
            [sys.executable, "-m", __name__, str(index), str(K1), str(B)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: it ends with its standard input
        )
        self._answer()

    def search(self, query: str, hits: int) -> list[tuple[str, float]]:
        """Ids and scores of the passages that have any of a query's words, the best first.

        Raises:
            I3Error: Pyserini has ended.
        """
        with self._lock:
            try:
                assert self._process.stdin is not None  # noqa: S101  (a pipe)
                self._process.stdin.write(json.dumps({"query": query, "hits": hits}) + "\n")
                self._process.stdin.flush()
            except OSError:  # it has ended: it says why below
                pass
            found = self._answer()
        # As trec_eval ranks: by score, then docid, both descending.
        return sorted(((docid, score) for docid, score in found), key=_rank, reverse=True)

    def _answer(self) -> Any:
        assert self._process.stdout is not None  # noqa: S101  (a pipe)
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().split("\n")
        reason = next((text.strip() for text in reversed(said) if text.strip()), "no message")
        raise I3Error(f"{self._index}: Pyserini has ended ({reason})")


def _rank(hit: tuple[str, float]) -> tuple[float, str]:
    return hit[1], hit[0]


def main() -> None:
    """Searches for another process until that closes our standard input."""
    index, k1, b = sys.argv[1:]
    set_java()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever Java prints is no answer
    from pyserini.search.lucene import LuceneSearcher  # noqa: PLC0415  (starts Java)

    searcher = LuceneSearcher(index)
    searcher.set_bm25(float(k1), float(b))
    print("[]", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        hits = searcher.search(asked["query"], asked["hits"])
        print(json.dumps([[hit.docid, hit.score] for hit in hits]), file=answers, flush=True)


if __name__ == "__main__":
    run_command(main)
