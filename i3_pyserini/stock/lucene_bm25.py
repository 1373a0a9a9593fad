"""BM25 of a Lucene index, searched by a stock Pyserini that runs as long as who asks it.

Pyserini is in a process of its own, since it starts a Java virtual machine; it is
`python -m i3_pyserini.stock.lucene_bm25 INDEX LANGUAGE`. Both sides of their conversation are here.
It is asked by lines of JSON, `{"queries": […], "hits": …, "k1": …, "b": …, "threads": …}`, and
answers by lines `{"hits": [[[docid, score], …], …], "seconds": …}`: the hits of each query, and how
long that took. A line before the first question, `{}`, says that it is ready.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.languages import ENGLISH, NONE, PRETOKENIZED, analysis_of
from i3_pyserini.stock.java import NEEDED, find_java, java_advice, set_java

K1, B = 0.9, 0.4  # Pyserini's
SEARCHER = "io.anserini.search.SimpleSearcher"
ANALYSIS = "io.anserini.analysis"
WHITESPACE = "org.apache.lucene.analysis.core.WhitespaceAnalyzer"
AS_IT_IS = ("--stemmer", "none", "--keepStopwords")  # words in lower case


def why_no_lucene() -> str | None:
    """Why Pyserini's Lucene cannot be searched here; None if it can."""
    if find_spec("pyserini") is None:
        return "Lucene needs Pyserini: pip install pyserini"
    return None if find_java()[0] else f"Pyserini's Lucene needs {NEEDED}: {java_advice()}"


def analyzer_options(language: str) -> tuple[str, ...]:
    """The options of `pyserini.index.lucene` for a language.

    Args:
        language: one of `i3_pyserini.search.languages.LUCENE`, or none or pretokenized.
    """
    if language == NONE:
        return AS_IT_IS
    return ("--pretokenized",) if language == PRETOKENIZED else ("--language", language)


class LuceneBm25:
    """Ranks the passages of a Lucene index that `search_bm25` has made.

    Its process ends when we do, in whatever way.

    Args:
        index: a Lucene index; queries are analyzed in the language of its manifest, or as English.
        threads: of searching.

    Raises:
        I3Error: there is no Lucene index, no Java, or Pyserini cannot read it.

    Attributes:
        name: for a reader.
        language: of the analyzer.
        threads: of searching.
        seconds: that searches have taken, without start-up.
    """

    def __init__(self, index: Path, threads: int = 1) -> None:
        if not any(index.glob("segments_*")):
            raise I3Error(f"{index}: not a Lucene index; i3-pyserini bm25 creates one")
        if reason := why_no_lucene():
            raise I3Error(reason)
        self.language = read_manifest(index).built.language or ENGLISH
        of = "" if self.language == ENGLISH else f", {analysis_of(self.language)}"
        self.name = f"BM25 (Lucene{of}, k1 {K1}, b {B})"
        self._index, self._lock = index, threading.Lock()
        self.threads, self.seconds = threads, 0.0
        self._errors: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115  (as long as the process)
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(  # noqa: S603  (our own arguments)
            [sys.executable, "-m", __name__, str(index), self.language],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for us: it ends with its standard input
        )
        self._answer()

    def search(self, query: str, hits: int) -> list[tuple[str, float]]:
        """Ids and scores of the passages that have any of a query's words, the best first.

        Raises:
            I3Error: Pyserini has ended.
        """
        (found,) = self.search_batch([query], hits, K1, B)
        return found

    def search_batch(
        self, queries: Sequence[str], hits: int, k1: float, b: float
    ) -> list[list[tuple[str, float]]]:
        """The same for several queries at once.

        Args:
            queries: their texts.
            hits: of a query, at most.
            k1: of BM25.
            b: BM25's b.

        Raises:
            I3Error: Pyserini has ended.
        """
        texts = [" ".join(query.split()) for query in queries]
        asked = {"queries": texts, "hits": hits, "k1": k1, "b": b, "threads": self.threads}
        with self._lock:
            try:
                assert self._process.stdin is not None  # noqa: S101  (a pipe)
                self._process.stdin.write(json.dumps(asked) + "\n")
                self._process.stdin.flush()
            except OSError:  # it has ended: it says why below
                pass
            answer = self._answer()
            self.seconds += answer["seconds"]
        # As trec_eval ranks: by score, then docid, both descending.
        return [
            sorted(((docid, score) for docid, score in one), key=_rank, reverse=True)
            for one in answer["hits"]
        ]

    def close(self) -> None:
        """Ends Pyserini."""
        self._process.communicate()
        self._errors.close()

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


def _analyzer(language: str, autoclass: Callable[[str], Any]) -> Any:
    """The analyzer that Anserini has indexed with; see `analyzer_options`."""
    if language == NONE:
        return autoclass(f"{ANALYSIS}.DefaultEnglishAnalyzer").fromArguments("none", True, None)
    known = autoclass(f"{ANALYSIS}.AnalyzerMap")
    if language != PRETOKENIZED and (found := known.getLanguageSpecificAnalyzer(language)):
        return found
    return autoclass(WHITESPACE)()


def main() -> None:
    """Searches for another process until that closes our standard input."""
    index, language = sys.argv[1:]
    set_java()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever Java prints is no answer
    # What its LuceneSearcher wraps: importing `pyserini.search` takes ten seconds for encoders.
    from pyserini.pyclass import autoclass  # noqa: PLC0415  (starts Java)

    searcher, strings = autoclass(SEARCHER)(index), autoclass("java.util.ArrayList")
    if language != ENGLISH:
        searcher.set_analyzer(_analyzer(language, autoclass))
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        searcher.set_bm25(float(asked["k1"]), float(asked["b"]))
        queries, qids = strings(), strings()
        for number, query in enumerate(asked["queries"]):
            queries.add(query)
            qids.add(str(number))
        started = time.perf_counter()
        found = searcher.batch_search(queries, qids, asked["hits"], asked["threads"])
        ranked = [found.get(str(number)) for number in range(len(asked["queries"]))]
        # Six digits, as in the runs that stock Pyserini writes.
        hits = [[(hit.docid, round(hit.score, 6)) for hit in one] for one in ranked]
        answer = {"hits": hits, "seconds": time.perf_counter() - started}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    run_command(main)
