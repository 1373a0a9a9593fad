"""Finds the fastest parameters of an index that reach a recall, by trial."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.atomic import file_hash, replacing
from i3_pyserini.formats.first_dimensions import for_index
from i3_pyserini.formats.hits import Rows, Scores
from i3_pyserini.formats.index import IndexManifest, TunedRecord, read_manifest
from i3_pyserini.formats.vector_files import kind_of
from i3_pyserini.search.faiss_index import (
    apply_parameters,
    lists_of,
    parameters_of,
    read_index,
    write_index,
)
from i3_pyserini.search.index.results import Trial, in_words
from i3_pyserini.search.searcher import Searcher

REFINE = (1, 2, 4, 8, 16)
STEPS = 3  # bisection steps between two values
REPEATS = 3  # the fastest repetition counts


def tune(
    index: Path, queries: Scores, target: float, k: int, against: Path | None = None
) -> tuple[Trial, list[Trial]]:
    """Tries parameters, and stores the fastest that reach the target in the index.

    Args:
        index: a directory of an approximate index.
        queries: float32 [Q, H]; not the queries to report.
        target: required recall@k, compared with exact search.
        k: number of hits.
        against: a flat index of the same passages; None for the one that the index was built from.

    Returns:
        The best trial and all trials.

    Raises:
        I3Error: the index has no parameters, the passages differ, or the target cannot be reached.
    """
    manifest = read_manifest(index)
    searched = read_index(index)
    if not parameters_of(searched):
        raise I3Error(f"{index}: an index of this type has no parameters to tune")
    exact = _exact_hits(index, manifest, queries, k, against)
    queries = for_index(queries, manifest)
    trials: list[Trial] = []
    for parameters in _grid(searched, k, target, trials):
        apply_parameters(searched, parameters, str(index))
        trials.append(_try(searched, parameters, queries, exact))
    good = [trial for trial in trials if trial.recall >= target]
    if not good:
        best = max(trials, key=lambda trial: trial.recall)
        raise I3Error(
            f"{index}: recall@{k} {target} is not reached; the best is {best.recall:.4f} with "
            f"{in_words(best.parameters)}; lower target_recall, or build a more exact type"
        )
    best = min(good, key=lambda trial: trial.milliseconds)
    apply_parameters(searched, best.parameters, str(index))
    _store(index, searched, manifest, best, target, k)
    return best, trials


def _exact_hits(
    index: Path, manifest: IndexManifest, queries: Scores, k: int, against: Path | None
) -> Rows:
    known = manifest.built.of
    path = against or (Path(known) if known else None)
    if path is None or not path.is_dir():
        raise I3Error(
            f"{index}: the vectors it was built from are not "
            f"{f'at {path}' if path else 'known'}; give a flat index of them as against"
        )
    if kind_of(path) != "faiss":
        raise I3Error(f"{path}: not a flat index; give one of the same vectors as against")
    flat, own = Searcher(path), Searcher(index)
    same = len(flat.docids) == len(own.docids) and flat.docids[0] == own.docids[0]
    if not same or flat.docids[-1] != own.docids[-1]:
        raise I3Error(f"{path}: has other passages than {index}")
    return flat.search_arrays(queries, k).rows


def _grid(
    index: faiss.Index, k: int, target: float, trials: list[Trial]
) -> Iterator[dict[str, int]]:
    """Yields parameters to try, each doubled until the target is reached."""
    has = parameters_of(index)
    breadth = next((name for name in ("nprobe", "efSearch") if name in has), None)
    most = lists_of(index) if breadth == "nprobe" else int(index.ntotal)
    for refine in REFINE if "refine" in has else (None,):
        extra = {} if refine is None else {"refine": refine}
        if breadth is None:
            yield extra
            continue
        below, value = 0, min(1 if breadth == "nprobe" else k, most)
        while True:
            yield {breadth: value, **extra}
            if trials[-1].recall >= target or value == most or _hopeless(trials, target):
                break
            below, value = value, min(2 * value, most)
        reached = trials[-1].recall >= target
        for _ in range(STEPS if reached else 0):  # between the last two
            middle = (below + value) // 2
            if middle in (below, value) or (breadth == "efSearch" and middle < k):
                break
            yield {breadth: middle, **extra}
            below, value = (below, middle) if trials[-1].recall >= target else (middle, value)


def _hopeless(trials: list[Trial], target: float) -> bool:
    """Whether the last trial was slower than one that reached the target."""
    good = [trial.milliseconds for trial in trials if trial.recall >= target]
    return bool(good) and trials[-1].milliseconds > min(good)


def _try(index: faiss.Index, parameters: dict[str, int], queries: Scores, exact: Rows) -> Trial:
    seconds = []
    for _ in tqdm(range(REPEATS), desc=in_words(parameters), delay=2, leave=False):
        start = time.perf_counter()
        _, rows = index.search(queries, exact.shape[1])
        seconds.append(time.perf_counter() - start)
    return Trial(parameters, recall(rows, exact), 1000 * min(seconds) / len(queries))


def recall(found: Rows, exact: Rows) -> float:
    """Mean share of the exact hits that were found. Both arguments are int64 [Q, k]."""
    shares = [
        len(np.intersect1d(one, other)) / len(other)
        for one, other in zip(found, exact, strict=True)
    ]
    return float(np.mean(shares))


def _store(
    folder: Path,
    index: faiss.Index,
    manifest: IndexManifest,
    best: Trial,
    target: float,
    k: int,
) -> None:
    """Stores the parameters, in the index first, then in the manifest.

    Between the two, the manifest has no hash of the index.
    """
    built = replace(
        manifest.built,
        parameters=parameters_of(index),
        tuned=TunedRecord(recall=best.recall, target=target, k=k),
    )
    others = {name: one for name, one in (manifest.sha256 or {}).items() if name != "index"}
    with replacing(folder / "index") as partial:
        write_index(index, partial)
        built = replace(built, bytes=partial.stat().st_size)
        sha256 = {**others, "index": file_hash(partial)}
        replace(manifest, sha256=others or None).write(folder)
    replace(manifest, built=built, sha256=sha256).write(folder)
