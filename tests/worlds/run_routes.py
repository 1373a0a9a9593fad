"""Routes of runs without vectors: BM25 of words split at white space, and fused runs."""

import math
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from tests.worlds.commands import attempt, command
from tests.worlds.compare import check_hits, read_hits
from tests.worlds.place import Place
from tests.worlds.reference import Ranked
from tests.worlds.world import World

LONGEST = 255  # letters of a word
EXACT = 24  # words of a passage whose number Lucene keeps
LEAST = 1e-9  # what is below is no hit
RRF = 60
Scored = list[tuple[str, float]]
Scores = np.ndarray[Any, np.dtype[np.float64]]


def bm25(place: Place) -> None:
    """BM25 of SQLite, whose lengths of passages are exact."""
    check_bm25(place, "sqlite", lambda length: length, lambda word: [word[:LONGEST]])


def lucene_length(length: int) -> int:
    """What Lucene keeps of a passage's length: from 24 on, four bits of what is above."""
    more = length - EXACT
    shift = max(0, more.bit_length() - 4)
    return length if more < 0 else EXACT + (more >> shift << shift)


def lucene_words(word: str) -> list[str]:
    """What Lucene makes of a word: a long one becomes several."""
    return [word[start : start + LONGEST] for start in range(0, len(word), LONGEST)]


def check_bm25(
    place: Place,
    engine: str,
    kept: Callable[[int], int],
    words_of: Callable[[str], list[str]],
    digits: int | None = None,
) -> None:
    """Compares a run of texts that are split at white space only.

    Args:
        place: the place.
        engine: what searches.
        kept: the length that is known of a passage with so many words.
        words_of: what is searched of a word.
        digits: to how many scores are rounded; see `check_hits`.
    """
    world, random = place.readable, Random(place.world.seed)
    k1, b = random.choice((0.5, 0.9, 2.2)), random.choice((0.0, 0.4, 1.0))
    run = place.folder / f"bm25-{engine}.txt"
    words = ["--engine", engine, "--language", "pretokenized", "--k1", k1, "--b", b]
    where = ("--output", run, "--hits", world.k)
    scores = bm25_scores(world, k1, b, kept, words_of)
    expected = [qid for qid, own in zip(world.topics, scores, strict=True) if own.max() > LEAST]
    done = attempt("i3_pyserini", "bm25", place.readable_corpus, place.topics, *where, *words)
    if not expected:
        assert done.code == 2 and "finds nothing for any query" in done.err, done
        return
    assert done.code == 0, done
    found = read_hits(run)
    assert list(found) == expected, f"bm25 {engine}: queries {list(found)}, not {expected}"
    for qid, own in zip(world.topics, scores, strict=True):
        rows = np.flatnonzero(own > LEAST)
        docids = [world.records[row].docid for row in rows]
        if docids:
            ranked = Ranked(docids, own[rows][None])
            check_hits({qid: found[qid]}, [qid], ranked, world.k, f"bm25 {engine}", "any", digits)


def bm25_scores(
    world: World,
    k1: float,
    b: float,
    kept: Callable[[int], int],
    words_of: Callable[[str], list[str]],
) -> Scores:
    """The score of every passage for every query, [Q, N], with Lucene's weights of words."""
    texts = [f"{one.title}\n{one.text}" if one.title else one.text for one in world.records]

    def split(text: str) -> list[str]:
        return [part for word in text.split() for part in words_of(word)]

    counts = [Counter(split(text)) for text in texts]
    lengths = [sum(own.values()) for own in counts]
    filled = [length for length in lengths if length]
    mean = sum(filled) / len(filled) if filled else 1.0
    scores = np.zeros((len(world.topics), len(counts)))
    for query, text in enumerate(world.topics.values()):
        for word in split(text):
            n = sum(word in own for own in counts)
            weight = math.log(1 + (len(filled) - n + 0.5) / (n + 0.5))
            for row, own in enumerate(counts):
                norm = k1 * (1 - b + b * kept(lengths[row]) / mean)
                scores[query, row] += weight * own[word] / (own[word] + norm) if own[word] else 0.0
    return scores


def fused(place: Place) -> None:
    """Two runs fused, by all methods, against sums in plain Python."""
    world, random = place.world, Random(place.world.seed)
    other = place.folder / "other.txt"
    lines = []
    for qid in random.sample(list(world.topics), random.randint(1, len(world.topics))):
        docids = random.sample(place.reference.docids, random.randint(1, len(world.records)))
        scores = sorted((random.uniform(-3, 9) for _ in docids), reverse=True)
        hits = enumerate(zip(docids, scores, strict=True), start=1)
        lines += [f"{qid} Q0 {docid} {rank} {score:.6f} x\n" for rank, (docid, score) in hits]
    other.write_text("".join(lines), encoding="utf-8")
    runs = [dict(read_hits(path)) for path in (place.run, other)]
    weights = [random.choice((0.5, 1.0, 2.0)) for _ in runs]
    for method, normalization in (
        ("rrf", "none"),
        *((method, kind) for method in ("interpolation", "combmnz") for kind in NORMALIZATIONS),
    ):
        target = place.folder / f"fused-{method}-{normalization}.txt"
        words = ["--method", method, "--weights", *weights, "--hits", world.k]
        words += [] if method == "rrf" else ["--normalization", normalization]
        command("i3_pyserini", "fuse", place.run, other, "--output", target, *words)
        found = read_hits(target)
        assert list(found) == list(world.topics), f"fuse {method}: {list(found)}"
        for qid in world.topics:
            right = fused_scores([run.get(qid, []) for run in runs], weights, method, normalization)
            ranked = Ranked(list(right), np.array([list(right.values())]))
            name = f"fuse {method} {normalization}"
            check_hits({qid: found[qid]}, [qid], ranked, world.k, name)


def _min_max(scores: list[float]) -> Callable[[float], float]:
    low, high = min(scores), max(scores)
    return lambda score: (score - low) / (high - low) if high > low else 1.0


def _z_score(scores: list[float]) -> Callable[[float], float]:
    mean = sum(scores) / len(scores)
    deviation = (sum((score - mean) ** 2 for score in scores) / len(scores)) ** 0.5 or 1.0
    return lambda score: (score - mean) / deviation


NORMALIZATIONS: dict[str, Callable[[list[float]], Callable[[float], float]]] = {
    "min-max": _min_max,
    "z-score": _z_score,
    "none": lambda _: lambda score: score,
}


def fused_scores(
    runs: list[Scored], weights: list[float], method: str = "rrf", normalization: str = "none"
) -> dict[str, float]:
    """The fused score of each passage that a run has for a query; see `i3-pyserini fuse`."""
    docids = dict.fromkeys(docid for run in runs for docid, _ in run)
    total = dict.fromkeys(docids, 0.0)
    for run, weight in zip(runs, weights, strict=True):
        if not run:
            continue
        scores = dict(run)
        ranks = {docid: rank for rank, (docid, _) in enumerate(run, start=1)}
        normalized = NORMALIZATIONS[normalization](list(scores.values()))
        # What a run lacks has its lowest score; if there is only one, 1 is not that of the others.
        lowest = normalized(min(scores.values())) if normalization != "min-max" else 0.0
        for docid in docids:
            if method == "rrf":
                total[docid] += weight / (RRF + ranks[docid]) if docid in ranks else 0.0
            else:
                total[docid] += weight * (normalized(scores[docid]) if docid in ranks else lowest)
    if method == "combmnz":
        return {one: score * sum(one in dict(run) for run in runs) for one, score in total.items()}
    return total
